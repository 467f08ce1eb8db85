#!/usr/bin/env python3
"""check.py TRACE...: reads each trace with the oracle and compares what it finds with `cptrace dump` (on PATH, or in CPTRACE)."""

import os
import subprocess
import sys
from pathlib import Path

import agreement
import cptrace_oracle


def check(path):
    try:
        trace = cptrace_oracle.Trace(Path(path).read_bytes())
    except (cptrace_oracle.SpecError, subprocess.CalledProcessError) as error:
        return [f"not as SPEC.md has it: {error}"]
    return list(agreement.differences(trace, path, os.environ.get("CPTRACE", "cptrace")))


def main(paths):
    failed = not paths
    for path in paths:
        found = check(path)
        print(f"{'FAIL' if found else 'ok  '} {path}")
        for difference in found[:10]:
            print(f"     {difference}")
        failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
