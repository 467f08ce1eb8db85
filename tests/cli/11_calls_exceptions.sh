cptrace calls exceptions.cptrace
