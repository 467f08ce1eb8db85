"""Runs in many threads, threads that a run starts, and threads that outlive it or the interpreter."""


import pytest

from conftest import Tree, read_calls, read_info, run_name

AT_ONCE = """
    import sys, threading
    from callprofiler import profile

    sys.setswitchinterval(1e-5)
    space = {}
    for n in range(8):
        exec(f"def mark_{n}(i): return abs(i)", space)

    def fails(n):
        raise KeyError(n)

    def numbers(n):
        for i in range(n):
            yield i

    def work(n, all_ready):
        all_ready.wait()
        for i in range(2000):
            space[f"mark_{n}"](i)
        for i in numbers(100 + n):
            try:
                fails(i)
            except KeyError:
                pass

    all_ready = threading.Barrier(8)
    threads = [threading.Thread(target=profile(work, name=f"work{n}", quiet=True), args=(n, all_ready)) for n in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def test_runs_in_many_threads_at_once(record):
    run = record(AT_ONCE)
    assert run.stderr == "" and len(run.traces) == 8
    for trace in run.traces:
        n = int(trace.name[4])
        found = Tree(read_calls(trace))
        lines = ["work", *[f"  mark_{n}"] * 2000, "  numbers", *["  fails raised"] * (100 + n)]
        assert found.story() == "\n".join(lines)
        assert len(found.named("abs")) == 2000
        assert read_info(trace)["lanes"] == 1


ONE_FUNCTION = """
    import concurrent.futures
    from callprofiler import profile

    def leaf(n): return n

    @profile(quiet=True)
    def work(n):
        return sum(map(leaf, range(n)))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(1, 41))) == [n * (n - 1) // 2 for n in range(1, 41)]
"""


def test_one_function_on_a_pool_is_a_run_each_time(record):
    run = record(ONE_FUNCTION)
    assert len(run.traces) == 40 and run.stderr == ""
    stories = sorted(Tree(read_calls(trace)).story().splitlines() for trace in run.traces)
    assert stories == [["work", *["  leaf"] * n] for n in range(1, 41)]


NOT_OF_THE_RUN = """
    import threading
    from callprofiler import profile

    def mine(): pass
    def foreign(): pass

    go, ended = threading.Event(), threading.Event()

    def before():
        go.wait()
        for _ in range(1000): foreign()
        ended.set()

    def started():
        for _ in range(1000): foreign()

    @profile(quiet=True)
    def main():
        mine()
        go.set()
        ended.wait()
        thread = threading.Thread(target=started)
        thread.start()
        thread.join()
        mine()

    threading.Thread(target=before).start()
    main()
"""


def test_plain_threads_are_not_recorded_unless_asked_for(record, tree):
    found = tree(record(NOT_OF_THE_RUN).trace)
    assert found.story() == "main\n  mine\n  mine"


HANDED_ON = """
    import threading
    from callprofiler import profile

    def step(n): return n
    def foreign(): pass

    @profile(quiet=True)
    def numbers():
        for n in range(6):
            yield step(n)

    running = numbers()
    got = []

    def take():
        foreign()
        got.append(next(running))
        foreign()

    take()
    for _ in range(2):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        take()
    got += running
    assert got == list(range(6)), got
"""


def test_a_generator_that_is_handed_from_thread_to_thread(record):
    """As web servers do with a response that is a generator: each step on any thread of their pool."""
    run = record(HANDED_ON)
    assert run.stderr == ""
    found = Tree(read_calls(run.trace))
    assert found.story() == "numbers" + 6 * "\n  step"
    assert read_info(run.trace)["lanes"] == 3


STARTED_ELSEWHERE = """
    import threading
    from callprofiler import profile

    def leaf(n): return n
    def work(): return leaf(1)

    def steps():
        leaf(1)
        yield
        leaf(2)

    first = profile(steps, name="first", quiet=True)()
    thread = threading.Thread(target=next, args=(first,))
    thread.start()
    thread.join()
    for _ in first: pass
    profile(work, name="second", quiet=True)()
"""


def test_a_thread_that_began_a_run_ends_before_it(record):
    run = record(STARTED_ELSEWHERE)
    assert run.stderr == ""
    stories = {run_name(trace): Tree(read_calls(trace)).story() for trace in run.traces}
    assert stories == {"first": "steps\n  leaf\n  leaf", "second": "work\n  leaf"}


OUTLIVES = """
    import asyncio, threading
    from callprofiler import profile

    go, ended = threading.Event(), threading.Event()

    def early(): pass
    def late(): pass

    def in_thread():
        early()
        started.set()
        go.wait(20)
        for _ in range(10000): late()
        ended.set()

    started = threading.Event()

    @profile(quiet=True)
    async def main():
        asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, in_thread)
        await asyncio.to_thread(started.wait)

    @profile(quiet=True)
    def after():
        go.set()
        ended.wait(20)

    async def both():
        await main()
        after()

    import contextvars
    asyncio.run(both())
