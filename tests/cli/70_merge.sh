# The processes of a run as one trace: the parent first, wherever it stands. What each of them did is as in its own file, 300 ns later for the
# child that began then.
cptrace merge -v process_child.cptrace process_parent.cptrace -o merged.cptrace 2>&1 | steady
cptrace check merged.cptrace | steady
cptrace info merged.cptrace | steady | grep -v file
cptrace dump -n merged.cptrace | grep -E ' (pair|lane|task|file|function) ' | cut -d ' ' -f 2-
cptrace calls --lane 0 merged.cptrace | cut -d , -f 3- >parent_of_merged
cptrace calls --lane 0 process_parent.cptrace | cut -d , -f 3- | diff - parent_of_merged && echo same
cptrace calls --lane 'pid 101 · MainThread' merged.cptrace
