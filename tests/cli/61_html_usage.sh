try() { cp2html "$@" 2>&1 >/dev/null; echo "exit $?"; }
try
try nested.cptrace deep.cptrace
try --max-size nested.cptrace
try --max-size=12x nested.cptrace
try --max-size=0 nested.cptrace
try --max-size=-1 nested.cptrace
try --max-size=99999999999G nested.cptrace
try -o
try -z nested.cptrace
try -o nested.cptrace nested.cptrace
ls | grep -v cptrace
true
