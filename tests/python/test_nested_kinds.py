"""A profiled function called within another's run, of every kind of function, in tasks and threads: the inner run has its own
file, and stays visible in the outer one. A profiled function that calls itself is one run."""

import sys
import textwrap

import pytest

from conftest import Tree, read_calls, run_process
from known_programs import CLOSED

PROGRAM = """
    import asyncio, inspect, os, sys, threading
    import callprofiler

    def profile(function):
        return callprofiler.profile(function, quiet=True)

    def leaf(n): return n

    # --- plain functions ---

    @profile
    def inner_plain(n): return leaf(n)

    @profile
    def outer_plain():
        inner_plain(1)
        leaf(2)
        inner_plain(3)

    @profile
    def recursive(n):
        leaf(n)
        return recursive(n - 1) if n else 0

    @profile
    def ping(n): return pong(n - 1) if n else leaf(0)

    @profile
    def pong(n): return ping(n - 1) if n else leaf(0)

    @profile
    def inner_fails():
        leaf(1)
        raise KeyError

    @profile
    def outer_catches():
        try:
            inner_fails()
        except KeyError:
            leaf(2)

    # --- generators ---

    @profile
    def inner_generator(n):
        for i in range(n):
            yield leaf(i)

    @profile
    def outer_of_generator():
        for n in inner_generator(2):
            leaf(n)

    @profile
    def outer_generator():
        leaf(0)
        yield from inner_generator(2)
        leaf(1)

    @profile
    def tree_generator(n):
        if n:
            yield from tree_generator(n - 1)
            yield leaf(n)

    @profile
    def outer_of_many():
        many = [inner_generator(2), inner_generator(2)]
        for pair in zip(*many):
            leaf(pair)

    # --- coroutines ---

    @profile
    async def inner_coroutine(n):
        leaf(n)
        await asyncio.sleep(0)
        leaf(n)

    @profile
    async def outer_coroutine():
        await inner_coroutine(1)
        await asyncio.gather(inner_coroutine(2), inner_coroutine(3))

    @profile
    async def recursive_coroutine(n):
        await asyncio.sleep(0)
        leaf(n)
        if n:
            await recursive_coroutine(n - 1)

    @profile
    async def recursive_in_tasks(n):
        leaf(n)
        if n:
            await asyncio.gather(recursive_in_tasks(n - 1), recursive_in_tasks(n - 1))

    @profile
    async def inner_async_generator(n):
        for i in range(n):
            await asyncio.sleep(0)
            yield leaf(i)

    @profile
    async def outer_of_async_generator():
        async for n in inner_async_generator(2):
            leaf(n)

    # --- blocks ---

    @profile
    def outer_of_block():
        leaf(0)
        with callprofiler.block("in_block", quiet=True):
            leaf(1)
            with callprofiler.block("in_in_block", quiet=True):
                leaf(2)
        leaf(3)

    # --- threads ---

    @profile
    def outer_of_thread():
        leaf(0)
        thread = threading.Thread(target=inner_plain, args=(1,))
        thread.start()
        thread.join()

    for call in sys.argv[1:]:
        os.environ["CALLPROFILER_DIR"] = call
        result = eval(call)
        if inspect.iscoroutine(result):
            asyncio.run(result)
        elif hasattr(result, "__next__"):
            list(result)
"""

# The traces that a program leaves: how many of each story.
EXPECTED = {
    "outer_plain()": {
        "outer_plain\n  inner_plain\n    leaf\n  leaf\n  inner_plain\n    leaf": 1,
        "inner_plain\n  leaf": 2,
    },
    "recursive(3)": {"recursive\n  leaf\n  recursive\n    leaf\n    recursive\n      leaf\n      recursive\n        leaf": 1},
    "ping(3)": {  # pong's run begins inside ping's, and ends with pong
        "ping\n  pong\n    ping\n      pong\n        leaf": 1,
        "pong\n  ping\n    pong\n      leaf": 1,
    },
    "outer_catches()": {"outer_catches\n  inner_fails raised\n    leaf\n  leaf": 1, "inner_fails raised\n  leaf": 1},
    "outer_of_generator()": {
        "outer_of_generator\n  inner_generator\n    leaf\n    leaf\n  leaf\n  leaf": 1,
        "inner_generator\n  leaf\n  leaf": 1,
    },
    "outer_generator()": {
        "outer_generator\n  leaf\n  inner_generator\n    leaf\n    leaf\n  leaf": 1,
        "inner_generator\n  leaf\n  leaf": 1,
    },
    "tree_generator(2)": {"tree_generator\n  tree_generator\n    tree_generator\n    leaf\n  leaf": 1},
    "outer_of_many()": {
        f"outer_of_many\n  inner_generator\n    leaf\n    leaf\n  inner_generator {CLOSED}\n    leaf\n    leaf\n  leaf\n  leaf": 1,
        "inner_generator\n  leaf\n  leaf": 1,
        f"inner_generator {CLOSED}\n  leaf\n  leaf": 1,
    },
    "outer_coroutine()": {
        "outer_coroutine\n  inner_coroutine\n    leaf\n    leaf"
        "\ninner_coroutine\n  leaf\n  leaf\ninner_coroutine\n  leaf\n  leaf": 1,
        "inner_coroutine\n  leaf\n  leaf": 3,
    },
    "recursive_coroutine(2)": {
        "recursive_coroutine\n  leaf\n  recursive_coroutine\n    leaf\n    recursive_coroutine\n      leaf": 1,
    },
    "recursive_in_tasks(2)": {
        "recursive_in_tasks\n  leaf" + 6 * "\nrecursive_in_tasks\n  leaf": 1,
    },
    "outer_of_async_generator()": {
        "outer_of_async_generator\n  inner_async_generator\n    leaf\n    leaf\n  leaf\n  leaf": 1,
        "inner_async_generator\n  leaf\n  leaf": 1,
    },
    "outer_of_block()": {"outer_of_block" + 4 * "\n  leaf": 1, "leaf\nleaf": 1, "leaf": 1},
    "outer_of_thread()": {"outer_of_thread\n  leaf": 1, "inner_plain\n  leaf": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All recorded by one process, each call's traces in a folder of its own."""
    folder = tmp_path_factory.mktemp("nested")
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    process = run_process([sys.executable, "-X", "faulthandler", "program.py", *EXPECTED], folder)
    assert (process.returncode, process.stderr) == (0, "")
    return folder


@pytest.mark.parametrize("call", EXPECTED)
def test_nested_runs(call, folder):
    found = {}
    for trace in (folder / call).iterdir():
        story = Tree(read_calls(trace)).story(module="__main__")
        found[story] = found.get(story, 0) + 1
    assert found == EXPECTED[call]
