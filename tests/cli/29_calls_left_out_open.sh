# What was left out and is open at the end, with recorded calls open in it, counts for the call that it is right below; also in copies.
cptrace dump left_out_open.cptrace | grep -o 'omitted.*'
cptrace info left_out_open.cptrace | grep 'left out'
cptrace calls left_out_open.cptrace | tee calls
cptrace calls --range 900ns.. left_out_open.cptrace | cut -d , -f 4,9-11
for copy in 'strip --all' 'merge process_child.cptrace'; do
  cptrace $copy left_out_open.cptrace -o copy.cptrace -q
  cptrace dump copy.cptrace | grep -o 'omitted.*'
  cptrace calls copy.cptrace | grep -o '"omitted.*'
done
cp2html left_out_open.cptrace -q && ls left_out_open.html
