# --help goes to stdout, and the README of the converter shows the very same text: both come from the option tables.
documented() { # the fenced block after the line "    $ COMMAND --help"
  awk -v want="\$ $1 --help" '$0 == want { inside = 1; next } inside && /^(\$ |```)/ { exit } inside' "$ROOT/converter/README.md"
}
for command in cp2html cptrace "cptrace info" "cptrace calls" "cptrace dump" "cptrace check" "cptrace recover" "cptrace merge" "cptrace strip"; do
  $command --help >help || echo "exit $?"
  documented "$command" | sed -e '${/^$/d}' >documented
  if diff documented help; then echo "$command: as documented"; else echo "$command: differs from converter/README.md"; fi
done
