# Unfinished calls come last, the youngest first, with end_ns null.
cptrace calls unfinished.cptrace
