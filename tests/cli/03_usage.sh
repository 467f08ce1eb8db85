# Wrong usage: exit 2, on stderr, with a hint.
try() { "$@" 2>&1 >out; echo "exit $?, $(wc -c <out | tr -d ' ') bytes on stdout"; }
try cptrace
try cptrace frobnicate
try cptrace info
try cptrace info --jsno nested.cptrace
try cptrace info --json=yes nested.cptrace
try cptrace info -x nested.cptrace
try cptrace calls nested.cptrace deep.cptrace
try cptrace check -qx nested.cptrace
try cptrace dump
