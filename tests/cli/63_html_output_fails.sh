# What cannot be written is told, and leaves nothing behind.
try() { cp2html "$@" 2>&1 >/dev/null; echo "exit $?"; }
mkdir folder
try -o folder nested.cptrace
try -o no/such/folder.html nested.cptrace
[ -e /dev/full ] && try -o /dev/full nested.cptrace | sed 's/: .*/: .../' || { echo 'cp2html: ...'; echo 'exit 1'; }
[ -e /dev/full ] && { cp2html -o - nested.cptrace 2>err >/dev/full; echo "exit $?"; [ -s err ] && echo told; } || { echo 'exit 1'; echo told; }
ls | grep -v cptrace
ls folder
