# A full disk under standard output is noticed.
[ -e /dev/full ] || { echo 'exit 1'; exit 0; }
for command in "info --json" info calls dump check; do
  cptrace $command nested.cptrace >/dev/full 2>err || code=$?
  [ -s err ] || echo "no message"
  [ "$code" = 1 ] || echo "cptrace $command: exit $code"
done
echo "exit $code"
