"""Measures one workload in every mode, in one process: round after round, each mode in turn."""

import gc
import math
import os
import statistics
import subprocess
import time
from collections import Counter

import modes as modes_of
import workloads

EVENTS_FOR_ENTROPY = 500_000
# From before start to after stop: wall, CPU of the thread that runs the workload (on a busy machine the better measure of what it is held up),
# CPU of all threads; and wall between start and stop.
KINDS = ("wall", "thread", "cpu", "inside")


def sample(mode, function):
    """Seconds of one run: by kind."""
    gc.collect()
    cpu, thread, begin = time.process_time(), time.thread_time(), time.perf_counter()
    mode.start()
    started = time.perf_counter()
    function()
    ended = time.perf_counter()
    mode.stop()
    stopped, thread_stopped, cpu_stopped = time.perf_counter(), time.thread_time(), time.process_time()
    mode.clear()
    return {"wall": stopped - begin, "thread": thread_stopped - thread, "cpu": cpu_stopped - cpu, "inside": ended - started}


def sample_rounds(modes, function, rounds):
    """Samples by mode. The order turns with each round; the first round only warms up."""
    samples = {name: [] for name in modes}
    order = list(modes)
    for number in range(rounds + 1):
        for name in order:
            seconds = sample(modes[name], function)
            if number > 0:
                samples[name].append(seconds)
        order.append(order.pop(0))
    return samples


def median_added(samples, name, kind):
    """Seconds that the mode adds, against plain in the same round: the median over rounds."""
    return statistics.median(of_mode[kind] - plain[kind] for of_mode, plain in zip(samples[name], samples["plain"]))


def python_calls(function):
    """How many Python functions the workload calls; a generator counts once. None before 3.12: only trace0 needs it."""
    monitoring = getattr(modes_of.sys, "monitoring", None)
    if monitoring is None:
        return None
    count = 0

    def on_start(code, offset):
        nonlocal count
        count += 1

    monitoring.use_tool_id(4, "count")
    monitoring.register_callback(4, monitoring.events.PY_START, on_start)
    monitoring.set_events(4, monitoring.events.PY_START)
    function()
    monitoring.set_events(4, 0)
    monitoring.free_tool_id(4)
    return count


def ticks_of(trace):
    """(lane, tick) of the first events of a trace, in order."""
    process = subprocess.Popen([modes_of.CPTRACE, "dump", trace], stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    lane, left = None, EVENTS_FOR_ENTROPY
    with process:
        for line in process.stdout:
            words = line.split(" ", 3)
            if words[1] == "block":
                lane = line.partition(" lane=")[2].partition(" ")[0]
            elif len(words) > 2 and words[2].startswith("tick="):
                yield lane, int(words[2][5:])
                left -= 1
            if left == 0:
                process.kill()
                break


def clock_entropy_bytes(trace):
    """Order-0 entropy of the time between two events, in bytes an event."""
    last, deltas = {}, Counter()
    for lane, tick in ticks_of(trace):
        if lane in last:
            deltas[tick - last[lane]] += 1
        last[lane] = tick
    total = sum(deltas.values())
    return -sum(count * math.log2(count / total) for count in deltas.values()) / total / 8


def size_figures(mode):
    """What a trace weighs. Bytes per call are those of the last round."""
    info = mode.info
    entropy = clock_entropy_bytes(mode.path)
    return {
        "bytes_per_call": info["bytes"] / info["calls"],
        "bytes_per_event": info["bytes"] / info["events"],
        "entropy_bytes_per_event": entropy,
        "bytes_per_entropy": info["bytes"] / info["events"] / entropy,
    }


def calls_seen(name, mode, modes, python_count):
    if isinstance(mode, modes_of.Callprofiler):
        return mode.info["calls"]
    if mode.sees_c_calls or python_count is None:
        return modes["callprofiler"].info["calls"]
    return python_count


def measure(workload, rounds, folder):
    function = workloads.load(workload)
    modes = modes_of.available(folder)
    samples = sample_rounds(modes, function, rounds)
    python_count = python_calls(function)
    plain = [seconds["wall"] for seconds in samples["plain"]]
    rows = {}
    for name, mode in modes.items():
        if name == "plain":
            continue
        calls = calls_seen(name, mode, modes, python_count)
        added_s = {kind: median_added(samples, name, kind) for kind in KINDS}
        rows[name] = {"calls": calls, "added_s": added_s}
        if calls * 10 > modes["callprofiler"].info["calls"]:  # else there is hardly anything that the mode records
            rows[name]["added_ns_per_call"] = {kind: seconds / calls * 1e9 for kind, seconds in added_s.items()}
    result = {
        "calls": modes["callprofiler"].info["calls"],
        "events": modes["callprofiler"].info["events"],
        "python_calls": python_count,
        "plain_s": statistics.median(plain),
        "plain_spread": max(plain) / min(plain),
        "helped_drains": int(modes["callprofiler"].info["end"].get("helped_drains", 0)),
        "modes": rows,
        **size_figures(modes["callprofiler"]),
    }
    if "added_ns_per_call" in rows.get("trace0", ()):
        result["trace0_bytes_per_call"] = modes["trace0"].bytes / python_count
    for name in ("callprofiler", "callprofiler_python"):
        if name in modes and os.path.exists(modes[name].path):
            os.remove(modes[name].path)
    return result
