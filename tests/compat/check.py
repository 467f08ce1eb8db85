"""Reads the corpus of every format version, and compares with what it was when it was made.

    check.py BIN            with the cptrace in the folder BIN; non-zero when anything differs
    check.py BIN --add      makes the golden files of new traces; those that are there are never written again

A later cptrace may say more: each field of a golden file must be said, with the same value.
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "data" / "compat"
sys.path.insert(0, str(HERE.parent / "oracle"))

VERSIONS = ("v1", "v2", "v3")
COMPLETE_OR_PARTIAL = (0, 4)


def said_by(command, trace):
    process = subprocess.run([*command, str(trace)], capture_output=True, text=True, encoding="utf-8")
    assert process.returncode in COMPLETE_OR_PARTIAL, f"{trace.name}: {command}: exit {process.returncode}: {process.stderr}"
    return process.stdout


def difference(golden, found, where=""):
    """The first place where found does not say what golden says, or None."""
    if isinstance(golden, dict) and isinstance(found, dict):
        for key, value in golden.items():
            if key not in found:
                return f"{where}.{key}: missing"
            told = difference(value, found[key], f"{where}.{key}")
            if told:
                return told
        return None
    if isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        return next(filter(None, (difference(*pair, f"{where}[{n}]") for n, pair in enumerate(zip(golden, found)))), None)
    return None if golden == found else f"{where}: expected {golden!r}, found {found!r}"


def read(trace, cptrace):
    info = json.loads(said_by([cptrace, "info", "--json"], trace))
    calls = [json.loads(line) for line in said_by([cptrace, "calls"], trace).splitlines()]
    return {"info": info, "calls": calls}


def write_golden(path, said):
    lines = ",\n".join(json.dumps(call, ensure_ascii=True, separators=(",", ":")) for call in said["calls"])
    path.write_text(f'{{"info": {json.dumps(said["info"], indent=1)},\n"calls": [\n{lines}\n]}}\n', encoding="ascii")


def check(trace, cptrace, adds):
    golden = trace.with_suffix(".golden.json")
    said = read(trace, cptrace)
    if adds and not golden.exists():
        write_golden(golden, said)
    return difference(json.loads(golden.read_text(encoding="ascii")), said)


def main(arguments):
    cptrace, adds = str(pathlib.Path(arguments[0]) / "cptrace"), "--add" in arguments
    traces = sorted(CORPUS.glob("v*/*.cptrace"))
    for version in VERSIONS:
        assert sum(trace.parent.name == version for trace in traces) >= 20, f"{CORPUS / version}: the corpus is not there"
    failed = 0
    for trace in traces:
        told = check(trace, cptrace, adds)
        failed += told is not None
        print(f"{'FAIL' if told else 'ok  '} {trace.parent.name}/{trace.name}{': ' + told if told else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
