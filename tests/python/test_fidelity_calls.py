"""Calls that the interpreter makes in all its ways: programs whose calls are known, with the calls beside them."""

import pytest

from known_programs import KnownPrograms

PROGRAMS = KnownPrograms()

PROGRAMS.add(
    "mutual_recursion",
    """
    def even(n): return True if n == 0 else odd(n - 1)
    def odd(n): return False if n == 0 else even(n - 1)
    def tree(n):
        if n:
            tree(n - 1)
            even(n)
            tree(n - 1)

    def main():
        assert not even(3)
        tree(2)
    """,
    """
    main
      even
        odd
          even
            odd
      tree
        tree
          tree
          even
            odd
          tree
        even
          odd
            even
        tree
          tree
          even
            odd
          tree
    """,
)

PROGRAMS.add(
    "exceptions",
    """
    def cleanup(): pass
    def handled(): pass

    def fails(depth):
        try:
            if depth == 0:
                raise KeyError
            fails(depth - 1)
        finally:
            cleanup()

    def reraises():
        try:
            fails(0)
        except KeyError as error:
            raise ValueError from error

    def returns_in_finally():
        try:
            fails(0)
        finally:
            return 1

    def recovers():
        for attempt in range(2):
            try:
                reraises()
            except ValueError:
                handled()
                continue
        return handled()

    class Unprintable(Exception):
        def __init__(self): handled()
        def __str__(self): raise RuntimeError

    def raises_new(): raise Unprintable

    def main():
        try:
            fails(2)
        except KeyError:
            handled()
        returns_in_finally()
        recovers()
        try:
            raises_new()
        except Unprintable:
            pass
        try:
            exit(1)
        except SystemExit:
            handled()
    """,
    """
    main
      fails raised
        fails raised
          fails raised
            cleanup
          cleanup
        cleanup
      handled
      returns_in_finally
        fails raised
          cleanup
      recovers
        reraises raised
          fails raised
            cleanup
        handled
        reraises raised
          fails raised
            cleanup
        handled
        handled
      raises_new raised
        __init__
          handled
      handled
    """,
)

PROGRAMS.add(
    "called_by_c",
    """
    import bisect, ctypes, functools, heapq, itertools, operator, re

    def key(n): return -n
    def add(a, b): return a + b
    def odd(n): return n % 2
    def fails(n): raise LookupError
    def replace(match): return "x"
    def compare(a, b): return a[0] - b[0]
    def nested(n): return sorted([n, n + 1], key=key)

    class Item:
        def __lt__(self, other): return True

    class Holder:
        def method(self, n): return n

    def main():
        sorted([1, 2], key=key)
        list(map(add, [1, 2], [3, 4])), list(filter(odd, [1]))
        functools.reduce(add, [1, 2, 3])
        functools.partial(functools.partial(add, 1), 2)()
        max([1, 2], key=key)
        list(map(Holder().method, [1]))
        operator.methodcaller("method", 1)(Holder())
        list(itertools.starmap(add, [(1, 2)])), list(itertools.accumulate([1, 2], add))
        list(map(nested, [1]))
        next(iter(functools.partial(key, 1), -1), None)
        re.sub("a", replace, "aba")
        heapq.heappush([Item()], Item())
        try:
            list(map(fails, [1]))
        except LookupError:
            pass
        numbers = (ctypes.c_int * 2)(2, 1)
        libc = ctypes.CDLL(None)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
        libc.qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), kind(compare))
        assert list(numbers) == [1, 2]
        dict.fromkeys([1]).setdefault(1), print(end="", *map(odd, []))
        functools.lru_cache(key)(1), functools.singledispatch(key)(1)
    """,
    """
    main
      key
      key
      add
      add
      odd
      add
      add
      add
      key
      key
      method
      method
      add
      add
      nested
        key
        key
      key
      replace
      replace
      __lt__
      fails raised
      compare
      key
      key
    """,
)

PROGRAMS.add(
    "exec_eval_import",
    """
    import importlib, sys, types

    def called(): return 1

    def main():
        space = {"called": called, "__name__": __name__}
        exec("def made(): return called()\\nmade()", space)
        eval("called() + (lambda: called())()", space)
        with open("fresh_module.py", "w") as file:
            file.write("import exec_eval_import\\ndef inside(): return exec_eval_import.called()\\ninside()\\n")
        importlib.invalidate_caches()
        import fresh_module
        fresh_module.inside()
        importlib.reload(fresh_module)
        try:
            exec("called(\\n", space)
        except SyntaxError:
            called()
        types.FunctionType(called.__code__, {})()
    """,
    """
    main
      <module>
        made
          called
      <module>
        called
        <lambda>
          called
      called
      called
      called
      called
      called
    """,
)

