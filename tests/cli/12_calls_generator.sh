# One call per generator, however often it is resumed and from where; and the same when every block is cut small.
cptrace calls generator.cptrace
cptrace calls generator_small_blocks.cptrace >small
cptrace calls generator.cptrace | diff - small && echo same
