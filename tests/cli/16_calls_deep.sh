# 10 000 deep.
cptrace calls deep.cptrace >calls
wc -l <calls | tr -d ' '
sed -n '1p;$p' calls
