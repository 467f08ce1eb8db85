"""The calls of real programs, compared one by one with what an independent tracer in pure Python saw in another process."""

import json
import sys
import textwrap

import pytest

REFERENCE = """
    import dis, gc, json, sys
    gc.disable()

    from workload import main

    main()  # warm up: imports and caches are not part of the comparison

    RESUMABLE = 0x2A0  # generator, coroutine, async generator: it will come again
    RETURNS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}
    seen, stack, resumable = [], [], {}

    def returned(frame, argument):
        # A frame that returns None and one that is left by an exception look alike but for the instruction they stand at.
        return argument is not None or frame.f_code.co_code[frame.f_lasti] in RETURNS

    def tracer(frame, event, argument):
        if event == "call":
            number, _ = resumable.get(id(frame), (None, None))
            if number is None:
                number = len(seen)
                code = frame.f_code
                seen.append([code.co_name, code.co_firstlineno, stack[-1] if stack else None, None])
                if code.co_flags & RESUMABLE:
                    resumable[id(frame)] = number, frame  # no other frame gets this address while it is kept
            stack.append(number)
        elif event == "return":
            if stack:
                number = stack.pop()
                if not frame.f_code.co_flags & RESUMABLE:
                    seen[number][3] = "returned" if returned(frame, argument) else "raised"
                elif frame.f_code.co_code[frame.f_lasti] in RETURNS:  # else it yields or raises: no tracer in Python can tell
                    seen[number][3] = "returned"
                    del resumable[id(frame)]
        elif event == "c_call":
            if argument is not sys.setprofile:
                stack.append(len(seen))
                seen.append([argument.__name__, 0, stack[-2] if len(stack) > 1 else None, None])
        elif stack:
            seen[stack.pop()][3] = "returned" if event == "c_return" else "raised"

    sys.setprofile(tracer)
    main()
    sys.setprofile(None)
    print(json.dumps(seen))
"""

RECORDED = """
    import gc
    gc.disable()

    from workload import main
    from callprofiler import profile

    main()
    profile(main, quiet=True)()
"""

