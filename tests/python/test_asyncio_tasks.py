"""Tasks of asyncio: programs whose calls are known, with the calls beside them.

A task that the run starts has no caller on the stack: it stands beside main, in the order in which they began."""

import pytest

from known_programs import KnownPrograms

PROGRAMS = KnownPrograms()

PROGRAMS.add(
    "gathered",
    """
    import asyncio

    def step(n): pass

    async def inner(n):
        await asyncio.sleep(0)
        step(n)

    async def child(n):
        step(n)
        await inner(n)
        await asyncio.sleep(0.001)
        step(n)

    async def main():
        step(0)
        await asyncio.gather(child(1), child(2))
        step(3)
    """,
    """
    main
      step
      step
    child
      step
      inner
        step
      step
    child
      step
      inner
        step
      step
    """,
)

PROGRAMS.add(
    "task_group",
    """
    import asyncio

    def step(n): pass
    def cleanup(): pass

    async def child(n):
        await asyncio.sleep(0)
        step(n)

    async def fails():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise KeyError

    async def waits():
        try:
            await asyncio.sleep(10)
        finally:
            cleanup()

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(child(1))
            group.create_task(child(2))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits())
                group.create_task(fails())
        except BaseExceptionGroup:
            step(3)
    """,
    """
    main
      step
    child
      step
    child
      step
    waits raised
      cleanup
    fails raised
    """,
    since=(3, 11),
)

PROGRAMS.add(
    "cancelled",
    """
    import asyncio

    def cleanup(where): pass
    def ignored(): pass

    async def deepest():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cleanup("deepest")
            await asyncio.sleep(0)
            raise

    async def middle():
        try:
            await deepest()
        finally:
            cleanup("middle")

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(0.001)
                return 1
            except asyncio.CancelledError:
                ignored()

    async def never(): pass

    async def main():
        task = asyncio.ensure_future(middle())
        await asyncio.sleep(0.001)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            cleanup("main")
        task = asyncio.ensure_future(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        await task
        task = asyncio.ensure_future(never())
        task.cancel()
        await asyncio.wait([task])
    """,
    """
    main
      cleanup
    middle raised
      deepest raised
        cleanup
      cleanup
    stubborn
      ignored
    never raised
    """,
)

PROGRAMS.add(
    "timed_out",
    """
    import asyncio

    def cleanup(): pass
    def after(): pass

    async def slow():
        try:
            await asyncio.sleep(10)
        finally:
            cleanup()

    async def main():
        try:
            await asyncio.wait_for(slow(), 0.005)
        except asyncio.TimeoutError:
            after()
    """,
    """
    main
      slow raised  # since 3.12
        cleanup  # since 3.12
      after
    slow raised  # until 3.11
      cleanup  # until 3.11
    """,
)

PROGRAMS.add(
    "queue_lock_event",
    """
    import asyncio

    def put(n): pass
    def got(n): pass

    async def producer(queue):
        for n in range(3):
            put(n)
            await queue.put(n)
        await queue.put(None)

    async def consumer(queue, lock):
        while True:
            n = await queue.get()
            if n is None:
                return
            async with lock:
                got(n)

    async def main():
        queue, lock = asyncio.Queue(1), asyncio.Lock()
        await asyncio.gather(producer(queue), consumer(queue, lock))
    """,
    """
    main
    producer
      put
      put
      put
    consumer
      got
      got
      got
    """,
)

PROGRAMS.add(
    "roots_that_recur",
    """
    import asyncio

    def step(n): pass

    def numbers(n):
        for i in range(n):
            step(i)
            yield i

    async def child(n):
        for i in numbers(n):
            step(i)
        if n == 2:
            await asyncio.sleep(0)
            await child(1)
        else:
            await asyncio.sleep(0)
            step(n)

    async def fails(n):
        await asyncio.sleep(0)
        if n:
            await fails(n - 1)
        raise KeyError

    def down(n):
        for i in numbers(1):
            step(i)
        if n:
            down(n - 1)
        step(n)

    async def main():
        await asyncio.gather(child(2), fails(1), return_exceptions=True)
        await asyncio.to_thread(down, 1)
        step(3)
    """,
    """
    main
      step
    child
      numbers
        step
        step
      step
      step
      child
        numbers
          step
        step
        step
    fails raised
      fails raised
    down
      numbers
        step
      step
      down
        numbers
          step
        step
        step
      step
    """,
)

PROGRAMS.add(
    "callbacks_and_threads",
    """
    import asyncio

    def soon(n): pass
    def later(called): called.set()
    def done(task): pass
    def in_thread(n): return inside(n)
    def inside(n): return n
    async def child(): pass

    async def main():  # waits for each of them: which of several is first depends on the machine
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        loop.call_soon(soon, 1)
        await asyncio.sleep(0)
        task = loop.create_task(child())
        task.add_done_callback(done)
        await task
        await asyncio.sleep(0)
        loop.call_later(0.001, later, called)
        await called.wait()
        assert await asyncio.to_thread(in_thread, 3) == 3
    """,
    """
    main
    soon
    child
    done
    later
    in_thread
      inside
    """,
)

PROGRAMS.add(
    "eager",
    """
    import asyncio

    def step(n): pass

    async def at_once(n):
        step(n)

    async def inner(n):
        await asyncio.sleep(0)
        step(n)

    async def waits(n):
        step(n)
        await inner(n)

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await asyncio.create_task(at_once(1))
        await asyncio.gather(waits(2), waits(3))
        async with asyncio.TaskGroup() as group:
            group.create_task(waits(4))
    """,
    """
    main
      at_once
        step
      waits
        step
        inner
          step
      waits
        step
        inner
          step
      waits
        step
        inner
          step
    """,
    since=(3, 12),
)

PROGRAMS.add(
    "streams",
    """
    import asyncio

    def served(line): return line.upper()
    def answered(line): pass

    async def serve(reader, writer):
        writer.write(served(await reader.readline()))
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\\n")
        answered(await reader.readline())
        writer.close()
        server.close()
    """,
    """
    main
      answered
    serve
      served
    """,
)


NOT_FOR_UVLOOP = {"eager"}  # it takes no eager task factory, or only half


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def recorded(request, tmp_path_factory):
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    names = [name for name in PROGRAMS.stories if request.param == "asyncio" or name not in NOT_FOR_UVLOOP]
    return PROGRAMS.record(tmp_path_factory.mktemp("programs"), names, LOOP=request.param)


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_every_call_has_its_place_and_ending(name, recorded):
    if name in recorded:
        assert recorded[name].story(module=name) == PROGRAMS.stories[name]


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_wall_is_running_plus_suspended(name, recorded):
    for call in recorded[name].calls if name in recorded else []:
        if call["end_ns"] is not None:
            assert call["running_ns"] + call["suspended_ns"] == call["end_ns"] - call["start_ns"], call