PROGRAMS.add(
    "called_by_the_interpreter",
    """
    import gc, signal, sys, weakref

    def handler(number, frame): handled()
    def handled(): pass
    def died(reference): handled()
    def audited(event, arguments):
        if event == "callprofiler.test": handled()
    audited.__cantrace__ = True

    class Mortal:
        def __del__(self): handled()

    class Plain: pass

    def waits():
        signal.raise_signal(signal.SIGUSR1)
        for n in range(10): pass

    def drops(): local = Mortal()

    def cycle():
        one, other = Mortal(), Plain()
        one.other, other.one = other, one

    def on_collection(phase, info): handled()

    def main():
        gc.collect()
        gc.disable()
        before = signal.signal(signal.SIGUSR1, handler)
        waits()
        signal.signal(signal.SIGUSR1, before)
        drops()
        mortal = Mortal()
        del mortal
        plain = Plain()
        reference = weakref.ref(plain, died)
        finalizer = weakref.finalize(plain, handled)
        del plain
        cycle()
        gc.callbacks.append(on_collection)
        gc.collect()
        gc.callbacks.clear()
        gc.enable()
        sys.addaudithook(audited)
        sys.audit("callprofiler.test")
    """,
    """
    main
      waits
        handler
          handled
      drops
      __del__
        handled
      __del__
        handled
      handled
      died
        handled
      cycle
      on_collection
        handled
      __del__
        handled
      on_collection
        handled
      audited
        handled
    """,
)

PROGRAMS.add(
    "numbers_of_numpy",
    """
    numpy = None
    try:
        import numpy
    except ImportError:
        pass

    def each(n): return n + 1
    def column(values): return values.sum()

    def main():
        if not numpy:
            each(1), each(1), column(type("", (), {"sum": int})), column(type("", (), {"sum": int}))
            return
        array = numpy.arange(4).reshape(2, 2)
        numpy.frompyfunc(each, 1, 1)(array[0])
        numpy.apply_along_axis(column, 0, array)
    """,
    """
    main
      each
      each
      column
      column
    """,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return PROGRAMS.record(tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_every_call_has_its_place_and_ending(name, recorded):
    assert recorded[name].story(module=name) == PROGRAMS.stories[name]


DEEP = """
    import sys, threading
    from callprofiler import profile

    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    def fall(n):
        if n == 0:
            raise LookupError
        fall(n - 1)

    def delegate(n):
        if n:
            yield from delegate(n - 1)
        yield n

    def by_c(n):
        return 0 if n == 0 else max([n], key=by_c_again)

    def by_c_again(n):
        return by_c(n - 1)

    @profile(quiet=True)
    def main():
        assert down(20_000) == 20_000
        try:
            fall(20_000)
        except LookupError:
            pass
        next(delegate(1_000))
        by_c(200)  # 3.12 bounds the depth of C calls
        sys.setrecursionlimit(5_000)
        try:
            down(1_000_000)
        except RecursionError:
            pass

    sys.setrecursionlimit(50_000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
"""


def test_deep_recursion(record, calls):
    run = record(DEEP)
    assert run.stderr == ""
    found = calls(run.trace)
    by_id = {call["id"]: call for call in found}
    level = {None: 0}
    for number in sorted(by_id):
        level[number] = level[by_id[number]["parent"]] + 1
    levels = lambda name, outcome: sorted(level[call["id"]] for call in found if (call["function"], call["outcome"]) == (name, outcome))
    down = levels("down", "returned")
    assert down == list(range(2, 20_003))
    assert levels("fall", "raised") == list(range(2, 20_003)) and levels("fall", "returned") == []
    assert levels("delegate", "returned") == []
    assert levels("delegate", "raised") + levels("delegate", "unfinished") == list(range(3, 1_004))  # below next()
    assert levels("by_c", "returned") == list(range(2, 603, 3))
    too_deep = levels("down", "raised")
    assert too_deep == list(range(2, 2 + len(too_deep))) and 4_900 < len(too_deep) <= 5_000
