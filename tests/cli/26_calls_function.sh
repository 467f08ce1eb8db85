# All calls of a function, with all that they did, from the blocks that mention it.
cptrace calls -v -f h many_blocks.cptrace 2>&1
cptrace calls -v -f len many_blocks.cptrace 2>&1
cptrace calls -f gen generator_small_blocks.cptrace
cptrace calls --function app.Klass.f nested.cptrace | wc -l | tr -d ' '
cptrace calls -f len -r 0ns..200ns -l main many_blocks.cptrace
