"""The calls of real programs, compared one by one with what an independent tracer in pure Python saw in another process."""

import json
import textwrap

import pytest

REFERENCE = """
    import gc, json, sys
    gc.disable()

    from workload import main

    main()  # warm up: imports and caches are not part of the comparison

    seen, stack, numbers, kept = [], [], {}, []

    def tracer(frame, event, argument):
        if event == "call":
            number = numbers.get(id(frame))
            if number is None:
                number = len(seen)
                code = frame.f_code
                seen.append([code.co_name, code.co_firstlineno, stack[-1] if stack else None])
                if code.co_flags & 0x2A0:  # generator, coroutine, async generator: it will come again
                    numbers[id(frame)] = number
                    kept.append(frame)  # no other frame gets this address
            stack.append(number)
        elif event == "return":
            if stack:
                stack.pop()

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


def python_calls(tree):
    """[name, line, index of the nearest Python caller] in start order: what the reference tracer writes."""
    index, result = {}, []
    for call in tree.calls:
        if not call["file"]:
            continue
        parent = tree.parent(call)
        while parent is not None and not parent["file"]:
            parent = tree.parent(parent)
        index[call["id"]] = len(result)
        result.append([call["function"].rpartition(".")[2], call["line"], index[parent["id"]] if parent else None])
    return result


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_call_and_its_parent(workload, record, tree, tmp_path):
    (tmp_path / "workload.py").write_text(textwrap.dedent(WORKLOADS[workload]), encoding="utf-8")
    expected = json.loads(record(REFERENCE).stdout)
    found = python_calls(tree(record(RECORDED).trace))
    assert len(found) > 100
    differing = [index for index, (ours, theirs) in enumerate(zip(found, expected)) if ours != theirs]
    assert not differing, f"first at call {differing[0]}: {found[differing[0]]}, expected {expected[differing[0]]}"
    assert len(found) == len(expected)
