"""C functions and other callables that are not Python code: each under its own name, with its own ending."""

import sys

import pytest


NAMES = """
    import functools, math, operator
    from callprofiler import profile

    class Own(dict): pass

    @functools.lru_cache
    def cached(n): return n

    append, own, wrapper = [].append, Own(), (1).__add__

    @profile(quiet=True)
    def main():
        len([]), {}.get(1), "a".join([]), str.upper("a"), append(1)
        dict.fromkeys([1]), int.from_bytes(b"a", "big"), own.get(1), Own.fromkeys([1])
        math.sqrt(4), functools.reduce(max, [1, 2])
        {}.__contains__(1), list.__len__([])
        {since_3_12}

    main()
"""
SINCE_3_12 = "cached(1), cached(1), wrapper(2), Own(), operator.itemgetter(0)([1]), functools.partial(abs, -1)()"
EXPECTED = ["builtins.len", "builtins.dict.get", "builtins.str.join", "builtins.str.upper", "builtins.list.append"]
EXPECTED += ["builtins.dict.fromkeys", "builtins.int.from_bytes", "builtins.dict.get", "builtins.dict.fromkeys"]
EXPECTED += ["math.sqrt", "_functools.reduce", "builtins.dict.__contains__"]
# Types, slot wrappers and other callable objects: of these PyEval_SetProfile does not tell.
EXPECTED_SINCE_3_12 = [*EXPECTED, "builtins.list.__len__", "__main__.cached", "__main__.cached", "builtins.int.__add__", "__main__.Own"]
EXPECTED_SINCE_3_12 += ["operator.itemgetter", "operator.itemgetter", "functools.partial", "functools.partial"]


def test_names(record, tree):
    since = sys.version_info >= (3, 12)
    found = tree(record(NAMES.replace("{since_3_12}", SINCE_3_12 if since else "")).trace)
    names = [f"{call['module']}.{call['function']}" for call in found.calls if not call["file"]]
    assert names == (EXPECTED_SINCE_3_12 if since else EXPECTED)


ENDINGS = """
    import math
    from callprofiler import profile

    def fails(n): raise LookupError

    def attempt(function, *arguments):
        try:
            return function(*arguments)
        except Exception:
            pass

    @profile(quiet=True)
    def main():
        attempt(len, 3)
        attempt(len, [])
        attempt(math.sqrt, -1)
        attempt(max, [1], "not a key")
        attempt({}.pop, 1)
        attempt(next, iter([]))
        list(iter([]))
        attempt(sorted, [1, 2], len)
        attempt(list.sort, [1, 2], "too many")
        try:
            sorted([1, 2], key=fails)
        except LookupError:
            len([])

    main()
"""


def test_endings(record, tree):
    found = tree(record(ENDINGS).trace)
    names = ["len", "sqrt", "max", "pop", "next", "sort", "sorted"]
    endings = [(call["function"].rpartition(".")[2], call["outcome"]) for call in found.calls if not call["file"]]
    expected = [("len", "raised"), ("len", "returned"), ("sqrt", "raised"), ("max", "raised"), ("pop", "raised"), ("next", "raised")]
    expected += [("sorted", "raised"), ("sort", "raised"), ("sorted", "raised"), ("len", "returned")]
    assert [ending for ending in endings if ending[0] in names] == expected


NUMPY = """
    import numpy
    from callprofiler import profile

    generator = numpy.random.default_rng(1)
    array = numpy.arange(4)

    @profile(quiet=True)
    def main():
        generator.random()
        generator.integers(3)
        numpy.add(array, 1)
        numpy.dot(array, array)
        array.sum()

    main()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PyEval_SetProfile does not tell of callables that are not builtin functions")
def test_functions_of_extension_modules(record, tree):
    """Cython's functions, ufuncs and dispatchers are objects of a type of their own, and have their own names all the same."""
    pytest.importorskip("numpy")
    found = tree(record(NUMPY).trace)
    names = [call["function"] for call in found.children(found.one("main"))]
    assert [name.rpartition(".")[2] for name in names] == ["random", "integers", "add", "dot", "sum"]
