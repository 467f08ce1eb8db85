# A hostile trace makes a page that is still one script-safe document, and messages without control characters.
cp2html -v hostile.cptrace 2>err || echo "exit $?"
sed 's/ in [0-9.]* s//; s/[0-9]* bytes/N bytes/' err
grep -c '</script><b>' hostile.html
name=$(printf 'a "b" <c>\033[31m.cptrace')
cp nested.cptrace "$name"
cp2html "$name" && ls | grep -c '<c>.*html'
