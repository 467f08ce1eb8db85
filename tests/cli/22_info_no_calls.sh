cptrace info no_calls.cptrace | steady
cptrace calls no_calls.cptrace
