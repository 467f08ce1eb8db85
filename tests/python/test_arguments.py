"""args=True: the arguments of each Python call as text, whatever their repr does."""


import pytest

ORDINARY = """
    from callprofiler import block

    def positional(a, b): pass
    def defaults(a, b=2, *, c="see"): pass
    def variadic(a, *rest, key=None, **others): pass
    def none(): pass
    def long_text(text): pass
    def many(*values): pass
    def wide(**values): pass
    def surrogate(text): pass

    def in_cell(captured, other):
        def inner():
            return captured
        captured = captured + 1
        return inner()

    def changed(value):
        value = "later"
        return value

    def numbers(limit, step=1):
        yield 0
        yield limit

    async def waits(seconds):
        return seconds

    class Thing:
        def __repr__(self): return "<Thing>"
        def method(self, n): pass
        @classmethod
        def made(cls, n): pass
        @staticmethod
        def static(n): pass

    def main(first):
        positional(1, "x")
        defaults(1)
        defaults(1, 3, c=None)
        variadic(1, 2, 3, key=4, other=5)
        variadic(1)
        none()
        long_text("x" * 1_000_000)
        many(*range(1000))
        wide(**{"name_%d" % n: "v" * 60 for n in range(50)})
        surrogate("\\udc80")
        in_cell(7, 8)
        changed("first")
        list(numbers(5))
        try:
            waits(0.5).send(None)
        except StopIteration:
            pass
        Thing().method(1)
        Thing.made(2)
        Thing.static(3)
        positional(b=[1, {"k": (2,)}], a=None)

    with block("with", args=True, quiet=True):
        main("f")
    with block("without", quiet=True):
        main("f")
    outer, inner = block("outer", quiet=True), block("inner", args=True, quiet=True)
    with outer:
        with inner:
            main("f")
"""


@pytest.fixture(scope="module")
def ordinary(record_once):
    return record_once(ORDINARY)


@pytest.mark.parametrize("name", ["with", "inner"])
def test_arguments(ordinary, name):
    tree = ordinary.tree_of(name)

    def texts(function):
        return [call.get("arguments") for call in tree.named(function)]

    assert texts("main") == ["first='f'"]
    assert texts("positional") == ["a=1, b='x'", "a=None, b=[1, {'k': (2,)}]"]
    assert texts("defaults") == ["a=1, b=2, c='see'", "a=1, b=3, c=None"]
    assert texts("variadic") == ["a=1, key=4, *rest=(2, 3), **others={'other': 5}", "a=1, key=None, *rest=(), **others={}"]
    assert texts("none") == [None]
    assert texts("in_cell") == ["captured=7, other=8"]
    assert texts("changed") == ["value='first'"]
    assert texts("numbers") == ["limit=5, step=1"]
    assert texts("waits") == ["seconds=0.5"]
    assert texts("method") == ["self=<Thing>, n=1"]
    assert texts("made") == ["cls=<class '__main__.Thing'>, n=2"]
    assert texts("static") == ["n=3"]
    assert texts("surrogate") == ["text='\\udc80'"]  # as repr writes it: no lone surrogate
    assert len(tree.named("numbers")) == len(tree.named("waits")) == 1
    assert all("arguments" not in call for call in tree.calls if call["category"] == "builtin")


def test_arguments_are_bounded(ordinary):
    tree = ordinary.tree_of("with")
    for name in ("long_text", "many", "wide"):
        text = tree.one(name)["arguments"]
        assert 20 < len(text) <= 500, (name, len(text))
        assert "..." in text or "…" in text, text


@pytest.mark.parametrize("name", ["without", "outer"])
def test_no_arguments_unless_asked_for(ordinary, name):
    tree = ordinary.tree_of(name)
    assert len(tree.named("variadic")) == 2
    assert [call for call in tree.calls if "arguments" in call] == []
    asked = ordinary.tree_of("with")
    assert tree.python_calls() == asked.python_calls()  # nothing that describes them is in the trace


