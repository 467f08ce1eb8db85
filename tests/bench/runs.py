"""What a whole run costs: one of ten million calls, one of fifty calls, and a decorated function that is not recorded.

Each is measured in a process of its own (recorder.py --child): memory only grows, and CALLPROFILER=0 is read once.
"""

import os
import resource
import statistics
import sys
import time
from pathlib import Path

import callprofiler

import micro

LONG_CALLS = 10_000_000
SHORT_RUNS = 300
PLAIN_CALLS = 300_000


def _status_kib(field):
    """A line of /proc/self/status, in KiB."""
    with open("/proc/self/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def _peak_kib():
    """The most memory that was resident. A new process may inherit ru_maxrss from the one that made it: not so VmHWM."""
    if sys.platform == "linux":
        return _status_kib("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _resident_kib():
    return _status_kib("VmRSS") if sys.platform == "linux" else _peak_kib()


def long_run(folder):
    """Ten million calls: the memory that recording them adds at its peak, how long the end takes, bytes on disk."""
    micro.run_empty()
    before_kib = _resident_kib()
    run = callprofiler.block("long", output_dir=folder, quiet=True)
    run.__enter__()
    for _ in range(LONG_CALLS // 500_000):
        micro.run_empty(499_999)
    begin = time.perf_counter()
    run.__exit__(None, None, None)
    end_s = time.perf_counter() - begin
    return {
        "end_ms": end_s * 1e3,
        "added_mib": (_peak_kib() - before_kib) / 1024,
        "bytes_per_call": os.path.getsize(run.path) / LONG_CALLS,
    }


def _forty_nine():
    for _ in range(48):
        len("x")


def _file_s(folder, number, content):
    """What a file with that content takes by itself: the least that a run with a file of its own can take."""
    begin = time.perf_counter()
    part = os.path.join(folder, f"plain_{number}.part")
    file = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    os.write(file, content)
    os.close(file)
    os.rename(part, os.path.join(folder, f"plain_{number}"))
    return time.perf_counter() - begin


def short_run(folder):
    """Fifty calls, each time a run and a file of its own: start and end, medians, beside what the file takes by itself; and its bytes.

    On some file systems a new file costs the more, the more were removed in the minutes before (ext4 looks at each inode that was
    freed lately before it takes one). So nothing is removed here until all runs are done, and the file by itself tells about what was
    removed before.
    """
    begun, ended, files, content = [], [], [], b""
    for number in range(SHORT_RUNS):
        before = time.perf_counter()
        run = callprofiler.block("short", output_dir=folder, quiet=True)
        run.__enter__()
        started = time.perf_counter()
        _forty_nine()
        done = time.perf_counter()
        run.__exit__(None, None, None)
        stopped = time.perf_counter()
        begun.append(started - before)
        ended.append(stopped - done)
        content = content or Path(run.path).read_bytes()
        files.append(_file_s(folder, number, content))
    both = [begin + end for begin, end in zip(begun, ended)]
    return {
        "start_us": statistics.median(begun) * 1e6,
        "end_us": statistics.median(ended) * 1e6,
        "start_and_end_us": statistics.median(both) * 1e6,
        "file_us": statistics.median(files) * 1e6,
        "bytes": len(content),
    }


def _calls_s(function):
    begin = time.perf_counter()
    for _ in range(PLAIN_CALLS):
        function()
    return time.perf_counter() - begin


def _added_ns(decorated, plain, rounds=15):
    """What a call of `decorated` costs more than one of `plain`."""
    decorated()
    pairs = [(_calls_s(decorated), _calls_s(plain)) for _ in range(rounds)]
    return statistics.median(one - other for one, other in pairs) / PLAIN_CALLS * 1e9


def _plain():
    pass


def decorated_off(folder):
    """With CALLPROFILER=0: the decorator returns the function itself, or so it should."""
    os.environ["CALLPROFILER"] = "0"

    @callprofiler.profile(output_dir=folder)
    def decorated():
        pass

    return {"off_ns": _added_ns(decorated, _plain)}


def decorated_unsampled(folder):
    """Recording is possible, but this run is not picked. Nothing where `profile` does not know `every`."""
    os.environ["CALLPROFILER_QUIET"] = "1"
    try:
        decorate = callprofiler.profile(output_dir=folder, every=10**9)
    except TypeError:
        return {}
    return {"unsampled_ns": _added_ns(decorate(_plain), _plain)}


MEASUREMENTS = {"long": long_run, "short": short_run, "off": decorated_off, "unsampled": decorated_unsampled}
