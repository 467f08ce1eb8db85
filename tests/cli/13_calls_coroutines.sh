cptrace calls coroutines.cptrace
