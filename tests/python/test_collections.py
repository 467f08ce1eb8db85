"""Garbage collections are calls below what triggers them, and finalizers are below the collections."""

import pytest

from conftest import short

COLLECTIONS = """
    import gc
    from callprofiler import block

    gc.disable()

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            finalized(self)

    def finalized(cycle):
        pass

    def explicit(generation):
        gc.collect(generation)

    def with_cycles():
        for n in range(3):
            Cycle()
        gc.collect()

    def automatic():
        gc.enable()
        kept = []
        for n in range(20_000):
            kept.append([n])
        gc.disable()

    def main():
        for generation in (0, 1, 2):
            explicit(generation)
        with_cycles()
        automatic()

    for name, options in (("with_c", {}), ("without_c", {"c_calls": False})):
        with block(name, quiet=True, **options):
            main()
    outer, inner = block("outer", quiet=True, c_calls=False), block("inner", quiet=True)
    with outer:
        with inner:
            main()
    with block("callbacks", quiet=True):
        inside = len(gc.callbacks)
    print(inside - len(gc.callbacks))
    gc.collect()  # of no run
"""


@pytest.fixture(scope="module")
def collected(record_once):
    run = record_once(COLLECTIONS)
    assert run.stdout == "1\n", "the hook is there only while a run is on"
    return run


@pytest.mark.parametrize("name", ["with_c", "without_c", "inner", "outer"])
def test_collections(collected, name):
    tree = collected.tree_of(name)
    collections = [call for call in tree.calls if call["function"].startswith("garbage collection")]
    assert all(call["outcome"] == "returned" and call["module"] == "gc" for call in collections)

    def below(function):
        return [call["function"] for call in collections if short(tree.python_parent(call)) == function]

    assert below("explicit") == [f"garbage collection, generation {n}" for n in (0, 1, 2)]
    assert below("with_cycles") == ["garbage collection, generation 2"]
    assert below("automatic") and set(below("automatic")) <= {f"garbage collection, generation {n}" for n in (0, 1, 2)}
    assert len(tree.named("finalized")) == len(tree.named("__del__")) == 3
    (collection,) = [call for call in collections if short(tree.python_parent(call)) == "with_cycles"]
    assert all(tree.parent(call) is collection for call in tree.named("__del__"))
    assert all(short(tree.parent(call)) == "__del__" for call in tree.named("finalized"))
    explicit = [short(tree.parent(call)) for call in collections if short(tree.python_parent(call)) == "explicit"]
    assert explicit == (["collect"] * 3 if name in ("with_c", "inner") else ["explicit"] * 3)
    assert [call for call in tree.calls if call["category"] == "builtin" and call["module"] != "gc"] == [] or name in ("with_c", "inner")
