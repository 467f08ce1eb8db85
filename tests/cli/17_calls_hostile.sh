# Bytes that are no UTF-8, surrogates, quotes, control characters, line separators: one valid JSON object a line.
cptrace calls hostile.cptrace
