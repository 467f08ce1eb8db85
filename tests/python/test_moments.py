"""What the program says itself: marks, counters and spans, and to which call they belong."""

import pytest

from conftest import Tree, read_calls, read_info, read_moments, short

MARKS = """
    import asyncio, threading, time
    import callprofiler
    from callprofiler import block, counter, mark, profile

    mark("nobody"); counter("nobody", 1)  # outside of any run they do nothing

    def one():
        mark("in one")
        counter("queue", 1)
        two()
        counter("queue", 2.5)

    def two():
        mark("in two")
        counter("\\u2603 depth", -3)

    def generator():
        mark("before yield")
        yield
        mark("after yield")

    async def coroutine():
        mark("before await")
        await asyncio.sleep(0)
        mark("after await")

    def in_thread():
        mark("in thread")

    def main():
        one()
        mark("in main")
        list(generator())
        asyncio.run(coroutine())
        mark("")
        mark("line\\nquote\\"\\u0000end")
        mark("x" * 100_000)
        for value in (float("inf"), float("nan"), 1e300, 2**70, True):
            counter("odd", value)
        threads = [threading.Thread(target=in_thread)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    outer, inner = block("outer", threads=True, quiet=True), block("inner", quiet=True)
    with outer:
        mark("at the root")
        with inner:
            main()
    for call, arguments in ((mark, ()), (mark, (1,)), (mark, (b"bytes",)), (mark, ("a", "b")), (counter, ("name",)), (counter, (1, 2)),
                            (counter, ("name", "2")), (counter, ("name", None)), (callprofiler.span, ()), (callprofiler.span, (1,))):
        try:
            call(*arguments)
        except TypeError:
            continue
        raise AssertionError((call, arguments))
    with block("surrogate", quiet=True):
        for call in (lambda: mark("\\udc80"), lambda: counter("\\udc80", 1)):
            try:
                call()
            except UnicodeEncodeError:
                pass
        with callprofiler.span("\\udc80"):
            pass
"""


@pytest.fixture(scope="module")
def marks(record_once):
    return record_once(MARKS)


@pytest.mark.parametrize("name", ["outer", "inner"])
def test_marks_and_counters(marks, name):
    trace = marks.trace_of(name)
    tree, moments = Tree(read_calls(trace)), read_moments(trace)

    def where(moment):
        return short(tree.by_id.get(moment["call"]))

    found = [(moment.get("mark"), where(moment)) for moment in moments if "mark" in moment]
    expected = [("in one", "one"), ("in two", "two"), ("in main", "main"), ("before yield", "generator"), ("after yield", "generator")]
    expected += [("before await", "coroutine"), ("after await", "coroutine"), ("", "main"), ('line\nquote"\0end', "main")]
    if name == "outer":
        expected = [("at the root", None), *expected]
    assert found[: len(expected)] == expected
    long_mark, *in_thread = found[len(expected) :]
    assert set(long_mark[0]) == {"x"} and 1000 < len(long_mark[0]) <= 16000 and long_mark[1] == "main"
    assert in_thread == ([("in thread", "in_thread")] if name == "outer" else [])
    counters = [(moment["counter"], moment["value"], where(moment)) for moment in moments if "counter" in moment]
    assert counters[:3] == [("queue", 1, "one"), ("\u2603 depth", -3, "two"), ("queue", 2.5, "one")]
    assert [counter[0] for counter in counters[3:]] == ["odd"] * 5 and counters[5][1] == 1e300 and counters[6][1] == 2.0**70
    for moment in moments:
        if moment["call"] is not None:
            call = tree.by_id[moment["call"]]
            assert call["start_ns"] <= moment["time_ns"] <= call["end_ns"] and call["lane"] == moment["lane"]
    told = read_info(trace)
    assert told["marks"] == len(found) and told["counters"] == 8


def test_surrogates_do_no_harm(marks):
    assert read_info(marks.trace_of("surrogate"))["complete"] is True


