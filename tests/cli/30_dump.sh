cptrace dump generator_small_blocks.cptrace | steady
