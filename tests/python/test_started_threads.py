"""threads=True: the threads that a run starts, and those that they start, each on a lane of its own; without it, none of them."""

import re
import subprocess
import sys

import pytest

from conftest import Tree, read_calls, read_info, short, tool

THREADS = """
    import concurrent.futures, sys, threading, time
    from callprofiler import block

    def work(n):
        return [leaf(k) for k in range(n)] if sys.version_info >= (3, 12) else list(map(leaf, range(n)))

    def leaf(n):
        return n

    def prepare():
        pass

    class Own(threading.Thread):
        def __init__(self, n):
            super().__init__(name="own-%d" % n)
            self.n = n

        def run(self):
            prepare()
            work(self.n)

    def starts_another(n):
        leaf(0)
        if n:
            thread = threading.Thread(target=starts_another, args=(n - 1,), name="depth-%d" % n)
            thread.start()
            thread.join()

    def raises():
        leaf(1)
        raise LookupError("of a thread")

    def join_all(threads):
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    def pooled():
        with concurrent.futures.ThreadPoolExecutor(3, thread_name_prefix="pool") as pool:
            assert sorted(map(len, pool.map(work, [5] * 30))) == [5] * 30

    def main():
        join_all([threading.Thread(target=work, args=(10,), name="plain-%d" % n) for n in range(4)])
        join_all([Own(20), Own(30)])
        starts_another(3)
        pooled()
        join_all([threading.Thread(target=raises, name="raising")])
        timer = threading.Timer(0.001, leaf, args=(7,))
        timer.name = "timer"
        join_all([timer])
        join_all([threading.Thread(target=leaf, args=(1,), name="na\\u00efve \\u2603 " + "x" * 100, daemon=True)])

    def foreign(stop):
        while not stop.wait(0.0005):
            leaf(-1)

    threading.excepthook = lambda arguments: None
    stop = threading.Event()
    others = threading.Thread(target=foreign, args=(stop,), name="foreign")
    others.start()  # before any run: it belongs to none
    with block("with", threads=True, quiet=True):
        main()
    with block("without", quiet=True):
        main()
    outer, inner = block("outer", threads=True, quiet=True), block("inner", quiet=True)
    with outer:
        with inner:
            main()
    outer, inner = block("outer_2", quiet=True), block("inner_2", threads=True, quiet=True, c_calls=False)
    with outer:
        with inner:
            main()
    stop.set()
    others.join()
"""

LANES = {
    **{f"plain-{n}": ("work", 10) for n in range(4)},
    "depth-3": ("starts_another", 1),
    "depth-2": ("starts_another", 1),
    "depth-1": ("starts_another", 1),
    "raising": ("raises", 1),
}


@pytest.fixture(scope="module")
def threads(record_once):
    run = record_once(THREADS)
    assert run.stderr == ""
    return run


def lane_names(trace):
    dump = subprocess.run([tool("cptrace"), "dump", str(trace)], capture_output=True, text=True, encoding="utf-8", check=True).stdout
    return {int(number): name for number, name in re.findall(r'lane number=(\d+) .*?name="(.*)"$', dump, re.MULTILINE)}


def by_lane(trace):
    """The calls of each lane, by its name."""
    names, calls = lane_names(trace), read_calls(trace)
    assert {call["lane"] for call in calls} <= set(names)
    return {name: Tree([call for call in calls if call["lane"] == number]) for number, name in names.items()}


@pytest.mark.parametrize("name", ["with", "outer", "inner_2"])
def test_threads_of_a_run(threads, name):
    trace = threads.trace_of(name)
    lanes = by_lane(trace)
    for lane, (function, leaves) in LANES.items():
        tree = lanes[lane]
        assert len(tree.named("leaf")) == leaves, lane
        assert len(tree.named(function)) == (leaves if function == "leaf" else 1), lane
    assert "foreign" not in lanes
    pool = [tree for lane, tree in lanes.items() if lane.startswith("pool")]
    assert 1 <= len(pool) <= 3
    assert sum(len(tree.named("work")) for tree in pool) == 30
    assert sum(len(tree.named("leaf")) for tree in pool) == 150
    (cut,) = [lane for lane in lanes if lane.startswith("na\u00efve \u2603 x")]
    assert 40 <= len(cut.encode()) <= 64 and len(lanes[cut].named("leaf")) == 1
    assert lanes["raising"].one("raises")["outcome"] == "raised"
    assert read_info(trace)["complete"] is True


def test_run_of_a_subclass_is_a_call_as_any(threads):
    lanes = by_lane(threads.trace_of("with"))
    for lane in ("own-20", "own-30"):
        (run,) = [call for call in lanes[lane].named("run") if call["category"] == "user"]
        assert [short(call) for call in lanes[lane].children(run)] == ["prepare", "work"]
    assert len(lanes["timer"].named("leaf")) == 1


@pytest.mark.parametrize("name", ["without", "inner", "outer_2"])
def test_no_threads_unless_asked_for(threads, name):
    trace = threads.trace_of(name)
    assert list(lane_names(trace).values()) == ["MainThread"]
    tree = Tree(read_calls(trace))
    assert len(tree.named("leaf")) == 1 and len(tree.named("starts_another")) == 1
    assert tree.named("work") == tree.named("run") == tree.named("raises") == []


TWO_RUNS = """
    import threading
    from callprofiler import block, profile

    def of_first(n): pass
    def of_second(n): pass

    def in_thread(function, count):
        for n in range(count):
            function(n)

    def main(function, count):
        for n in range(20):
            threads = [threading.Thread(target=in_thread, args=(function, count)) for n in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()

    def record(name, function, count):
        with block(name, threads=True, quiet=True):
            barrier.wait()
            main(function, count)
            barrier.wait()

    barrier = threading.Barrier(2)
    runs = [threading.Thread(target=record, args=row) for row in (("first", of_first, 50), ("second", of_second, 70))]
    for run in runs: run.start()
    for run in runs: run.join()
"""


