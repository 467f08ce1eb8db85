# The page goes beside the trace.
cp2html nested.cptrace && ls nested.html && head -c 15 nested.html && echo
cp nested.cptrace other.bin && cp2html other.bin && ls other.bin.html
cp2html -o - nested.cptrace >piped.html && cmp nested.html piped.html && echo same
cp2html - <nested.cptrace >piped.html && cmp nested.html piped.html && echo same
cp2html -o named.html - <nested.cptrace && cmp nested.html named.html && echo same
ls | grep -v cptrace
