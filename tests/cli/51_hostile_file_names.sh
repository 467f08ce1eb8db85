# Names with spaces, quotes, newlines and escapes: used as they are, shown without control characters.
name=$(printf 'a "b"\n\033[31m$(echo no) \\ .cptrace')
cp nested.cptrace "$name"
cptrace check "$name" | steady
: >"$name"
cptrace check "$name" 2>&1
echo "exit $?"
