"""The recorder's targets (the project's design document, section 7) beside what was measured."""

import sys

# From the least on: what no recorder with times can do without (null_hook.c).
FLOORS = {"null_clock": "reads the clock", "null_store": "stores it", "null_record": "knows of what"}


def at_most(what, figure, limit, unit="", floors=()):
    """A row; figure None: not measured here. floors: what the hooks of FLOORS would have there."""
    met = None if figure is None else figure <= limit
    return {"what": what, "figure": figure, "limit": limit, "unit": unit, "floors": floors, "met": met}


def _worst(workloads, names, field):
    return max((workloads[name][field] for name in names if name in workloads), default=None)


def rows(result, real_names):
    """Every target of the recorder, in the order of the design."""
    workloads, runs = result["workloads"], result["runs"]
    wall, cpu = result["means"].get("micro", {}).get("wall", {}), result["means"].get("micro", {}).get("cpu", {})
    is_monitoring = sys.version_info >= (3, 12)
    limit = 0.40 if is_monitoring else 0.60

    def against(peer):
        ours = wall.get(peer)
        return {"figure": ours, "floors": [ours / wall[name] for name in FLOORS if ours and name in wall]}

    table = [
        at_most("added wall against cProfile, micro", limit=limit, unit="×", **against("cProfile")),
        at_most("added wall against viztracer, micro", limit=limit, unit="×", **against("viztracer")),
    ]
    if sys.version_info >= (3, 13):
        table.append(at_most("added wall against trace0, micro with Python calls", wall.get("trace0"), 1.0, "×"))
    table.append(at_most("added wall against the null callback, micro", limit=1.30, unit="×", **against("null")))
    table.append(at_most("the same against the null callback that reads the clock", wall.get("null_clock"), 1.30, "×"))
    if is_monitoring:
        table.append(at_most("total CPU against cProfile, micro", cpu.get("cProfile"), 0.60, "×"))
    table += [
        at_most("bytes per call, the worst real workload", _worst(workloads, real_names, "bytes_per_call"), 1.5),
        at_most("bytes against entropy of the clock, the worst real workload", _worst(workloads, real_names, "bytes_per_entropy"), 1.15, "×"),
        at_most("a run of 50 calls: bytes", runs.get("short", {}).get("bytes"), 2048),
        at_most("a run of 50 calls: start + end", runs.get("short", {}).get("start_and_end_us"), 200, "µs"),
        at_most("resident memory that recording adds, 10 M calls", runs.get("long", {}).get("added_mib"), 16, "MiB"),
        at_most("end of a run after 10 M calls", runs.get("long", {}).get("end_ms"), 10, "ms"),
        at_most("decorated function, CALLPROFILER=0", runs.get("off", {}).get("off_ns"), 60, "ns"),
        at_most("decorated function, run not sampled", runs.get("unsampled", {}).get("unsampled_ns"), 60, "ns"),
    ]
    return table


def show(table):
    print("\ntargets of the recorder")
    for row in table:
        figure = "-" if row["figure"] is None else f"{row['figure']:.2f}"
        verdict = {None: "not measured", True: "met", False: "NOT MET"}[row["met"]]
        floors = "; a hook that " + ", ".join(f"{what} {floor:.2f}" for what, floor in zip(FLOORS.values(), row["floors"]))
        print(f"  {row['what']:62} {figure:>9} ≤ {row['limit']:<6g} {row['unit']:4} {verdict}{floors if row['floors'] else ''}")
