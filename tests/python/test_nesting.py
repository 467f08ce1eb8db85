"""Runs within runs, on one thread and on many: each has its own file, and each file has all that is its own."""



from conftest import Tree, read_calls, read_info

NESTED_OVER_THREADS = """
    import asyncio
    from callprofiler import profile

    def only_here(n):
        return [str(n), repr(n), abs(n)]

    @profile(quiet=True)
    def inner(n):
        return only_here(n)

    async def handler(n):
        await asyncio.sleep(0)
        return await asyncio.get_running_loop().run_in_executor(None, in_context(n))

    def in_context(n):
        import contextvars, functools
        return functools.partial(contextvars.copy_context().run, inner, n)

    async def gathered(first):
        for n in range(first, first + 20):
            await handler(n)

    @profile(quiet=True)
    def outer():
        for first in (0, 20, 40):
            asyncio.run(gathered(first))  # a pool of its own: new threads

    outer()
"""


def test_nested_runs_over_threads(record):
    run = record(NESTED_OVER_THREADS)
    assert all(read_info(trace)["complete"] for trace in run.traces)
    inner = [trace for trace in run.traces if trace.name.startswith("inner_")]
    (outer,) = [trace for trace in run.traces if trace.name.startswith("outer_")]
    assert len(inner) == 60
    for trace in inner:
        tree = Tree(read_calls(trace))
        assert [len(tree.named(name)) for name in ("inner", "only_here", "abs")] == [1, 1, 1]
    tree = Tree(read_calls(outer))
    assert [len(tree.named(name)) for name in ("handler", "inner", "only_here", "abs")] == [60, 60, 60, 60]
    assert read_info(outer)["lanes"] >= 4


def test_an_inner_run_stays_visible_in_the_outer_one(record):
    run = record(
        """
        from callprofiler import profile

        def leaf(text):
            return len(text)

        @profile(quiet=True)
        def inner():
            return leaf("a")

        @profile(quiet=True)
        def outer():
            return inner() + inner()

        outer()
        """
    )
    trees = {trace.name: Tree(read_calls(trace)) for trace in run.traces}
    outlines = sorted(tree.outline(tree.calls[0]) for tree in trees.values())
    assert outlines == [
        ("inner", [("leaf", [])]),
        ("inner", [("leaf", [])]),
        ("outer", [("inner", [("leaf", [])]), ("inner", [("leaf", [])])]),
    ]


def test_tasks_of_others_are_not_recorded(record):
    run = record(
        """
        import asyncio
        from callprofiler import profile

        def mine(n): pass
        def of_others(n): pass

        async def child():
            await asyncio.sleep(0)
            mine(1)

        @profile(quiet=True)
        async def profiled():
            mine(0)
            await asyncio.sleep(0.001)
            await asyncio.gather(child(), child())

        async def other():
            for n in range(50):
                of_others(n)
                await asyncio.sleep(0)

        async def main():
            await asyncio.gather(other(), profiled(), other(), profiled())

        asyncio.run(main())
        """
    )
    assert len(run.traces) == 2
    for trace in run.traces:
        tree = Tree(read_calls(trace))
        assert len(tree.named("mine")) == 3 and len(tree.named("child")) == 2
        assert tree.named("of_others") == [] and tree.named("other") == [] and tree.named("main") == []
        for call in tree.calls:
            assert call["end_ns"] - call["start_ns"] == call["running_ns"] + call["suspended_ns"]