HOSTILE = """
    import sys
    from callprofiler import block, profile

    sys.setrecursionlimit(300)

    def helper(): return "helped"
    def target(value): return value
    def after(): pass

    class Raises:
        def __repr__(self): raise ValueError("of repr")
    class Exits:
        def __repr__(self): raise SystemExit(3)
    class Deep:
        def __repr__(self): return repr(self)
    class Unmade:
        def __init__(self, name): self.name = name  # repr comes before this
        def __repr__(self): return "Unmade " + self.name
    class NotText:
        def __repr__(self): return 3
    class Calls:
        def __repr__(self): return helper()
    class Ends:
        def __repr__(self):
            run.__exit__(None, None, None)
            return "it ended"
    class Profiled:
        def __repr__(self): return profiled(1)
    class Nested:
        def __repr__(self): return target("inside") + "repr"
    class HostileType(type):
        @property
        def __name__(cls): raise ZeroDivisionError
        @property
        def __class__(cls): raise ZeroDivisionError
    class Odd(metaclass=HostileType):
        def __repr__(self): raise ValueError

    @profile(quiet=True, args=True)
    def profiled(n):
        after()
        return "profiled"

    recursive = [1]
    recursive.append(recursive)

    def main():
        results = []
        for value in (Raises(), Exits(), Deep(), NotText(), Calls(), Profiled(), Nested(), Odd(), recursive, {"k": Raises()}):
            assert target(value) is value
            try:
                raise KeyError("pending")
            except KeyError:
                assert target(value) is value  # an exception that is being handled stays what it was
                assert sys.exc_info()[0] is KeyError
        assert Unmade("n").name == "n"

    with block("hostile", args=True, quiet=True):
        main()

    def ended_within():
        target(Ends())
        after()

    run, around = block("ends", args=True, quiet=True), block("around", args=True, quiet=True)
    around.__enter__()
    run.__enter__()
    ended_within()
    after()
    around.__exit__(None, None, None)
    print("done")
"""


@pytest.fixture(scope="module")
def hostile(record_once):
    run = record_once(HOSTILE)
    assert run.stdout == "done\n" and run.stderr == ""
    return run


def test_hostile_reprs(hostile):
    tree = hostile.tree_of("hostile")
    main = tree.one("main")
    assert [name for name, parent in tree.python_calls() if parent == "main"] == ["target"] * 20 + ["__init__"]
    assert all(tree.python_parent(call) is main for call in tree.named("target") + tree.named("__init__"))
    texts = [call.get("arguments", "") for call in tree.named("target")]
    assert texts[0::2] == texts[1::2]
    raises, exits, deep, not_text, calls, profiled, nested, odd, recursive, inside = texts[0::2]
    assert "Raises" in raises and "Deep" in deep and "NotText" in not_text and "Raises" in inside
    assert calls == "value=helped" and profiled == "value=profiled" and nested == "value=insiderepr"
    assert recursive.startswith("value=[1, [1, ") and "..." in recursive
    assert "Unmade" in tree.one("__init__")["arguments"] and "name='n'" in tree.one("__init__")["arguments"]


def test_nothing_of_a_repr_is_in_the_trace(hostile):
    names = {call["function"].rpartition(".")[2] for call in hostile.tree_of("hostile").calls}
    assert names & {"__repr__", "helper", "profiled", "after", "describe", "repr"} == set()


def test_a_repr_that_runs_a_profiled_function(hostile):
    assert len(hostile.traces_of("profiled")) == 2  # runs of their own


def test_a_repr_that_ends_the_run(hostile):
    tree = hostile.tree_of("ends")
    assert [name for name, _ in tree.python_calls()] == ["ended_within", "target"]
    tree = hostile.tree_of("around")
    assert [name for name, _ in tree.python_calls()] == ["ended_within", "target", "after", "after"]
    assert tree.one("target")["arguments"] == "value=it ended"


def test_interrupt_within_a_repr_reaches_the_program(record):
    run = record(
        """
        import os, signal
        from callprofiler import block

        class Interrupted:
            def __repr__(self):
                os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C at this moment
                for _ in range(100):
                    pass
                return "never mind"

        def target(value):
            for _ in range(1000):
                pass

        signal.signal(signal.SIGINT, signal.default_int_handler)
        with block("main", args=True, quiet=True):
            try:
                target(Interrupted())
            except KeyboardInterrupt:
                print("interrupted")
        """
    )
    assert run.stdout == "interrupted\n"


def test_arguments_do_not_live_longer(record):
    run = record(
        """
        import weakref
        from callprofiler import block

        class Thing:
            pass

        # Generators, since nobody else holds their arguments once they are made.
        def plain(thing):
            alive = weakref.ref(thing)
            del thing
            yield alive() is None

        def in_cell(thing):
            alive = weakref.ref(thing)
            (lambda: thing)()
            del thing
            yield alive() is None

        def variadic(*things):
            alive = weakref.ref(things[0])
            del things
            yield alive() is None

        def released():
            return [next(function(Thing())) for function in (plain, in_cell, variadic)]

        assert released() == [True, True, True]
        with block("main", args=True, quiet=True):
            print(released())
        """
    )
    assert run.stdout == "[True, True, True]\n"
    assert "Thing" in run.tree_of("main").one("variadic")["arguments"]


def test_locals_stay_what_they_are(record):
    run = record(
        """
        from callprofiler import block

        def shows_locals(a, b=2):
            c = 3
            locals()["d"] = 4
            return sorted(locals())

        with block("main", args=True, quiet=True):
            with_arguments = shows_locals(1)
        with block("other", quiet=True):
            pass
        assert with_arguments == shows_locals(1), with_arguments
        """
    )
    assert run.tree_of("main").one("shows_locals")["arguments"] == "a=1, b=2"
