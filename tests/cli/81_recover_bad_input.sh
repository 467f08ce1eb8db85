# What is no leftover is told, and nothing is removed or written.
exec 2>&1
mkdir left && cp nested.cptrace left/
cptrace recover; echo "exit $?"
cptrace recover -o x.cptrace left; echo "exit $?"
cptrace recover -o x.cptrace a.cptrace.part b.cptrace.part; echo "exit $?"
cptrace recover nowhere.cptrace.part; echo "exit $?"
cptrace recover left/nested.cptrace; echo "exit $?"
head -c 40000 /dev/zero | tr '\0' x >left/.callprofiler-1-1.ring
head -c 100 /dev/zero >left/empty.cptrace.part
cptrace recover left; echo "exit $?"
cptrace info left/.callprofiler-1-1.ring; echo "exit $?"
ls -A left
