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
