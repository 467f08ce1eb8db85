"""Context managers of contextlib, async generators and awaitables: programs whose calls are known, with the calls beside them."""

import pytest

from known_programs import KnownPrograms

PROGRAMS = KnownPrograms()

PROGRAMS.add(
    "contextlib_managers",
    """
    import contextlib

    def enter(name): pass
    def leave(name): pass
    def body(): pass
    def fails(): raise KeyError

    @contextlib.contextmanager
    def managed(name):
        enter(name)
        try:
            yield
        finally:
            leave(name)

    @contextlib.contextmanager
    def suppressing():
        try:
            yield
        except KeyError:
            leave("suppressed")

    class Manager:
        def __enter__(self): enter("class")
        def __exit__(self, *exception):
            leave("class")
            return True

    def main():
        with managed("a"), managed("b"):
            body()
        with suppressing():
            with managed("c"):
                fails()
        with contextlib.ExitStack() as stack:
            stack.enter_context(managed("d"))
            stack.callback(leave, "callback")
            stack.enter_context(Manager())
            fails()
    """,
    """
    main
      managed
        enter
        leave
      managed
        enter
        leave
      body
      suppressing
        leave
      managed raised
        enter
        leave
      fails raised
      managed
        enter
        leave
      __enter__
        enter
      fails raised
      __exit__
        leave
      leave
    """,
)

PROGRAMS.add(
    "async_generators",
    """
    import asyncio

    def made(n): pass
    def used(n): pass
    def cleanup(): pass

    async def numbers(limit):
        try:
            for n in range(limit):
                await asyncio.sleep(0)
                made(n)
                got = yield n
                if got: made(got)
        except KeyError:
            cleanup()
            yield "caught"
        finally:
            cleanup()

    async def main():
        async for n in numbers(2):
            used(n)
        running = numbers(5)
        assert await running.asend(None) == 0
        assert await running.asend("sent") == 1
        assert await running.athrow(KeyError()) == "caught"
        await running.aclose()
        closed = numbers(5)
        await closed.__anext__()
        await closed.aclose()
        async for n in numbers(1):
            pass
    """,
    """
    main
      numbers
        made
        made
        cleanup
      used
      used
      numbers raised
        made
        made
        made
        cleanup
        cleanup
      numbers raised
        made
        cleanup
      numbers
        made
        cleanup
    """,
)

PROGRAMS.add(
    "async_context_managers",
    """
    import asyncio, contextlib

    def enter(name): pass
    def leave(name): pass
    def fails(): raise KeyError

    @contextlib.asynccontextmanager
    async def managed(name):
        await asyncio.sleep(0)
        enter(name)
        try:
            yield
        finally:
            await asyncio.sleep(0)
            leave(name)

    class Manager:
        async def __aenter__(self): enter("class")
        async def __aexit__(self, *exception):
            await asyncio.sleep(0)
            leave("class")
            return True

    async def main():
        async with managed("a"):
            pass
        async with Manager(), managed("b"):
            fails()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(managed("c"))
            stack.push_async_callback(Manager().__aexit__)
    """,
    """
    main
      managed
        enter
        leave
      __aenter__
        enter
      managed raised
        enter
        leave
      fails raised
      __aexit__
        leave
      managed
        enter
        leave
      __aexit__
        leave
    """,
)

PROGRAMS.add(
    "awaitables_of_all_kinds",
    """
    import types

    def step(n): return n

    class Custom:
        def __await__(self):
            step(1)
            yield from iter(())
            return step(2)

    @types.coroutine
    def old_style():
        step(3)
        return step(4)
        yield

    async def never_awaited(): step(0)

    async def main():
        assert await Custom() == 2
        assert await old_style() == 4
        never_awaited().close()
    """,
    """
    main
      __await__
        step
        step
      old_style
        step
        step
      never_awaited raised  # until 3.11
    """,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return PROGRAMS.record(tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_every_call_has_its_place_and_ending(name, recorded):
    assert recorded[name].story(module=name) == PROGRAMS.stories[name]


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_times_of_resumed_calls_add_up(name, recorded):
    for call in recorded[name].calls:
        if call["end_ns"] is not None:
            assert call["running_ns"] + call["suspended_ns"] == call["end_ns"] - call["start_ns"], call


ITERABLE_COROUTINE = """
    import asyncio, types
    from callprofiler import profile

    def leaf(): pass

    @profile(quiet=True)
    @types.coroutine
    def decorated():
        leaf()
        yield
        leaf()
        return 3

    async def main():
        return await decorated()

    assert asyncio.run(main()) == 3
"""


def test_a_profiled_generator_that_is_a_coroutine_stays_one(record, tree):
    assert tree(record(ITERABLE_COROUTINE).trace).story() == "decorated\n  leaf\n  leaf"
