# A part that is damaged: the trace has what can be read, its files stay, and recovering again makes no second trace of them.
recover() { cptrace recover "$@" 2>&1 | sed -E 's/0x[0-9a-f]+: .*/OFFSET/' | sort; echo "exit ${PIPESTATUS[0]}"; }
offset_of() { cptrace dump --no-events many_blocks.cptrace | awk -v what="$1" -v n="$2" '$0 ~ what && ++seen == n { print $1 }'; }
mkdir left && cp nested.cptrace left/run.cptrace
head -c $((16#$(offset_of ' end end_tick=' 1))) many_blocks.cptrace >left/run.cptrace.part
printf '\377' | dd of=left/run.cptrace.part bs=1 seek=$((16#$(offset_of ' events lane=' 3) + 30)) conv=notrunc status=none
recover left
recover left
recover -k left/run.cptrace.part
ls -A left
cptrace calls left/run_2.cptrace 2>/dev/null | wc -l | tr -d ' '
# With -k, too, one trace is enough; and without it the files go.
cp nested.cptrace left/again.cptrace && cp killed.cptrace left/again.cptrace.part
recover -k left/again.cptrace.part
recover -k left/again.cptrace.part
recover left/again.cptrace.part
# What is not the same, to the byte, is another trace.
cp killed.cptrace left/again.cptrace.part && echo >>left/again_2.cptrace
recover left/again.cptrace.part
ls -A left
