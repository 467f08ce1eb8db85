"""Programs whose recorder meets failing system calls (faults/faults.c says which can fail, and how), and what becomes of their traces."""

import atexit
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from conftest import record_program, run_process, tool

SOURCE = Path(__file__).parent / "faults" / "faults.c"


@functools.cache
def library():
    """The library to preload, built once per test process; a reason why there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if sys.platform != "linux":
        return None, "faults are injected with LD_PRELOAD, which needs Linux"
    if not compiler:
        return None, "there is no C compiler to build the library that injects faults"
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE), "-ldl", "-pthread"], check=True)
    return path, None


needs_faults = pytest.mark.skipif(library()[0] is None, reason=library()[1] or "")

# What each program begins with. leaf and main are the only calls that are recorded, so that they can be counted.
PRELUDE = """
import ctypes, json, os, resource, shutil, sys, threading, time, warnings
from callprofiler import block, profile

sys.setswitchinterval(60)

library = ctypes.CDLL(os.environ["LD_PRELOAD"])
set_faults, count_faults = library.faults_set, library.faults_count

def faults(rules):
    set_faults(rules.encode())

def await_fault():
    while not count_faults(0):
        time.sleep(0.001)

def leaf():
    pass

def leaves(count):
    for _ in range(count):
        leaf()

def open_files():
    return sorted(os.listdir("/proc/self/fd"))

@profile(quiet=True, c_calls=False)
def main(count, between=None, fails=False):
    for _ in range(count):
        leaf()
    if between:
        between()
        for _ in range(count):
            leaf()
    if fails:
        raise KeyError("mine")
    return "result"

def tell(call, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(*arguments)
        except Exception as error:
            result = repr(error)
    print(json.dumps({"result": result, "warnings": [f"{each.category.__name__}: {each.message}" for each in caught]}))
"""


class Faulty:
    """A finished program: what it told of each run, and the traces, in whatever state."""

    def __init__(self, recorded):
        self.told = [json.loads(line) for line in recorded.stdout.splitlines()]
        self.folder, self.stderr, self.recorded = recorded.folder, recorded.stderr, recorded

    @property
    def warnings(self):
        return [warning for told in self.told for warning in told["warnings"]]

    @property
    def warning(self):
        assert len(self.warnings) == 1, self.told
        assert self.warnings[0].startswith("RuntimeWarning: callprofiler: "), self.warnings
        return self.warnings[0]

    @property
    def missing(self):
        """How many calls the warning says are missing."""
        return int(re.search(r"(\d+) calls are missing", self.warning).group(1))

    def files(self, suffix):
        return sorted(path for path in self.folder.rglob("*" + suffix) if path.is_file())

    @property
    def part(self):
        (path,) = self.files(".cptrace.part")
        return path

    @property
    def ring(self):
        (path,) = self.files(".ring")
        return path


def faulty_program(folder, rules, body, timeout=120, env=None, ok=True):
    """Runs body after the prelude, under these rules. It must come to its end (ok: a good one), and print nothing but what it tells."""
    environment = {"LD_PRELOAD": str(library()[0]), "FAULTS": rules, **(env or {})}
    return Faulty(record_program(folder, PRELUDE + textwrap.dedent(body), env=environment, timeout=timeout, ok=ok))


def summary_of(trace):
    """What `cptrace info --json` says of a trace, which need not be whole."""
    return json.loads(run_process([tool("cptrace"), "info", "--json", trace], Path(trace).parent).stdout)


def check(trace):
    """`cptrace check`: its exit code and all that it says."""
    process = run_process([tool("cptrace"), "check", trace], Path(trace).parent)
    return process.returncode, process.stdout + process.stderr


def call_count_of_left(path, rings_count=True):
    """What a run left that could not go on is read as far as it was recorded: its calls."""
    code, said = check(path)
    summary = summary_of(path)
    if rings_count:
        assert code == 0 and summary["complete"] and summary["end"]["outcome"] == "killed", said
    else:
        assert code == 4 and summary["cut"] and "damaged" not in said, said
    return summary["calls"]


def call_count_of_whole(trace):
    code, said = check(trace)
    assert code == 0, said
    summary = summary_of(trace)
    assert summary["complete"]
    return summary["calls"]
