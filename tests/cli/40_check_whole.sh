for trace in *.cptrace; do
  [ $trace = killed.cptrace ] && continue
  echo "$trace $(cptrace check $trace), exit $?" | steady
done
