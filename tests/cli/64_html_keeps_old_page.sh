# A failed run leaves the page of before alone; a good one replaces it.
echo before >page.html
cp2html -o page.html missing.cptrace 2>/dev/null; echo "exit $?"; cat page.html
cp2html -o page.html nested.cptrace; echo "exit $?"; head -c 15 page.html; echo
cp2html -o /dev/null nested.cptrace; echo "exit $?"
