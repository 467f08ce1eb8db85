"""Runs that are suspended: whose work is whose, and how long each was running and waiting."""

from conftest import Tree, read_calls, read_info, run_name

HUNDRED = """
    import asyncio
    from callprofiler import profile

    space = {}
    for n in range(100):
        exec(f"def mark_{n}(): pass\\ndef last_{n}(): pass", space)

    async def nested(n, turns):
        for _ in range(turns):
            await asyncio.sleep(0)
            space[f"mark_{n}"]()

    async def work(n):
        await nested(n, n % 7 + 1)
        await asyncio.gather(nested(n, 2), nested(n, 1))
        space[f"last_{n}"]()

    async def main():
        await asyncio.gather(*(profile(work, name=f"work{n}", quiet=True)(n) for n in range(100)))

    asyncio.run(main())
"""


def test_a_hundred_coroutines_at_once(record):
    run = record(HUNDRED)
    assert len(run.traces) == 100
    for n in range(100):
        (trace,) = [trace for trace in run.traces if trace.name.startswith(f"work{n}_")]
        marks = ["    " + f"mark_{n}"] * (n % 7 + 1)
        own = ["work", "  nested", *marks, f"  last_{n}", "nested", f"  mark_{n}", f"  mark_{n}", "nested", f"  mark_{n}"]
        assert Tree(read_calls(trace)).story() == "\n".join(own)


BUSY = """
    import asyncio, time
    from callprofiler import profile

    def burn(seconds):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            sum(range(100_000))

    def own():
        burn(0.05)

    async def busy():
        for _ in range(6):
            burn(0.05)
            await asyncio.sleep(0)

    async def inner():
        await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        own()

    async def middle():
        return await inner()

    @profile(quiet=True)
    async def main():
        await middle()

    async def everything():
        await asyncio.gather(main(), busy())

    asyncio.run(everything())
"""


def test_a_busy_task_is_not_charged_to_a_waiting_one(record, tree):
    found = tree(record(BUSY).trace)
    assert found.story() == "main\n  middle\n    inner\n      own\n        burn"
    for name in ("main", "middle", "inner"):
        call = found.one(name)
        assert call["running_ns"] + call["suspended_ns"] == call["end_ns"] - call["start_ns"]
        assert call["suspended_ns"] >= 100_000_000  # two waits, in each of which the other task burns for 50 ms
        assert call["running_ns"] >= found.one("own")["running_ns"] >= 50_000_000


LOOPS = """
    import asyncio, threading
    from callprofiler import profile

    def step(n): pass

    async def child(n):
        await asyncio.sleep(0)
        step(n)

    async def work(n):
        for _ in range(50):
            await child(n)
        await asyncio.gather(child(n), child(n))

    def loop(n):
        asyncio.run(profile(work, name=f"work{n}", quiet=True)(n))

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def test_a_loop_in_each_of_several_threads(record):
    run = record(LOOPS)
    assert len(run.traces) == 4
    for trace in run.traces:
        found = Tree(read_calls(trace))
        assert found.story() == "work" + 50 * "\n  child\n    step" + 2 * "\nchild\n  step"
        assert read_info(trace)["lanes"] == 1


ENDINGS = """
    import asyncio
    from callprofiler import profile

    def cleanup(): pass

    async def inner():
        try:
            await asyncio.sleep(10)
        finally:
            cleanup()

    async def work():
        await inner()

    async def fails():
        await asyncio.sleep(0)
        raise KeyError

    async def main():
        task = asyncio.ensure_future(profile(work, name="cancelled", quiet=True)())
        await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        try:
            await asyncio.wait_for(profile(work, name="timed_out", quiet=True)(), 0.001)
        except asyncio.TimeoutError:
            pass
        try:
            await profile(fails, name="failed", quiet=True)()
        except KeyError:
            pass

    asyncio.run(main())

    by_hand = profile(work, name="closed", quiet=True)()
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)  # for sleep(), which asks for it
    by_hand.send(None)
    by_hand.close()
    asyncio._set_running_loop(None)
    loop.close()
"""


def test_runs_that_do_not_return(record):
    run = record(ENDINGS)
    assert run.stderr == ""
    stories = {run_name(trace): Tree(read_calls(trace)).story() for trace in run.traces}
    left = "work raised\n  inner raised\n    cleanup"
    assert stories == {"cancelled": left, "timed_out": left, "closed": left, "failed": "fails raised"}
    assert all(read_info(trace)["complete"] for trace in run.traces)
