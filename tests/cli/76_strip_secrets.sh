# Nothing of what is removed is left, anywhere in the file. Each option removes its own.
secrets() {
  cptrace strip -f "$@" process_parent.cptrace -o stripped.cptrace || echo "exit $?"
  { if command -v zstd >/dev/null; then zstd -dcq stripped.cptrace; else cptrace dump stripped.cptrace; fi; cat stripped.cptrace; } |
    grep -ao 's3cret-[a-z]*' | sort -u | tr '\n' ' '
  echo
}
{ if command -v zstd >/dev/null; then zstd -dcq process_parent.cptrace; else cptrace dump process_parent.cptrace; fi; } | grep -ao 's3cret-[a-z]*' | sort -u | tr '\n' ' '
echo
for options in '' --all --arguments --paths --host --argv --labels --marks '--marks --paths'; do
  printf '%-16s ' "$options:"
  secrets $options
done
# So it is for the children in a merged trace.
cptrace merge process_parent.cptrace process_child.cptrace -o merged.cptrace
cptrace strip --all merged.cptrace -o stripped.cptrace -f
cptrace dump stripped.cptrace | grep -ac s3cret
cptrace dump -n stripped.cptrace | grep -E ' lane |process:' | cut -d ' ' -f 2-