"""


def test_a_thread_that_outlives_the_run(record):
    """What it does after the end of the run is in no file, and harms none."""
    run = record(OUTLIVES)
    assert run.stderr == ""
    stories = {run_name(trace): Tree(read_calls(trace)).story() for trace in run.traces}
    assert stories == {"main": "main\nin_thread unfinished\n  early", "after": "after"}
    assert all(read_info(trace)["complete"] for trace in run.traces)


EXIT_IN_RUN = """
    import threading, time
    from callprofiler import profile

    def leaf(): pass

    ready = threading.Event()

    @profile(quiet=True)
    def work():
        for n in range(100):
            leaf()
        ready.set()
        {rest}

    thread = threading.Thread(target=work, daemon={daemon})
    thread.start()
    ready.wait()
"""


def test_the_interpreter_waits_for_a_run_in_a_thread(record, tree):
    run = record(EXIT_IN_RUN.replace("{daemon}", "False").replace("{rest}", "time.sleep(0.2); leaf()"))
    assert run.stderr == ""
    assert tree(run.trace).story() == "work" + 101 * "\n  leaf"


@pytest.mark.parametrize("rest", ["time.sleep(20)", "while True: leaf()", "threading.Event().wait()"])
def test_the_interpreter_ends_during_a_run_in_a_daemon_thread(rest, record, info):
    run = record(EXIT_IN_RUN.replace("{daemon}", "True").replace("{rest}", rest))
    assert run.stderr == ""
    lines = Tree(read_calls(run.trace)).story().splitlines()
    assert lines[:101] == ["work unfinished"] + 100 * ["  leaf"]
    assert {line for line in lines[101:-1]} <= {"  leaf"}
    assert info(run.trace)["complete"] is True


SYSTEM_EXIT = """
    import sys, threading
    from callprofiler import profile

    def leaves(): sys.exit(3)

    @profile(quiet=True)
    def work():
        leaves()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    work()
"""


def test_sys_exit_ends_the_run(record):
    run = record(SYSTEM_EXIT, ok=False)
    assert (run.returncode, run.stderr) == (3, "")
    assert [Tree(read_calls(trace)).story() for trace in run.traces] == 2 * ["work raised\n  leaves raised"]


MANY_LANES = """
    import concurrent.futures, contextvars
    from callprofiler import profile

    def leaf(n): return n
    def job(n):
        for i in range(n): leaf(i)

    @profile(quiet=True)
    def main():
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: contextvars.copy_context().run(job, n), range(0)))
            futures = [pool.submit(contextvars.copy_context().run, job, n) for n in range(64)]
            for future in futures: future.result()

    main()
"""


def test_a_pool_that_works_in_the_context_of_the_run(record, tree):
    found = tree(record(MANY_LANES).trace)
    jobs = found.named("job")
    assert sorted(len([call for call in found.children(job) if call["function"] == "leaf"]) for job in jobs) == list(range(64))
    assert len(found.named("leaf")) == sum(range(64))


GENERATORS_IN_MANY_LANES = """
    import concurrent.futures, contextvars, sys
    from callprofiler import profile

    sys.setswitchinterval(1e-4)
    space = {}
    for n in range(3):
        exec(f"def mark_{n}(): pass", space)

    def numbers(mark):  # a frame of the same size in all threads: they use each other's addresses again
        for i in range(3):
            yield mark()

    def job(n):
        mark = space[f"mark_{n}"]
        waiting = []
        for _ in range(800):
            for _ in range(10):
                waiting.append(numbers(mark))
                next(waiting[-1])
            while waiting:
                for _ in waiting.pop(0): pass

    @profile(quiet=True)
    def main():
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(contextvars.copy_context().run, job, n) for n in range(3)]
            for future in futures: future.result()

    main()
"""


def test_generators_of_many_threads_do_not_mix(record, tree):
    """Their frames lie at the same addresses in turn, and the rings of their threads are emptied in any order."""
    run = record(GENERATORS_IN_MANY_LANES)
    found = tree(run.trace)
    marks = {}
    for call in found.calls:
        if call["function"].startswith("mark_"):
            marks.setdefault(call["parent"], []).append((call["function"], call["lane"]))
    generators = found.named("numbers")
    assert {call["outcome"] for call in generators} == {"returned"}
    assert all(marks[call["id"]] == 3 * [(marks[call["id"]][0][0], call["lane"])] for call in generators)
    assert len(generators) == 3 * 8000 and len(marks) == 3 * 8000
