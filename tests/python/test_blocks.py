"""Blocks in what can be suspended: they are off while the frame that they are in waits, and on again with it."""

import sys
import textwrap

import pytest

from conftest import Tree, read_calls, run_name, run_process

BLOCKS = """
    import asyncio, callprofiler

    def mine(n): pass
    def foreign(n): pass
    def cleanup(n): pass

    async def other():
        for n in range(20):
            foreign(n)
            await asyncio.sleep(0)

    async def deepest():
        try:
            await asyncio.sleep(10)
        finally:
            cleanup(1)

    async def child():
        await asyncio.sleep(0)
        mine(3)

    async def waits():
        mine(0)
        with callprofiler.block(f"waits {times}", quiet=True):
            mine(1)
            await asyncio.sleep(0)
            mine(2)
            await asyncio.gather(child(), child())
        mine(4)

    async def is_cancelled():
        with callprofiler.block(f"is_cancelled {times}", quiet=True):
            try:
                await deepest()
            finally:
                cleanup(2)

    async def main():
        task = asyncio.ensure_future(is_cancelled())
        await asyncio.gather(other(), waits(), other())
        task.cancel()
        await asyncio.wait([task])

    times = "first"
    asyncio.run(main())
    times = "again"
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "program.py").write_text(textwrap.dedent(BLOCKS))
    process = run_process([sys.executable, "program.py"], folder)
    assert (process.returncode, process.stderr) == (0, "")
    return {run_name(trace): Tree(read_calls(trace)) for trace in (folder / ".profile").iterdir()}


# The first time the recorder has not met the code in which the block begins: it began before. Nothing else differs.
TIMES = ["first", "again"]


@pytest.mark.parametrize("times", TIMES)
def test_a_block_that_waits_has_nothing_of_others(times, blocks):
    """The coroutine that the block is in goes on after it: it is still open when the run ends."""
    assert blocks[f"waits_{times}"].story() == "mine\nwaits unfinished\n  mine\nchild\n  mine\nchild\n  mine"


@pytest.mark.parametrize("times", TIMES)
def test_a_block_that_is_cancelled_has_what_its_awaits_do(times, blocks):
    """The exception goes straight to the innermost coroutine; only when that one is left is the frame of the block run."""
    assert blocks[f"is_cancelled_{times}"].story() == "deepest raised\n  cleanup\nis_cancelled unfinished\n  cleanup"


RESUMED_BLOCK = """
    import contextvars, threading, callprofiler

    def outside(): pass
    def inside(n): pass

    def resumed():
        with callprofiler.block("block", quiet=True):
            inside(1)
            yield
            inside(2)
            yield
            inside(3)

    started, go = threading.Event(), threading.Event()

    @callprofiler.profile(quiet=True)
    def elsewhere():
        started.set()
        go.wait(20)

    contextvars.ContextVar("any").set(1)  # so that the thread has a context
    {before}
    running = resumed()
    next(running)
    outside()
    next(running)
    outside()
    assert next(running, "end") == "end"
    {after}
"""
BESIDE = {
    "alone": ("", ""),
    "beside a run in another thread": (
        "thread = threading.Thread(target=elsewhere); thread.start(); started.wait(); outside()",
        "go.set(); thread.join()",
    ),
}


@pytest.mark.parametrize("beside", BESIDE)
def test_a_block_in_a_generator(beside, record):
    before, after = BESIDE[beside]
    run = record(RESUMED_BLOCK.replace("{before}", before).replace("{after}", after))
    (trace,) = [trace for trace in run.traces if trace.name.startswith("block")]
    assert Tree(read_calls(trace)).story() == "inside\nresumed unfinished\n  inside\n  inside"


ENTERED_BY_A_STACK = """
    import asyncio, contextlib, callprofiler

    def mine(n): pass
    def foreign(n): pass

    async def other():
        for n in range(5):
            foreign(n)
            await asyncio.sleep(0)

    async def waits():
        with contextlib.ExitStack() as stack:
            stack.enter_context(callprofiler.block("block", quiet=True))
            mine(1)
            await asyncio.sleep(0)
            mine(2)

    async def main():
        await asyncio.gather(waits(), other())

    asyncio.run(main())
"""


def test_a_block_that_an_exit_stack_enters(record, tree):
    """Its own frame is that of enter_context(), but what waits is the coroutine that called it."""
    found = tree(record(ENTERED_BY_A_STACK).trace)
    assert found.named("foreign") == [] and len(found.named("mine")) == 2


IN_A_CONTEXT_MANAGER = """
    import contextlib, callprofiler

    def before(): pass
    def body(): pass
    def after(): pass

    @contextlib.contextmanager
    def measured():
        with callprofiler.block("block", quiet=True):
            before()
            yield
            after()

    for times in range(2):
        with measured():
            body()
"""


def test_a_block_in_a_context_manager_has_the_body(record, tree):
    """The generator waits while the body runs, but it is the body that the block is there for."""
    run = record(IN_A_CONTEXT_MANAGER)
    for trace in run.traces:
        assert [len(tree(trace).named(name)) for name in ("before", "body", "after")] == [1, 1, 1]
    assert len(run.traces) == 2


IN_PLAIN_CODE = """
    import callprofiler

    def leaf(n): return n

    def recursive(n):
        if n == 2:
            with callprofiler.block("inner", quiet=True):
                return recursive(n - 1)
        leaf(n)
        return recursive(n - 1) if n else leaf("end")

    def entered_and_left_by_others():
        run = callprofiler.block("loose", quiet=True)
        def enters():
            leaf("before")
            run.__enter__()
            leaf("in")
        def leaves(n):
            if n:
                return leaves(n - 1)
            leaf("in")
            run.__exit__(None, None, None)
            leaf("after")
        def between():
            leaf("in")
        enters()
        between()
        leaves(2)

    def enters_in_a_callback(n):
        global entered
        entered = callprofiler.block("callback", quiet=True)
        entered.__enter__()
        leaf(n)
        return n

    recursive(4)
    entered_and_left_by_others()
    sorted([1], key=enters_in_a_callback)
    sorted([1], key=leaf)
    entered.__exit__(None, None, None)
"""


def test_blocks_that_begin_and_end_in_other_frames(record):
    run = record(IN_PLAIN_CODE)
    stories = {run_name(trace): Tree(read_calls(trace)).story() for trace in run.traces}
    assert stories == {
        "inner": "recursive\n  leaf\n  recursive\n    leaf\n    leaf",
        "loose": "leaf\nbetween\n  leaf\nleaves unfinished\n  leaves unfinished\n    leaves unfinished\n      leaf",
        "callback": "leaf\nleaf",
    }
