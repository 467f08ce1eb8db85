#!/usr/bin/env python3
"""How many instructions recording adds to a call, counted by valgrind: the same on a busy machine as on a quiet one.

    python tests/bench/instructions.py [--lines] [--no-build] [WORKLOAD...]         needs valgrind, and pip in the environment

Each workload runs twice in each mode, with fewer and with more calls; the difference of the two is what calls cost, without the start of the
process. callprofiler is built from this tree with symbols and line numbers, into build/bench. --lines: what the lines of the recorder cost.
"""

import argparse
import glob
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

from callgrind_file import CallgrindFile

ROOT = Path(__file__).resolve().parents[2]
MODES = ("plain", "null", "callprofiler")
CHILD = Path(__file__).resolve().with_name("instructions_child.py")
LINES_SHOWN = 40


def fib_calls(n):
    return 1 if n < 2 else 1 + fib_calls(n - 1) + fib_calls(n - 2)


# Smaller and larger size, and how many calls a size makes.
WORKLOADS = {
    "fib": ((19, 21), fib_calls),
    "empty": ((10_000, 30_000), lambda count: count),
    "c_call": ((10_000, 30_000), lambda count: count),
}
HOOKS = {"null": ("null_hook",), "callprofiler": ("on_py_start", "on_py_return", "on_call", "on_c_return", "on_event")}
DRAINING = ("rec_lane_make_room", "rec_run_save")  # what the workload's thread drains itself, now and then and at the end


def build(folder):
    """As it is shipped, but with symbols."""
    options = ["install.strip=false", "cmake.args=-DCMAKE_C_FLAGS=-g", "build-dir=build/pip-symbols/{wheel_tag}"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--upgrade", "--target", str(folder)]
    subprocess.run([*command, *(word for option in options for word in ("-C", option)), str(ROOT)], check=True)


def environment_of(package):
    """Of the counted process: always the same, with compiled modules at hand."""
    environment = dict(os.environ, PYTHONHASHSEED="0", PYTHONPATH=f"{package}{os.pathsep}{CHILD.parent}")
    environment.update(PYTHONPYCACHEPREFIX=str(ROOT / "build" / "bench" / "pycache"), PYTHONDONTWRITEBYTECODE="")
    return environment


def command_of(mode, workload, size, folder):
    return [sys.executable, "-S", str(CHILD), mode, workload, str(size), folder]


def warm_up(package):
    """Makes what the first process would make: compiled modules, the null hook."""
    for mode in MODES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(command_of(mode, "empty", 10, folder), env=environment_of(package), check=True)


def count(mode, workload, size, package):
    """A CallgrindFile per thread: that of the workload first."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind")
        command = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}"]
        command += command_of(mode, workload, size, folder)
        subprocess.run(command, env=environment_of(package), check=True, stderr=subprocess.DEVNULL)
        return [CallgrindFile(path) for path in sorted(glob.glob(out + "*-[0-9][0-9]"))]


class Difference:
    """What the additional calls of the larger run cost, per call."""

    def __init__(self, mode, workload, package):
        (small, large), calls_of = WORKLOADS[workload]
        self.calls = calls_of(large) - calls_of(small)
        self.small, self.large = count(mode, workload, small, package), count(mode, workload, large, package)

    def _per_call(self, measure):
        return (measure(self.large) - measure(self.small)) / self.calls

    def thread(self):
        return self._per_call(lambda threads: threads[0].total)

    def others(self):
        return self._per_call(lambda threads: sum(thread.total for thread in threads[1:]))

    def functions(self, names):
        return self._per_call(lambda threads: sum(threads[0].with_callees[name] for name in names))

    def by(self, attribute):
        """Per call, of each function or line of the workload's thread."""
        costs = Counter(getattr(self.large[0], attribute))
        costs.subtract(getattr(self.small[0], attribute))
        return {key: cost / self.calls for key, cost in costs.items()}


def show(workload, package, with_lines):
    plain, null, ours = (Difference(mode, workload, package) for mode in MODES)
    draining = ours.functions(DRAINING)
    floor, recorded = null.thread() - plain.thread(), ours.thread() - plain.thread() - draining
    print(f"{workload}: plain {plain.thread():.1f} instructions a call; null adds {floor:.1f}, callprofiler {recorded:.1f}", end="")
    print(f": beyond the null {recorded - floor:.1f}")
    hooks = ours.functions(HOOKS["callprofiler"]) - ours.functions(DRAINING[:1])
    print(f"  in the hooks: null {null.functions(HOOKS['null']):.1f}, callprofiler {hooks:.1f}", end="")
    print(f"; besides, draining: {draining + ours.others():.1f}, of which the drainer {ours.others():.1f}")
    if with_lines:
        show_lines(ours)


def source_line(file, line):
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return ""


def show_lines(difference):
    shown = [(cost, key) for key, cost in difference.by("of_line").items() if cost > 0.05 and is_ours(key[0])]
    for cost, (file, line) in sorted(shown, reverse=True)[:LINES_SHOWN]:
        print(f"    {cost:6.2f}  {Path(file).name}:{line}  {source_line(file, line)}")


def is_ours(file):
    return "/recorder/src/" in file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", action="store_true", help="what each line of the recorder costs")
    parser.add_argument("--no-build", action="store_true", help="callprofiler as it was built the last time")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    options = parser.parse_args()
    unknown = set(options.workloads) - set(WORKLOADS)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    package = ROOT / "build" / "bench" / f"symbols-{sysconfig.get_config_var('SOABI')}"
    if not options.no_build:
        build(package)
    warm_up(package)
    print(f"Python {sys.version.split()[0]}")
    for workload in options.workloads or WORKLOADS:
        show(workload, package, options.lines)


if __name__ == "__main__":
    main()
