#!/usr/bin/env python3
"""What recording, keeping and rendering the example programs costs, against cProfile in the same run.

    python tests/bench/programs.py [--rounds N] [EXAMPLE...]        in an environment with callprofiler

Each round runs every mode once, in a process of its own; the best round of each mode counts. Prints ratios and figures,
and asserts nothing.
"""

import argparse
import asyncio
import cProfile
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZES = {"ast_roundtrip": 6, "json_pure": 4000, "asyncio_tree": 7, "tokenize_difflib": 1500}  # quickstart mostly sleeps
MODES = ("plain", "cProfile", "callprofiler")


def load(example):
    spec = importlib.util.spec_from_file_location(example, EXAMPLES / f"{example}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, "use_python_implementation", lambda: None)()
    return module


def run_main(module, size):
    result = module.main(size)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def child(mode, example, size):
    """Prints the seconds that one run of the example takes in this mode."""
    module = load(example)
    profiler = cProfile.Profile() if mode == "cProfile" else None
    start = time.perf_counter()
    if profiler:
        profiler.runcall(run_main, module, size)
    else:
        run_main(module, size)
    print(time.perf_counter() - start)


def run_child(mode, example, folder):
    environment = dict(os.environ, CALLPROFILER="1" if mode == "callprofiler" else "0")
    environment.update(CALLPROFILER_DIR=str(folder), CALLPROFILER_QUIET="1")
    command = [sys.executable, __file__, "--child", mode, example, str(SIZES[example])]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    return float(output)


def best_times(example, folder, rounds):
    best = {}
    for _ in range(rounds):
        shutil.rmtree(folder, ignore_errors=True)
        for mode in MODES:
            seconds = run_child(mode, example, folder)
            best[mode] = min(seconds, best.get(mode, seconds))
    (trace,) = Path(folder).glob("*.cptrace")
    return best, trace


def convert(trace, rounds):
    """Seconds of the best conversion, and the bytes of the page."""
    page, seconds = trace.with_suffix(".html"), []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([BIN / "cp2html", "-q", trace, "-o", page], check=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds), page.stat().st_size


def info_of(trace):
    return json.loads(subprocess.run([BIN / "cptrace", "info", "--json", trace], stdout=subprocess.PIPE, check=True).stdout)


def measure(example, rounds):
    with tempfile.TemporaryDirectory() as folder:
        best, trace = best_times(example, Path(folder) / "traces", rounds)
        info = info_of(trace)
        seconds, page_bytes = convert(trace, rounds)
    calls = info["calls"]
    added = {mode: (best[mode] - best["plain"]) / calls * 1e9 for mode in MODES[1:]}
    return {
        "calls": calls,
        "bytes/call": info["bytes"] / calls,
        "plain s": best["plain"],
        "added ns": added["callprofiler"],
        "cProfile ns": added["cProfile"],
        "ratio": added["callprofiler"] / added["cProfile"],
        "convert M events/s": info["events"] / seconds / 1e6,
        "page KB": page_bytes / 1e3,
    }


FORMATS = {"calls": "{:>11,}", "page KB": "{:>8,.0f}"}


def print_row(example, row):
    cells = [FORMATS.get(name, f"{{:>{max(len(name), 8)}.2f}}").format(value) for name, value in row.items()]
    print(f"{example:18}", *cells, flush=True)


def print_head(row):
    widths = {"calls": 11, "page KB": 8}
    print(f"Python {sys.version.split()[0]}".ljust(18), *(f"{name:>{widths.get(name, max(len(name), 8))}}" for name in row))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("examples", nargs="*", default=list(SIZES), metavar="EXAMPLE")
    options = parser.parse_args()
    for number, example in enumerate(options.examples):
        row = measure(example, options.rounds)
        if number == 0:
            print_head(row)
        print_row(example, row)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
