cptrace info generator.cptrace | steady
