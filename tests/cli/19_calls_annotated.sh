cptrace calls annotated.cptrace
# Differences begin anew in each block, and nothing else changes.
cptrace calls annotated_small_blocks.cptrace | cmp - <(cptrace calls annotated.cptrace) && echo same
