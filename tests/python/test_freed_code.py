"""Code objects and types that are freed: what comes to lie at their addresses has its own name and line."""

import sys

import pytest

FREED = """
    import gc
    from callprofiler import profile

    def known(): pass

    @profile(quiet=True)
    def main():
        addresses = set()
        for n in range(3000):
            space = {}
            exec(compile("\\n" * n + f"def f{n}(): return g{n}()\\ndef g{n}(): return {n}", f"file{n}", "exec"), space)
            function = space[f"f{n}"]
            addresses.add(id(function.__code__))
            assert function() == n
            del function, space
            known()
            if n % 500 == 0:
                gc.collect()
        assert len(addresses) < 3000, "no address was used again: this proves nothing"

    main()
"""


def test_code_that_is_freed_gives_its_address_not_its_name(record, tree):
    found = tree(record(FREED).trace)
    (main,) = [call for call in found.calls if call["function"] == "main"]
    made = [call for call in found.calls if call["file"].startswith("file") or "/file" in call["file"]]
    assert len(made) == 3 * 3000 and len(found.named("known")) == 3000
    for n in range(3000):
        module, f, g = made[3 * n : 3 * n + 3]
        assert [call["function"] for call in (module, f, g)] == ["<module>", f"f{n}", f"g{n}"]
        assert [call["line"] for call in (f, g)] == [n + 1, n + 2]
        assert {call["file"].rpartition("/")[2] for call in (module, f, g)} == {f"file{n}"}
        assert found.parent(f) is main and found.parent(g) is f


FREED_TYPES = """
    import gc
    from callprofiler import profile

    @profile(quiet=True)
    def main():
        addresses = set()
        for n in range(1000):
            made = type(f"Type{n}", (), {})
            addresses.add(id(made))
            made()
            del made
            gc.collect(1 if n % 100 else 2)
        assert len(addresses) < 1000, "no address was used again: this proves nothing"

    main()
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PyEval_SetProfile does not tell of types that are called")
def test_types_that_are_freed_give_their_address_not_their_name(record, tree):
    found = tree(record(FREED_TYPES).trace)
    called = [call["function"] for call in found.calls if call["function"].startswith("Type")]
    assert called == [f"Type{n}" for n in range(1000)]


FREED_ELSEWHERE = """
    import queue, sysconfig, threading
    from callprofiler import profile

    def make(n):
        space = {}
        exec(compile(f"def f{n}(): return {n}", f"file{n}", "exec"), space)
        return space[f"f{n}"]

    def replace():
        while (n := orders.get()):
            functions.clear()
            functions.append(make(n))
            done.put(n)

    orders, done, functions = queue.SimpleQueue(), queue.SimpleQueue(), [make(0)]
    thread = threading.Thread(target=replace, daemon=True)
    thread.start()

    @profile(quiet=True, c_calls=False)
    def main():
        addresses = set()
        for n in range(1, 1000):
            for _ in range(2):
                assert functions[0]() == n - 1
            addresses.add(id(functions[0].__code__))
            orders.put(n)
            done.get()
        return addresses

    addresses = main()
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):  # without one each thread has memory of its own
        assert len(addresses) < 999, "no address was used again: this proves nothing"
"""


def test_code_that_another_thread_frees(record, tree):
    found = tree(record(FREED_ELSEWHERE).trace)
    called = [call["function"] for call in found.calls if call["function"] != "main"]
    assert called == [f"f{n}" for n in range(999) for _ in range(2)]


MANY_RUNS = """
    from callprofiler import profile

    FUNCTIONS = 20
    for n in range(FUNCTIONS):
        exec(f"def f{n}(): pass")
    functions = [globals()[f"f{n}"] for n in range(FUNCTIONS)]

    @profile(quiet=True, keep=lambda run: False)
    def dropped(function):
        function()

    @profile(quiet=True)
    def kept():
        for function in functions:
            function()

    for function in functions:
        dropped(function)
    for _ in range(2**16 - FUNCTIONS // 2):
        dropped(bool)
    kept()
"""


def test_more_runs_on_a_thread_than_its_lanes_can_be_told_apart(record, tree):
    """What one of them knew of a function does not hold for that which is like it (recorder/src/word_cache.h)."""
    called = [call["function"] for call in tree(record(MANY_RUNS).trace).calls if call["category"] != "builtin"]
    assert called == ["kept", *(f"f{n}" for n in range(20))]
