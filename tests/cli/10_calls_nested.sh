cptrace calls nested.cptrace
