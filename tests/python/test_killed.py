"""Processes that are killed while they record, at any moment: every event whose hook had returned is in what they leave.

The processes count, in memory that they share with their killer, the calls that have returned. A call is counted right after it, so the trace
has as many returns as were counted, or one more."""

import json
import os
import random
import re
import struct
from collections import Counter

import pytest

from conftest import Tree, read_calls, read_info, record_program, run_process, tool

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of one process")

# The killer: forks a process that records, kills it after a time, and goes on, in a folder for each.
KILLER = """
    import json, mmap, os, random, signal, struct, sys, threading, time
    from callprofiler import block, mark, profile, span

    shared = mmap.mmap(-1, 4096)
    counts = memoryview(shared).cast("Q")  # of calls that have returned, per thread; 15: the process has begun

    def counted(thread):
        pass

    def beside(n):
        return n

    def numbers(n):
        for i in range(n):
            yield beside(i)

    def make_functions(n):
        scope = {}
        for i in range(n):
            exec(f"def new_{i}(): pass", scope)
        return [scope[f"new_{i}"] for i in range(n)]

    def plain(thread, until):
        while time.monotonic() < until:
            counted(thread)
            counts[thread] += 1

    def deep(thread, until, depth=60):
        if depth:
            deep(thread, until, depth - 1)
        else:
            plain(thread, until)

    def generators(thread, until):
        open_ones = []
        while time.monotonic() < until:
            counted(thread)
            counts[thread] += 1
            one = numbers(3)
            next(one)
            open_ones.append(one)
            if len(open_ones) > 20:
                list(open_ones.pop(random.randrange(20)))

    def definitions(thread, until):
        while time.monotonic() < until:
            for function in make_functions(20):
                function()
                counted(thread)
                counts[thread] += 1
            mark("a mark that takes a few slots in the ring, for good measure")

    def threads(thread, until):
        others = [threading.Thread(target=plain, args=(n, until)) for n in range(1, 4)]
        for other in others: other.start()
        plain(0, until)
        for other in others: other.join()

    def many_runs(folder, until):
        while time.monotonic() < until:
            with block("run", quiet=True, output_dir=folder):  # within its first ring, within a larger one, drained
                for n in range(random.choice((10, 10, 3000, 50_000))):
                    counted(0)
                    counts[0] += 1

    def filtered(thread, until):
        while time.monotonic() < until:
            beside(1)
            counted(thread)
            counts[thread] += 1

    OPTIONS = {threads: {"threads": True}, filtered: {"max_depth": 2, "min_call": 1e-3}}

    def child(work, folder, seconds):  # from one kill to the next; it does not get to its end
        os.makedirs(folder)
        counts[15] = 1
        until = time.monotonic() + seconds
        if work is many_runs:
            work(folder, until)
        else:
            with block(work.__name__, quiet=True, output_dir=folder, **OPTIONS.get(work, {})):
                work(0, until)
        os._exit(0)

    def kill_one(work, n, calls):
        for i in range(16):
            counts[i] = 0
        folder = f"{work.__name__}-{n}"
        pid = os.fork()
        if pid == 0:
            child(work, folder, 60)
        while not counts[15]:
            time.sleep(0.0001)
        if calls is None:
            time.sleep(random.uniform(0, 0.002))
        else:
            while sum(counts[:4]) < calls:
                time.sleep(0.00005)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(json.dumps({"folder": folder, "counts": list(counts[:4])}), flush=True)

    works = {work.__name__: work for work in (plain, deep, generators, definitions, threads, filtered, many_runs)}
    random.seed(int(sys.argv[2]))
    for n in range(int(sys.argv[3])):
        # In the first milliseconds, where the phases follow each other; mostly later, when rings grow and blocks are being appended.
        kill_one(works[sys.argv[1]], n, None if n % 3 == 0 else int(random.expovariate(1 / 20_000 if sys.argv[1] in ("plain", "threads") else 1 / 4_000)))
    """


def leftovers(folder):
    return sorted(path for path in folder.iterdir() if path.name.endswith((".ring", ".part"))) if folder.exists() else []


def returns_by_lane(lines):
    """How many calls of `counted` returned on each lane. There are many lines: they are not parsed."""
    found = Counter()
    for line in lines:
        if '"counted"' in line and '"returned"' in line:
            found[re.search(r'"lane": ?(\d+)', line).group(1)] += 1
    return sorted(found.values())


def check_left(folder, counts, is_complete=True):
    left = leftovers(folder)
    if not left:  # killed before the run had begun
        assert sum(counts) == 0
        return 0
    path = random.choice(left)
    process = run_process([tool("cptrace"), "calls", path], folder)
    if process.returncode != 0:  # the ring file is there, and no run in it yet
        assert sum(counts) == 0 and "no run" in process.stderr, (process.stderr, counts)
        return 0
    check = run_process([tool("cptrace"), "check", path], folder)
    assert check.returncode == 0 and check.stdout.startswith("whole"), check.stdout + check.stderr
    if is_complete:
        returned = returns_by_lane(process.stdout.splitlines())
        expected = sorted(count for count in counts if count)
        returned = [0] * (len(expected) - len(returned)) + returned if len(returned) < len(expected) else returned
        assert len(returned) - len(expected) in (0, 1), (returned, expected)
        expected = [0] * (len(returned) - len(expected)) + expected
        assert all(0 <= there - counted <= 1 for there, counted in zip(returned, expected)), (returned, expected)
    return 1


