# Options after the operand, "--" before it, names that look like options.
cp nested.cptrace -- --json
cptrace check nested.cptrace -q; echo $?
cptrace check -- --json | steady
cptrace info -- --json | head -n 1
