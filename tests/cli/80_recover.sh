# What killed processes left: a part without its ring file gets its end; a ring file that holds nothing goes.
mkdir left && cp killed.cptrace left/run.cptrace.part && cp nested.cptrace left/run.cptrace
: >left/.callprofiler-77-1.ring
cptrace check left/run.cptrace.part | steady; echo "exit ${PIPESTATUS[0]}"
cptrace recover -o other.cptrace left/run.cptrace.part; echo "exit $?"
cptrace check other.cptrace | steady; echo "exit ${PIPESTATUS[0]}"
cptrace calls other.cptrace >recovered; cptrace calls killed.cptrace >cut 2>/dev/null; cmp recovered cut && echo "the same calls"
cptrace recover left; echo "exit $?"
cptrace check left/run_2.cptrace | steady
cptrace info left/run_2.cptrace | grep '^end'
cptrace recover left; echo "exit $?, nothing is left to do"
ls -A left
