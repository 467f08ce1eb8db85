#!/usr/bin/env python3
"""What recording adds to a call, to the CPU, to memory, and to the start and end of a run, against cProfile and viztracer.

    python tests/bench/recorder.py [--rounds N] [--json]            in an environment with callprofiler

Every mode runs in a process of its own, in turn, round after round; the best of each counts. Prints added nanoseconds per call and ratios, and
asserts nothing. viztracer takes part when it is installed.
"""

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import time

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def empty():
    pass


class Point:
    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x


def run_fib():
    fib(24)


def run_empty():
    for _ in range(200_000):
        empty()


def run_c_call():
    length, value = len, ()
    for _ in range(400_000):
        length(value)


def run_mixed():
    values = []
    for number in range(60_000):
        point = Point(number)
        values.append(point.get())
        isinstance(point, Point)
        max(number, 3)


WORKLOADS = {"fib": (run_fib, 150_049), "empty": (run_empty, 200_000), "c_call": (run_c_call, 400_000), "mixed": (run_mixed, 360_000)}


def plain(function):
    function()


def with_cprofile(function):
    import cProfile

    cProfile.Profile().runcall(function)


def with_viztracer(function):
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0, tracer_entries=3_000_000)
    tracer.start()
    function()
    tracer.stop()
    tracer.clear()


def with_callprofiler(function):
    import callprofiler

    with callprofiler.block("bench", quiet=True):
        function()


MODES = {"plain": plain, "callprofiler": with_callprofiler, "cProfile": with_cprofile, "viztracer": with_viztracer}


def best_of(mode, function, repeats=5):
    """Wall and CPU seconds of the best of some runs; the first, which imports and warms up, does not count."""
    MODES[mode](function)
    best_wall = best_cpu = math.inf
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        MODES[mode](function)
        best_wall, best_cpu = min(best_wall, time.perf_counter() - wall), min(best_cpu, time.process_time() - cpu)
    return best_wall, best_cpu


def child_workload(mode, workload):
    return dict(zip(("wall", "cpu"), best_of(mode, WORKLOADS[workload][0])))


def resident_kib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def child_long_run():
    """Ten million calls: how long the end takes, and what memory the run added."""
    import resource

    import callprofiler

    run_empty()
    before = resident_kib()
    block = callprofiler.block("long", quiet=True)
    block.__enter__()
    for _ in range(50):
        run_empty()
    start = time.perf_counter()
    block.__exit__(None, None, None)
    end_ms = (time.perf_counter() - start) * 1e3
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"end_ms": end_ms, "added_kib": peak_kib - before, "bytes_per_call": os.path.getsize(block.path) / 10_000_001}


def child_short_run():
    """Fifty calls: what start and end take, median of 200 runs, and the bytes on disk."""
    import callprofiler

    def fifty():
        for _ in range(49):
            len("x")

    seconds, block = [], None
    for _ in range(200):
        start = time.perf_counter()
        block = callprofiler.block("short", quiet=True)
        with block:
            fifty()
        seconds.append(time.perf_counter() - start)
    return {"start_and_end_us": sorted(seconds)[100] * 1e6, "bytes": os.path.getsize(block.path)}


CHILDREN = {"workload": child_workload, "long": child_long_run, "short": child_short_run}


def in_child(*words):
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, CALLPROFILER_DIR=folder)
        command = [sys.executable, os.path.abspath(__file__), "--child", *words]
        return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def smallest(results):
    return {key: min(result[key] for result in results) for key in results[0]}


def measure(rounds):
    modes = [mode for mode in MODES if mode != "viztracer" or importlib.util.find_spec("viztracer")]
    rows = {}
    for workload, (_, calls) in WORKLOADS.items():
        samples = {mode: [] for mode in modes}
        for _ in range(rounds):
            for mode in modes:
                samples[mode].append(in_child("workload", mode, workload))
        best = {mode: smallest(results) for mode, results in samples.items()}
        rows[workload] = {
            mode: {kind: (best[mode][kind] - best["plain"][kind]) / calls * 1e9 for kind in ("wall", "cpu")} for mode in modes[1:]
        }
    runs = {"long": smallest([in_child("long") for _ in range(rounds)])} if sys.platform == "linux" else {}
    runs["short"] = smallest([in_child("short") for _ in range(rounds)])
    return {"python": sys.version.split()[0], "added_ns": rows, "geometric_mean_ratio": ratios(rows, modes), "runs": runs}


def ratios(rows, modes):
    result = {}
    for peer in modes[2:]:
        for kind in ("wall", "cpu"):
            logs = [math.log(row["callprofiler"][kind] / row[peer][kind]) for row in rows.values()]
            result[f"callprofiler/{peer} {kind}"] = math.exp(sum(logs) / len(logs))
    return result


def show(result):
    print(f"Python {result['python']}: added ns per call (wall / CPU)")
    for workload, row in result["added_ns"].items():
        print(f"  {workload:8}", *(f"{mode} {cost['wall']:6.1f} /{cost['cpu']:6.1f}  " for mode, cost in row.items()))
    for name, ratio in result["geometric_mean_ratio"].items():
        print(f"  {name}: {ratio:.2f} (geometric mean)")
    for name, run in result["runs"].items():
        print(f"  {name} run:", ", ".join(f"{key} {value:.2f}" for key, value in run.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.rounds)
    print(json.dumps(result, indent=1)) if options.json else show(result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(CHILDREN[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