WORKLOADS = {
    "ast": """
        import ast, inspect, textwrap

        SOURCE = inspect.getsource(textwrap)

        def main():
            tree = ast.parse(SOURCE)
            text = ast.unparse(tree)
            return sum(1 for _ in ast.walk(ast.parse(text)))
    """,
    "json": """
        import json.decoder, json.encoder, json.scanner

        def main():
            json.encoder.c_make_encoder = None
            json.scanner.c_make_scanner = None
            value = {"list": [1, 2.5, None, True, "text"] * 40, "nested": {str(n): {"deep": [n]} for n in range(60)}}
            text = "".join(json.encoder.JSONEncoder(indent=1).iterencode(value))
            decoder = json.decoder.JSONDecoder()
            decoder.scan_once = json.scanner.py_make_scanner(decoder)
            assert decoder.decode(text) == value
    """,
    "tokenize_difflib": """
        import difflib, inspect, io, textwrap, tokenize

        SOURCE = inspect.getsource(textwrap)

        def main():
            tokens = list(tokenize.generate_tokens(io.StringIO(SOURCE).readline))
            lines = SOURCE.splitlines()[:80]
            return len(list(difflib.unified_diff(lines, sorted(lines)))) + len(tokens)
    """,
    "generators": """
        import contextlib, functools, itertools

        def numbers(limit):
            for number in range(limit):
                try:
                    yield number
                finally:
                    str(number)

        def delegate(limit):
            total = yield from numbers(limit)
            return total

        def catching():
            while True:
                try:
                    yield 1
                except KeyError:
                    yield 2

        @contextlib.contextmanager
        def managed():
            yield list(delegate(3))

        def tree(depth):
            if depth:
                yield from tree(depth - 1)
                yield depth
                yield from tree(depth - 1)

        def main():
            with managed() as values:
                sum(n * n for n in values)
            list(tree(5))
            waiting = catching()
            next(waiting)
            assert waiting.throw(KeyError()) == 2
            waiting.close()
            next(delegate(3))
            sorted(range(20), key=lambda n: -n)
            functools.reduce(lambda a, b: a + b, range(10))
            list(itertools.starmap(lambda a, b: a, [(1, 2)] * 5))
            with contextlib.suppress(ZeroDivisionError):
                list(map(lambda n: 1 // n, [1, 0]))
    """,
    "asyncio": """
        import asyncio, contextlib

        @contextlib.asynccontextmanager
        async def managed(n):
            await asyncio.sleep(0)
            yield n

        async def numbers(limit):
            for n in range(limit):
                try:
                    yield n
                except KeyError:
                    await asyncio.sleep(0)

        async def fails(n):
            await asyncio.sleep(0)
            raise LookupError(n)

        async def work(n, queue):
            async with managed(n):
                async for m in numbers(n):
                    await queue.put(m)
            try:
                await fails(n)
            except LookupError:
                return n

        async def consume(queue):
            with contextlib.suppress(asyncio.CancelledError):
                while True:
                    await queue.get()

        tasks = []  # stay: the tracer keeps frames, and tasks with them; when they die differs

        async def everything():
            queue = asyncio.Queue(2)
            tasks.append(asyncio.current_task())
            consumer = asyncio.ensure_future(consume(queue))
            tasks.append(consumer)
            await asyncio.gather(*(work(n, queue) for n in range(10)))
            await asyncio.wait_for(asyncio.sleep(0), 10)
            consumer.cancel()
            await consumer

        def main():
            loop = asyncio.new_event_loop()  # asyncio.run() goes through a set of tasks, in any order
            loop.run_until_complete(everything())
            loop.close()
    """,
    "classes": """
        import collections, dataclasses, enum, functools, operator

        @dataclasses.dataclass(order=True)
        class Point:
            x: int
            y: int = 0

            def __post_init__(self):
                self.z = self.x

            @property
            def norm(self):
                return self.x + self.y

            @classmethod
            def make(cls, x):
                return cls(x)

            @staticmethod
            def zero():
                return Point(0)

            def __call__(self):
                return self.norm

            def __getattr__(self, name):
                if name.startswith("a"):
                    return 1
                raise AttributeError(name)

        def fails(depth):
            try:
                if depth == 0:
                    raise LookupError
                fails(depth - 1)
            finally:
                str(depth)

        def main():
            class Local(Point):
                def __init_subclass__(cls, **kwargs):
                    pass

                def __del__(self):
                    pass

            Point.make(1)(), Point.zero().norm, Point(1) < Point(2), hasattr(Point(1), "b"), Point(3).a
            type("Dynamic", (Local,), {"method": lambda self: 1})(1).method()
            enum.Enum("Colour", "RED GREEN")
            functools.partial(Point, 1)()
            max([Point(1), Point(2)])
            exec("def f(): return 1\\nf()", {})
            eval("(lambda: 1)()")
            try:
                fails(50)
            except LookupError:
                pass
    """,
}


# Line 0: a C function. From 3.12 on sys.monitoring also tells of types and other C callables, of which sys.setprofile does not.


def calls_of(tree, c_functions):
    """[name, line, index of the caller, outcome] in start order: what the reference tracer writes."""
    index, result = {}, []
    for call in tree.calls:
        name = call["function"].rpartition(".")[2]
        if not call["file"] and sys.version_info >= (3, 12) and name not in c_functions:
            continue
        caller = tree.parent(call)
        while caller is not None and caller["id"] not in index:
            caller = tree.parent(caller)
        index[call["id"]] = len(result)
        result.append([name, call["line"], index[caller["id"]] if caller else None, call["outcome"]])
    return result


def first_difference(found, expected):
    """None when each call is as expected; an ending of None is not compared."""
    for index, (ours, theirs) in enumerate(zip(found, expected)):
        if ours[:3] != theirs[:3] or theirs[3] not in (None, ours[3]):
            return f"at call {index}: {ours}, expected {theirs}; before it {found[max(0, index - 5):index]}"
    return None if len(found) == len(expected) else f"{len(found)} calls, expected {len(expected)}"


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_call_and_its_caller_and_ending(workload, record, tree, tmp_path):
    (tmp_path / "workload.py").write_text(textwrap.dedent(WORKLOADS[workload]), encoding="utf-8")
    expected = json.loads(record(REFERENCE).stdout)
    c_functions = {call[0] for call in expected if call[1] == 0}
    found = calls_of(tree(record(RECORDED).trace), c_functions)
    assert len([call for call in expected if call[1]]) > 100 and len(c_functions) > 5
    assert first_difference(found, expected) is None
