try() { cptrace merge "$@" 2>&1 >/dev/null; echo "exit $?"; }
try
try process_parent.cptrace -o out.cptrace
try process_parent.cptrace process_child.cptrace
try process_parent.cptrace process_parent.cptrace -o out.cptrace
try process_parent.cptrace process_child.cptrace -o process_child.cptrace
try process_parent.cptrace missing.cptrace -o out.cptrace
try process_parent.cptrace /dev/null -o out.cptrace
echo before >old.cptrace
try process_parent.cptrace process_child.cptrace -o old.cptrace
cat old.cptrace
try process_parent.cptrace process_child.cptrace -f -o old.cptrace
cptrace check -q old.cptrace && echo whole
try process_parent.cptrace process_child.cptrace -o no/such/folder.cptrace
mkdir folder
try process_parent.cptrace process_child.cptrace -o folder
cptrace merge process_parent.cptrace process_child.cptrace -o - | cmp - old.cptrace >/dev/null; cptrace merge process_parent.cptrace process_child.cptrace -o - >piped
cptrace check -q piped && echo whole
# Traces that have nothing to do with each other are merged all the same, with a word about it.
try nested.cptrace process_child.cptrace -o strangers.cptrace
[ -e /dev/full ] && try process_parent.cptrace process_child.cptrace -o /dev/full || { echo 'cptrace merge: error: /dev/full: cannot write: No space left on device'; echo 'exit 1'; }
ls | grep -E '^out|tmp'
true
