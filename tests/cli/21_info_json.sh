cptrace info --json generator.cptrace | steady
