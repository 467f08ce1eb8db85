# "-" is standard input, also when it is a pipe.
cptrace calls - <nested.cptrace | cksum
cat nested.cptrace | cptrace calls - | cksum
cptrace calls nested.cptrace | cksum
cat nested.cptrace | cptrace dump - | cksum
cptrace dump nested.cptrace | cksum
