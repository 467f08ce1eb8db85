"""Many threads with runs of their own while another run takes in all threads: every file is exact, with the GIL and without."""

import json
import sys
import sysconfig

import pytest

from conftest import Tree, read_calls, read_info

THREADS, ROUNDS, RUNS = 8, 3, 6

MANY_RUNS = """
    import gc, json, sys, threading
    gc.disable()
    from callprofiler import block, profile

    def leaf(n):
        return n

    def middle(n):
        leaf(n)
        leaf(n + 1)

    def generator(n):
        for k in range(n):
            leaf(k)
            yield k

    def work(number):
        for n in range(100 + number):
            middle(n)
        for k in generator(20):
            leaf(k)

    def in_thread(number, barrier):
        main = profile(work, quiet=True, name="thread%d" % number, c_calls=number % 2 == 0)
        barrier.wait()
        for n in range(RUNS):
            main(number)

    def a_round(number):
        barrier = threading.Barrier(THREADS)
        threads = [threading.Thread(target=in_thread, args=(n, barrier), name="t%d" % n) for n in range(THREADS)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    for number in range(ROUNDS):
        with block("round%d" % number, threads=True, quiet=True):
            a_round(number)
    print(json.dumps({"gil": getattr(sys, "_is_gil_enabled", lambda: True)()}))
""".replace("THREADS", str(THREADS)).replace("ROUNDS", str(ROUNDS)).replace("RUNS", str(RUNS))


@pytest.fixture(scope="module")
def many(record_once):
    run = record_once(MANY_RUNS)
    assert run.stderr == ""
    return run


def counts(tree):
    return {name: len(tree.named(name)) for name in ("work", "middle", "leaf", "generator")}


def of_work(number, times=1):
    middles = 100 + number
    return {"work": times, "middle": times * middles, "leaf": times * (2 * middles + 40), "generator": times}


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter has a GIL")
def test_the_gil_stays_off(many):
    assert json.loads(many.stdout) == {"gil": False}
    assert "-X gil=1" not in sys.argv


@pytest.mark.parametrize("number", range(THREADS))
def test_runs_of_each_thread(many, number):
    traces = many.traces_of(f"thread{number}")
    assert len(traces) == ROUNDS * RUNS
    for trace in traces:
        tree = Tree(read_calls(trace))
        assert counts(tree) == of_work(number)
        assert read_info(trace)["complete"] is True and read_info(trace)["lanes"] == 1
        assert all(tree.parent(call)["function"] == "middle" for call in tree.named("leaf")[:200])
        assert {call["outcome"] for call in tree.calls} == {"returned"}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_run_of_all_threads(many, number):
    trace = many.trace_of(f"round{number}")
    tree = Tree(read_calls(trace))
    assert read_info(trace)["complete"] is True and read_info(trace)["lanes"] == THREADS + 1
    expected = [of_work(n, RUNS) for n in range(THREADS)]
    assert counts(tree) == {name: sum(row[name] for row in expected) for name in expected[0]}
    for lane in {call["lane"] for call in tree.named("work")}:
        below = Tree([call for call in tree.calls if call["lane"] == lane])
        assert counts(below) in expected
    assert len(tree.named("in_thread")) == THREADS


CLOSED_BY_ANOTHER = """
    import threading, time
    from callprofiler import block

    def leaf(n):
        return n

    def recording(stop, begun):
        n = 0
        while not stop.is_set():
            leaf(n)
            n += 1
            if n == 50:
                begun.release()
            if n % 50 == 0:
                time.sleep(0.0002)

    for number in range(12):
        run = block("closed%d" % number, threads=True, quiet=True)
        stop, begun = threading.Event(), threading.Semaphore(0)
        run.__enter__()
        threads = [threading.Thread(target=recording, args=(stop, begun)) for n in range(4)]
        for thread in threads: thread.start()
        for thread in threads: begun.acquire()
        closing = threading.Thread(target=run.__exit__, args=(None, None, None))  # while they go on
        closing.start()
        closing.join()
        with block("next%d" % number, threads=True, quiet=True):  # takes the ring files again
            leaf(-1)
            leaf(-2)
        stop.set()
        for thread in threads: thread.join()

    def own_runs(number):
        for n in range(30):
            run = block("passed%d" % number, quiet=True)
            run.__enter__()
            leaf(n)
            closing = threading.Thread(target=run.__exit__, args=(None, None, None))
            closing.start()
            leaf(n)
            closing.join()
            leaf(n)

    threads = [threading.Thread(target=own_runs, args=(n,)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print("done")
"""


@pytest.fixture(scope="module")
def closed(record_once):
    run = record_once(CLOSED_BY_ANOTHER)
    assert run.stdout == "done\n" and run.stderr == ""
    return run


def test_runs_closed_by_another_thread(closed):
    for number in range(12):
        trace = closed.trace_of(f"closed{number}")
        told, tree = read_info(trace), Tree(read_calls(trace))
        assert told["complete"] is True and told["damaged_blocks"] == 0
        assert len(tree.named("recording")) == 4
        assert {call["outcome"] for call in tree.named("recording")} == {"unfinished"}
        assert len(tree.named("leaf")) >= 4 * 50
        for call in tree.named("leaf"):
            assert tree.parent(call)["function"] == "recording"
        following = closed.tree_of(f"next{number}")
        assert len(following.named("leaf")) == 2 and following.named("recording") == []


def test_runs_that_their_thread_goes_on_from(closed):
    for number in range(4):
        traces = closed.traces_of(f"passed{number}")
        assert len(traces) == 30
        for trace in traces:
            tree = Tree(read_calls(trace))
            assert 1 <= len(tree.named("leaf")) <= 2  # the second one races with the end
            assert read_info(trace)["complete"] is True
    assert [path.name for path in closed.traces[0].parent.iterdir() if path.suffix != ".cptrace"] == []


def test_one_function_in_many_threads(record):
    """Its code is new to all of them at the same time, and so are the C functions that it calls."""
    run = record(
        """
        import threading
        from callprofiler import profile

        def task(number):
            names = {}
            exec("def fresh(n):\\n    return abs(n) + ord('a')\\n", names)
            barrier.wait()
            for n in range(50):
                names["fresh"](n)
                shared(n)

        @profile(quiet=True)
        def main(number):
            task(number)

        for number in range(20):
            names = {}
            exec("def shared(n):\\n    return divmod(n, 7)\\n", names)
            shared = names["shared"]
            barrier = threading.Barrier(8)
            threads = [threading.Thread(target=main, args=(n,)) for n in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """
    )
    assert len(run.traces_of("main")) == 160
    for trace in run.traces_of("main"):
        tree = Tree(read_calls(trace))
        assert [len(tree.named(name)) for name in ("fresh", "shared", "abs", "ord", "divmod")] == [50] * 5
