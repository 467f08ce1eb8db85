cptrace dump annotated.cptrace | steady