def test_two_runs_at_once_have_each_its_own_threads(record):
    run = record(TWO_RUNS)
    first, second = run.tree_of("first"), run.tree_of("second")
    assert [len(first.named(name)) for name in ("of_first", "of_second", "in_thread")] == [20 * 3 * 50, 0, 60]
    assert [len(second.named(name)) for name in ("of_first", "of_second", "in_thread")] == [0, 20 * 3 * 70, 60]


MANY = """
    import resource, sys, threading
    from callprofiler import block

    def leaf(n): pass

    def short(n):
        leaf(n)

    def main(count):
        for first in range(0, count, 8):
            threads = [threading.Thread(target=short, args=(n,)) for n in range(first, first + 8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()

    def peak_kib():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)

    with block("warm", threads=True, quiet=True):
        main(80)
    before = peak_kib()
    with block("many", threads=True, quiet=True):
        main(2000)
    print(peak_kib() - before)
"""


def test_many_short_threads(record):
    run = record(MANY)
    tree = run.tree_of("many")
    assert len(tree.named("leaf")) == len(tree.named("short")) == 2000
    assert read_info(run.trace_of("many"))["complete"] is True
    assert read_info(run.trace_of("many"))["lanes"] == 2001
    assert int(run.stdout) < 16 * 1024


def test_without_c_calls(record):
    run = record(
        """
        import threading
        from callprofiler import block

        def leaf(n): pass

        def main():
            for n in range(5):
                thread = threading.Thread(target=leaf, args=(n,))
                thread.start()
                thread.join()

        with block("main", threads=True, c_calls=False, quiet=True):
            main()
        """
    )
    assert len(run.tree_of("main").named("leaf")) == 5


OUTLIVING = """
    import os, threading, time
    from callprofiler import block

    def leaf(n): pass

    def ticking(begun):
        while not over.is_set():
            leaf(0)
            begun.set()
            time.sleep(0.0005)

    over, begun = threading.Event(), [threading.Event() for n in range(3)]
    with block("outlived", threads=True, quiet=True):
        threads = [threading.Thread(target=ticking, args=(begun[n],), daemon=n == 0, name="ticking-%d" % n) for n in range(2)]
        for thread in threads: thread.start()
        for n in range(2): begun[n].wait()
        leaf(1)
    with block("later", threads=True, quiet=True):  # it did not start them
        time.sleep(0.01)
        leaf(2)
    over.set()
    for thread in threads: thread.join()
    with block("last", threads=True, quiet=True):
        over.clear()
        threading.Thread(target=ticking, args=(begun[2],), daemon=True).start()
        begun[2].wait()
    # a daemon thread goes on until the process ends
"""


def test_threads_that_outlive_their_run(record):
    run = record(OUTLIVING)
    assert run.stderr == ""
    lanes = by_lane(run.trace_of("outlived"))
    assert len(lanes["MainThread"].named("leaf")) == 1
    ticking = lanes["ticking-0"].calls + lanes["ticking-1"].calls
    assert "leaf" in {call["function"] for call in ticking}
    assert {call["outcome"] for call in ticking if call["function"] == "ticking"} == {"unfinished"}
    assert len(run.tree_of("later").named("leaf")) == 1
    assert len(run.tree_of("last").named("leaf")) >= 1
    assert all(read_info(trace)["complete"] for trace in run.traces)
    assert [path.name for path in run.traces[0].parent.iterdir() if path.suffix != ".cptrace"] == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="only sys.monitoring hears of threads that threading does not know")
def test_threads_that_threading_does_not_know(record):
    run = record(
        """
        import _thread, threading
        from callprofiler import block

        def leaf(n): pass

        def raw(n, done):
            leaf(n)
            done.release()

        class Thing:
            def method(self, n, done):
                leaf(n)
                done.release()

        def main(start):
            for n in range(10):
                for function in (raw, Thing().method):
                    done = _thread.allocate_lock()
                    done.acquire()
                    start(function, (n, done))
                    done.acquire()

        with block("with", threads=True, quiet=True):
            main(_thread.start_new_thread)
        with block("without", quiet=True):
            main(_thread.start_new_thread)
        """
    )
    tree = run.tree_of("with")
    assert [len(tree.named(name)) for name in ("leaf", "raw", "method")] == [20, 10, 10]
    tree = run.tree_of("without")
    assert [len(tree.named(name)) for name in ("main", "leaf", "raw", "method")] == [1, 0, 0, 0]


def test_coroutines_and_generators_in_threads(record):
    run = record(
        """
        import asyncio, threading
        from callprofiler import profile

        def leaf(n): pass

        async def child(n):
            await asyncio.sleep(0)
            leaf(n)

        async def gathered():
            await asyncio.gather(*[child(n) for n in range(5)])

        def generator():
            for n in range(3):
                leaf(n)
                yield n

        def in_thread(shared):
            asyncio.run(gathered())
            list(shared)

        @profile(threads=True, quiet=True)
        def main():
            shared = generator()
            next(shared)
            for n in range(2):
                thread = threading.Thread(target=in_thread, args=(shared,))
                thread.start()
                thread.join()

        main()
        """
    )
    tree = run.tree_of("main")
    assert [len(tree.named(name)) for name in ("in_thread", "gathered", "child", "generator", "leaf")] == [2, 2, 10, 1, 13]
    assert tree.one("generator")["outcome"] == "returned"
