#!/usr/bin/env python3
"""What recording costs: per call, in CPU, on disk, in memory, at the start and end of a run; beside a null hook and other profilers.

    python tests/bench/recorder.py [--rounds N] [--json] [--no-runs] [WORKLOAD...]       in an environment with callprofiler

Each workload has one process, in which every mode takes its turn, round after round; the median of what a mode adds to the plain run of the same
round counts. The measurements of whole runs have processes of their own. Asserts nothing.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import modes
import targets
import workloads

KIND_NAMES = {"wall": "wall", "thread": "CPU of the thread", "cpu": "CPU of all threads", "inside": "wall without start and end"}
RATIO_PEERS = ("null", "null_clock", "null_store", "null_record", *modes.PEERS)


def in_child(*words):
    """What a process of its own measures."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLPROFILER") or name == "CALLPROFILER_CLOCK"}
        command = [sys.executable, os.path.abspath(__file__), "--child", folder, *words]
        return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def child(folder, what, *words):
    if what == "workload":
        import measure

        name, rounds = words
        return measure.measure(name, int(rounds), folder)
    import runs

    return runs.MEASUREMENTS[what](folder)


# ---- ratios ----


def ours_beside(row, peer):
    """The mode of ours that records what the peer does, or None. trace0 records Python calls only: so do we with c_calls=False; where that is not
    possible, only workloads that consist of Python calls can be compared."""
    if peer != "trace0":
        return "callprofiler"
    can_skip_c = "callprofiler_python" in row["modes"]
    if row["python_calls"] < row["calls"] * (0.1 if can_skip_c else 0.9):
        return None
    return "callprofiler_python" if can_skip_c else "callprofiler"


def ratio(row, peer, kind):
    """Of what we add to what the peer adds, or None where that says nothing: the peer is not there, or adds no more than noise."""
    ours = ours_beside(row, peer) if peer in row["modes"] else None
    if ours is None:
        return None
    our_s, peer_s = row["modes"][ours]["added_s"][kind], row["modes"][peer]["added_s"][kind]
    return our_s / peer_s if our_s > 0 and peer_s > 0.01 * row["plain_s"] else None


def geometric_means(rows, names):
    means = {}
    for kind in KIND_NAMES:
        means[kind] = {}
        for peer in RATIO_PEERS:
            found = [rows[name]["ratios"][kind][peer] for name in names if name in rows and peer in rows[name]["ratios"][kind]]
            if found:
                means[kind][peer] = math.exp(sum(map(math.log, found)) / len(found))
    return means


def measure_all(names, rounds, with_runs):
    rows = {}
    for name in names:
        row = rows[name] = in_child("workload", name, str(rounds))
        row["ratios"] = {
            kind: {peer: value for peer in RATIO_PEERS if (value := ratio(row, peer, kind)) is not None} for kind in KIND_NAMES
        }
    result = {"python": sys.version.split()[0], "backend": modes.callprofiler._recorder.backend, "clock": modes.callprofiler._recorder.clock}
    result.update(rounds=rounds, workloads=rows)
    result["means"] = {"micro": geometric_means(rows, workloads.MICRO), "all": geometric_means(rows, workloads.NAMES)}
    result["runs"] = {what: in_child(what) for what in ("long", "short", "off", "unsampled")} if with_runs else {}
    result["targets"] = targets.rows(result, workloads.REAL)
    return result


# ---- print ----


def show_workload(name, row):
    print(f"\n{name}: {row['calls']:,} calls, plain {row['plain_s'] * 1e3:.1f} ms (slowest {row['plain_spread']:.2f} × the fastest)", end="")
    print(f", {row['bytes_per_call']:.2f} bytes a call ({row['bytes_per_entropy']:.2f} × entropy of the clock)", end="")
    print(f", trace0 {row['trace0_bytes_per_call']:.1f}" if "trace0_bytes_per_call" in row else "", end="")
    print(f"; the thread helped to drain {row['helped_drains']} times" if row["helped_drains"] else "")
    print(f"  {'added ns per call':20} {'wall':>8} {'thread':>8} {'CPU':>8} {'inside':>8}    ours / it: {'wall':>6} {'thread':>6} {'CPU':>6}")
    for mode, cost in row["modes"].items():
        added = cost.get("added_ns_per_call", {})
        figures = " ".join(f"{added[kind]:8.1f}" if kind in added else "       -" for kind in KIND_NAMES)
        kinds = ("wall", "thread", "cpu") if mode in RATIO_PEERS else ()
        ours = " ".join(f"{row['ratios'][kind][mode]:6.2f}" if mode in row["ratios"][kind] else "     -" for kind in kinds)
        print(f"  {mode:20} {figures}               {ours}".rstrip())


def show(result):
    print(f"Python {result['python']}, {result['backend']}, clock {result['clock']}, {result['rounds']} rounds")
    print("wall, thread (CPU of the thread that runs the workload) and CPU (of all threads) include start and end of the recording; inside does not.")
    for name, remark in modes.REMARKS.items():
        print(f"{name}: {remark}")
    for name, row in result["workloads"].items():
        show_workload(name, row)
    for group, means in result["means"].items():
        for kind, ratios in means.items():
            figures = "   ".join(f"{peer} {value:.2f}" for peer, value in ratios.items())
            print(f"\n{group}: added {KIND_NAMES[kind]}, ours / theirs, geometric mean: {figures}" if figures else "", end="")
    print()
    for name, run in result["runs"].items():
        print(f"{name} run:", ", ".join(f"{key} {value:.2f}" for key, value in run.items()) or "not possible with this version")
    targets.show(result["targets"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-runs", action="store_true", help="only the workloads")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(workloads.NAMES))
    options = parser.parse_args()
    unknown = set(options.workloads) - set(workloads.NAMES)
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(workloads.NAMES)}")
    result = measure_all(options.workloads or workloads.NAMES, options.rounds, not options.no_runs)
    print(json.dumps(result, indent=1)) if options.json else show(result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(*sys.argv[2:])))
    else:
        main()