def kill_many(folder, work, times, is_complete=True):
    seed = random.randrange(1 << 30)
    run = record_program(folder, KILLER, arguments=(work, str(seed), str(times)))
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rows) == times
    read = sum(check_left(folder / row["folder"], row["counts"], is_complete) for row in rows)
    assert read > times / 3, f"seed {seed}: most were killed before they had begun"
    return rows


@needs_fork
@pytest.mark.parametrize("work", ["plain", "deep", "generators", "definitions", "threads"])
def test_killed_at_a_random_moment(tmp_path, work):
    kill_many(tmp_path, work, 40)


@needs_fork
def test_killed_with_filters(tmp_path):
    kill_many(tmp_path, "filtered", 20, is_complete=False)


@needs_fork
def test_killed_between_begin_and_end_of_runs(tmp_path):
    """Each run is saved, or can be recovered, once."""
    run = record_program(tmp_path, KILLER, arguments=("many_runs", str(random.randrange(1 << 30)), "12"))
    for row in (json.loads(line) for line in run.stdout.splitlines()):
        folder = tmp_path / row["folder"]
        if not folder.exists():
            continue
        recovered = run_process([tool("cptrace"), "recover", folder], folder)
        assert recovered.returncode == 0, recovered.stderr
        assert leftovers(folder) == []
        lines = []
        for trace in folder.glob("*.cptrace"):
            process = run_process([tool("cptrace"), "calls", trace], folder)
            assert process.returncode == 0, process.stderr
            lines += process.stdout.splitlines()
        assert sum(returns_by_lane(lines)) - row["counts"][0] in (0, 1), recovered.stdout


DEATHS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGSEGV": "ctypes.string_at(8)",
    "abort": "os.abort()",
    "SIGXCPU": "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n        while True: pass",
    "_exit": "libc._exit(3)",
}


@pytest.mark.skipif(os.name != "posix", reason="a process is killed by a signal; Windows has none, and no recorder yet")
@pytest.mark.parametrize("count", [2, 200_000])
@pytest.mark.parametrize("death", DEATHS)
def test_each_way_to_die(record, death, count):
    """Whatever ends the process, in the middle of calls: all of them are there, and those that were open are unfinished."""
    run = record(
        f"""
    import ctypes, os, resource, signal
    from callprofiler import profile
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None)

    def leaf(): pass

    def numbers():
        yield 1
        yield 2

    def dies(left):
        for n in range({count}):
            leaf()
        {DEATHS[death]}

    @profile(quiet=True)
    def main():
        left = numbers()
        next(left)
        dies(left)

    main()
    """,
        ok=False,
    )
    assert run.returncode != 0 and run.traces == []
    path = random.choice(leftovers(run.folder / ".profile"))
    tree = Tree(read_calls(path))
    assert len(tree.named("leaf")) == count and all(call["outcome"] == "returned" for call in tree.named("leaf"))
    for name in ("main", "dies", "numbers"):
        (call,) = tree.named(name)
        assert call["outcome"] == "unfinished"
    recovered = run_process([tool("cptrace"), "recover", run.folder / ".profile"], run.folder)
    assert recovered.returncode == 0 and leftovers(run.folder / ".profile") == []
    assert read_info(run.trace)["end"]["outcome"] == "killed" and len(run.tree_of("main").named("leaf")) == count


CHECKPOINT_OFFSET_AT, RING_HEADER_BYTES = 472, 4096  # cptrace/ring_file.h, ring.h


@pytest.mark.skipif(os.name != "posix", reason="a process is killed by a signal; Windows has none, and no recorder yet")
def test_what_makes_no_sense_is_kept(record):
    """The files stay for whoever can read more of them, and recovering again says which trace they are."""
    run = record(
        """
    import os, signal
    from callprofiler import profile

    def leaf(): pass

    @profile(quiet=True)
    def main():
        for n in range(200_000):
            leaf()
        os.kill(os.getpid(), signal.SIGKILL)

    main()
    """,
        ok=False,
    )
    folder = run.folder / ".profile"
    files = leftovers(folder)
    (ring,) = (path for path in files if path.suffix == ".ring")
    content = bytearray(ring.read_bytes())
    (checkpoint_offset,) = struct.unpack_from("Q", content, CHECKPOINT_OFFSET_AT)
    assert content[checkpoint_offset : checkpoint_offset + 8] == b"CPCHECK1"
    content[checkpoint_offset + RING_HEADER_BYTES] ^= 1
    ring.write_bytes(content)
    first = run_process([tool("cptrace"), "recover", folder], run.folder)
    assert first.returncode == 4 and "checksum" in first.stderr and "kept: " in first.stdout, first.stdout + first.stderr
    assert leftovers(folder) == files
    trace = run.trace
    again = run_process([tool("cptrace"), "recover", folder], run.folder)
    assert again.returncode == 4 and f"already recovered as {trace}" in again.stdout, again.stdout + again.stderr
    assert leftovers(folder) == files and run.traces == [trace]