SPANS = """
    import asyncio, contextlib, gc
    from callprofiler import block, span

    gc.disable()

    with span("nobody"):
        pass

    def leaf(n):
        return n

    def nested():
        with span("outer span"):
            leaf(1)
            with span("inner span"):
                leaf(2)
                leaf(3)
            with span("inner span"):
                pass
            leaf(4)
        leaf(5)

    def left_by_exception():
        try:
            with span("left"):
                leaf(1)
                raise KeyError
        except KeyError:
            leaf(2)

    def raising_through():
        with span("through"):
            leaf(1)
            with span("through inside"):
                raise LookupError

    def caught():
        try:
            raising_through()
        except LookupError:
            leaf(3)

    def returning():
        with span("returns"):
            return leaf(1)

    def begin(name):
        begun = span(name)
        begun.__enter__()
        leaf(1)
        return begun

    def end(begun):
        leaf(2)
        begun.__exit__(None, None, None)
        leaf(3)

    def elsewhere():
        begun = begin("ended elsewhere")
        end(begun)
        leaf(4)

    def generator():
        for n in range(3):
            with span("turn"):
                leaf(n)
                yield n
                leaf(n)

    def uses_generator():
        with span("around"):
            for n in generator():
                leaf(100 + n)

    def closed_generator():
        started = generator()
        next(started)
        started.close()
        leaf(9)

    async def waiting(name):
        with span("waits " + name):
            leaf(1)
            await asyncio.sleep(0.01)
            leaf(2)

    async def coroutines():
        await asyncio.gather(waiting("a"), waiting("b"))
        with span("awaits"):
            await waiting("c")

    def decorated():
        again = span("again")
        for n in range(3):
            with again:
                leaf(n)

    def tight():
        with span("a"), span("b"), contextlib.ExitStack() as stack:
            stack.enter_context(span("c"))
            leaf(1)

    def many():
        for n in range(3000):
            with span("name %d" % n):
                leaf(n)

    def never_ended():
        begun = span("never ended")
        begun.__enter__()
        leaf(1)
        kept.append(begun)

    def ended_twice():
        begun = span("twice")
        begun.__enter__()
        begun.__exit__(None, None, None)
        begun.__exit__(None, None, None)
        leaf(1)

    kept = []

    def main():
        for function in (nested, left_by_exception, caught, returning, elsewhere, uses_generator, closed_generator, decorated, tight,
                         never_ended, ended_twice):
            function()
        asyncio.run(coroutines())
        many()

    with block("spans", c_calls=False, quiet=True):
        main()
    with block("excluded", c_calls=False, exclude="__main__", quiet=True):
        nested()
    with block("shallow", c_calls=False, max_depth=1, quiet=True):
        nested()
    early = span("begun before the run")
    early.__enter__()
    with block("late", c_calls=False, quiet=True):
        early.__exit__(None, None, None)
        begun = span("still open at the end")
        begun.__enter__()
        leaf(1)
    begun.__exit__(None, None, None)
    with span("after"):
        pass
"""


@pytest.fixture(scope="module")
def spans(record_once):
    run = record_once(SPANS)
    assert run.stderr == ""
    return run


@pytest.fixture(scope="module")
def tree(spans):
    return spans.tree_of("spans")


def outline(tree, call):
    """(name, [what is below it]); spans are written as <name>."""
    name = f"<{call['function']}>" if call.get("kind") == "span" else short(call)
    return (name, [outline(tree, child) for child in tree.children(call)])


LEAF = ("leaf", [])


@pytest.mark.parametrize(
    "name, below",
    [
        ("nested", [("<outer span>", [LEAF, ("<inner span>", [LEAF, LEAF]), ("<inner span>", []), LEAF]), LEAF]),
        ("left_by_exception", [("<left>", [LEAF]), LEAF]),
        ("caught", [("raising_through", [("<through>", [LEAF, ("<through inside>", [])])]), LEAF]),
        ("returning", [("<returns>", [LEAF])]),
        ("decorated", [("<again>", [LEAF])] * 3),
        ("ended_twice", [("<twice>", []), LEAF]),
        ("never_ended", [("<never ended>", [LEAF])]),
    ],
)
def test_spans(tree, name, below):
    assert outline(tree, tree.one(name)) == (name, below)


