# No page to a terminal, where one can be had.
script -qec true /dev/null >/dev/null 2>&1 || { cat <<'END'
cp2html: error: a page is not for a terminal: give -o OUT.html, or send standard output to a file
Try 'cp2html --help'.
exit 2
END
exit; }
script -qec 'cp2html -o - nested.cptrace; echo "exit $?"' /dev/null | tr -d '\r'