def test_several_in_one_line_and_an_exit_stack(tree):
    """What an exit stack enters stands on its enter_context(), and ends with it."""
    a, b, c = (tree.one(name) for name in "abc")
    assert [short(tree.parent(span)) for span in (a, b, c)] == ["tight", "a", "enter_context"]
    assert {"enter_context", "leaf"} <= {short(child) for child in tree.children(b)}
    assert c["outcome"] != "unfinished"


def test_a_span_is_of_its_place(tree):
    span = tree.one("outer span")
    lines = SPANS.splitlines()
    assert lines[span["line"] - 1].strip() == 'with span("outer span"):'
    assert span["module"] == "__main__" and span["file"].endswith("program.py") and span["category"] == "user"
    assert span["end_ns"] - span["start_ns"] == span["running_ns"]


def test_a_span_that_another_function_ends(tree):
    """It began in begin(), and ends with it at the latest: a call never outlives what it stands on."""
    span = tree.one("ended elsewhere")
    assert short(tree.parent(span)) == "begin" and span["outcome"] != "unfinished"
    assert outline(tree, tree.one("elsewhere"))[1][-1] == LEAF
    assert [short(child) for child in tree.children(tree.one("elsewhere"))] == ["begin", "end", "leaf"]
    assert [short(child) for child in tree.children(tree.one("end"))] == ["leaf", "leaf"]


def test_spans_in_generators(tree):
    (used, closed) = tree.named("generator")
    assert outline(tree, used) == ("generator", [("<turn>", [LEAF, LEAF])] * 3)
    assert outline(tree, closed) == ("generator", [("<turn>", [LEAF])])
    around = tree.one("around")
    assert outline(tree, around)[1].count(LEAF) == 3 and tree.parent(used) is around
    for turn in tree.children(used):
        assert turn["suspended_ns"] > 0 and turn["running_ns"] + turn["suspended_ns"] == turn["end_ns"] - turn["start_ns"]


def test_spans_across_awaits(tree):
    for name in "abc":
        span = tree.one("waits " + name)
        assert short(tree.parent(span)) == "waiting"
        below = [short(child) for child in tree.children(span)]
        assert below[0] == below[-1] == "leaf" and below.count("leaf") == 2 and "sleep" in below
        assert span["suspended_ns"] >= 8_000_000
        assert span["running_ns"] + span["suspended_ns"] == span["end_ns"] - span["start_ns"]
    awaits = tree.one("awaits")
    assert [short(child) for child in tree.children(awaits)] == ["waiting"]
    assert awaits["suspended_ns"] >= 8_000_000


def test_many_different_names(tree):
    many = tree.one("many")
    assert [call["function"] for call in tree.children(many)] == [f"name {n}" for n in range(3000)]
    assert all(outline(tree, span)[1] == [LEAF] for span in tree.children(many))


def test_spans_and_filters(spans):
    assert spans.tree_of("excluded").calls == []
    shallow = spans.tree_of("shallow")
    assert [call["function"] for call in shallow.calls] == ["nested", "outer span", "inner span", "inner span"]


def test_spans_over_the_ends_of_a_run(spans):
    late = spans.tree_of("late")
    assert [call["function"] for call in late.calls if short(call) != "__exit__"] == ["still open at the end", "leaf"]
    assert "nobody" not in {call["function"] for trace in spans.traces for call in read_calls(trace)}


def test_a_great_many_names_do_not_fill_the_memory(record):
    run = record(
        """
        import gc, resource, sys
        from callprofiler import block, span

        gc.disable()

        def peak_kib():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)

        def several(first, count):
            for n in range(first, first + count):
                with span("name %d" % n):
                    pass

        with block("main", c_calls=False, quiet=True):
            several(0, 66_000)
            before = peak_kib()
            several(66_000, 30_000)
            print(peak_kib() - before)
        """
    )
    names = [call["function"] for call in run.tree_of("main").calls if call.get("kind") == "span"]
    assert len(names) == 96_000
    assert names[:65_000] == [f"name {n}" for n in range(65_000)]
    assert "many" in names[-1] and len(set(names)) <= 65_537
    assert read_info(run.trace_of("main"))["functions"] < 65_600
    assert int(run.stdout) < 8 * 1024
