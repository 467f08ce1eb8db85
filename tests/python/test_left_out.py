"""max_depth, include, exclude, min_call, max_bytes: what is left out is counted, and what remains adds up exactly."""

import re
import textwrap

import pytest

from conftest import Tree, read_calls, read_info, record_program, short

MODULES = {
    "shop/__init__.py": "",
    "shop/cart.py": """
        from shop.db import rows, query
        from tax import rate
        def total(n): return sum(price(row) for row in rows(n)) + rate(n)
        def price(row): return query(row) + abs(row)
        def back(call): return call()
    """,
    "shop/db/__init__.py": "def query(n): return len(str(n))\ndef rows(n):\n    for row in range(n):\n        yield query(row)\n",
    "tax.py": "from shop import cart\ndef rate(n): return cart.back(lambda: abs(n))\n",
    "shopping.py": "def bag(n): return abs(n)\n",
}
PROGRAM = """
    import gc
    gc.disable()
    from callprofiler import block
    import shop.cart, shopping

    def leaf(n): return abs(n)

    def recursive(n):
        leaf(n)
        if n:
            recursive(n - 1)

    async def inner_coroutine(n):
        leaf(n)
        return shopping.bag(n)

    async def coroutine(n):
        return await inner_coroutine(n)

    def run_coroutine(n):
        try:
            coroutine(n).send(None)
        except StopIteration:
            pass

    def generator(n):
        for k in range(n):
            leaf(k)
            yield k

    def raising(n):
        if n == 0:
            raise KeyError
        raising(n - 1)

    def slow():
        total = 0
        for n in range(20000):
            total += n * n
        leaf(1)
        return total

    def work():
        shop.cart.total(4)
        shopping.bag(3)
        recursive(6)
        run_coroutine(1)
        for _ in generator(3):
            shopping.bag(1)
        try:
            raising(4)
        except KeyError:
            slow()
        sorted(range(5), key=leaf)
        list(map(shopping.bag, generator(3)))

    work()
    OPTIONS = {
        "whole": {},
        "depth_1": {"max_depth": 1},
        "depth_2": {"max_depth": 2},
        "depth_5": {"max_depth": 5},
        "depth_99": {"max_depth": 99},
        "in_shop": {"include": "shop"},
        "in_db": {"include": "shop.db"},
        "in_several": {"include": ["tax", "shopping"]},
        "in_folder": {"include": "shop/*"},
        "in_file": {"include": "cart.py"},
        "in_star": {"include": "*/program.py"},
        "in_question": {"include": "t?x"},
        "ex_shop": {"exclude": "shop"},
        "ex_files": {"exclude": ["shop/db/*.py", "tax.py"]},
        "ex_program": {"exclude": "__main__"},
        "ex_builtins": {"exclude": "builtins"},
        "both": {"include": ["shop", "__main__"], "exclude": "shop.db"},
        "nothing": {"include": "no.such.module"},
        "min_call": {"min_call": 0.00005},
        "min_call_long": {"min_call": 1000},
        "min_call_no_c": {"min_call": 0.00005, "c_calls": False},
        "mixed": {"min_call": 0.00005, "max_depth": 4, "exclude": "tax"},
    }
    for name, options in OPTIONS.items():
        with block(name, quiet=True, **options):
            work()
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The trace of each run, by name."""
    folder = tmp_path_factory.mktemp("left_out")
    for path, source in MODULES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(source))
    recorded = record_program(folder, PROGRAM)
    return {re.sub(r"_\d{8}_\d{6}.*", "", trace.name): trace for trace in recorded.traces}


@pytest.fixture(scope="module")
def whole(runs):
    tree = Tree(read_calls(runs["whole"]))
    assert len(tree.calls) > 80
    assert not any("omitted_calls" in call for call in tree.calls)
    return tree


def lifted(tree, is_kept):
    """What must remain: (name, name of the nearest caller that remains), in start order."""
    kept = {call["id"] for call in tree.calls if is_kept(call)}

    def nearest(call):
        call = tree.parent(call)
        while call is not None and call["id"] not in kept:
            call = tree.parent(call)
        return short(call)

    return [(short(call), nearest(call)) for call in tree.calls if call["id"] in kept]


def found(tree):
    return [(short(call), short(tree.parent(call))) for call in tree.calls]


def depth(tree, call):
    return 0 if call is None else 1 + depth(tree, tree.parent(call))


def in_package(*packages):
    return lambda call: any(call["module"] == package or call["module"].startswith(package + ".") for package in packages)


FILTERS = {
    "in_shop": in_package("shop"),
    "in_db": in_package("shop.db"),
    "in_several": in_package("tax", "shopping"),
    "in_folder": in_package("shop"),
    "in_file": in_package("shop.cart"),
    "in_star": in_package("__main__"),
    "in_question": in_package("tax"),
    "ex_shop": lambda call: not in_package("shop")(call),
    "ex_files": lambda call: not in_package("shop.db", "tax")(call),
    "ex_program": lambda call: not in_package("__main__")(call),
    "ex_builtins": lambda call: not in_package("builtins")(call),
    "both": in_package("shop.cart", "__main__"),
    "nothing": lambda call: False,
}


@pytest.mark.parametrize("name", FILTERS)
def test_by_module_and_file(runs, whole, name):
    tree = Tree(read_calls(runs[name]))
    expected = lifted(whole, FILTERS[name])
    assert found(tree) == expected
    assert bool(expected) == (name != "nothing")
    assert read_info(runs[name])["omitted_calls"] == len(whole.calls) - len(expected)


@pytest.mark.parametrize("name, limit", [("depth_1", 1), ("depth_2", 2), ("depth_5", 5), ("depth_99", 99)])
def test_by_depth(runs, whole, name, limit):
    tree = Tree(read_calls(runs[name]))
    expected = lifted(whole, lambda call: depth(whole, call) <= limit)
    assert found(tree) == expected
    assert read_info(runs[name]).get("omitted_calls", 0) == len(whole.calls) - len(expected)
    assert sum(call.get("omitted_calls", 0) for call in tree.calls) == len(whole.calls) - len(expected)
    if limit == 1:
        assert expected == [("work", None)] and tree.one("work")["omitted_ns"] > 0


RESUMABLE = {"generator", "coroutine", "inner_coroutine", "rows", "<genexpr>"}


def ancestors(tree, call):
    while call is not None:
        yield call["id"]
        call = tree.parent(call)


def with_resumables(tree):
    """Ids of what is recorded however short it is: generators, coroutines and all that they were started in."""
    return {above for call in tree.calls if short(call) in RESUMABLE for above in ancestors(tree, call)}


def test_by_duration(runs, whole):
    tree = Tree(read_calls(runs["min_call"]))
    assert len(tree.calls) + read_info(runs["min_call"])["omitted_calls"] == len(whole.calls)
    assert len([call for call in tree.calls if short(call) in RESUMABLE]) == len([call for call in whole.calls if short(call) in RESUMABLE])
    long_enough = 50_000 - 10  # ticks are whole numbers
    always = with_resumables(tree)
    assert [call for call in tree.calls if call["end_ns"] - call["start_ns"] < long_enough and call["id"] not in always] == []
    assert tree.parent(tree.one("slow")) is tree.one("work")


def test_by_a_duration_that_nothing_lasts(runs, whole):
    always = with_resumables(whole)
    tree = Tree(read_calls(runs["min_call_long"]))
    assert found(tree) == lifted(whole, lambda call: call["id"] in always)
    assert len(tree.calls) + read_info(runs["min_call_long"])["omitted_calls"] == len(whole.calls)


def test_by_duration_without_c_calls(runs, whole):
    tree = Tree(read_calls(runs["min_call_no_c"]))
    python = [call for call in whole.calls if call["file"]]
    assert len(tree.calls) + read_info(runs["min_call_no_c"])["omitted_calls"] == len(python)
    assert tree.one("slow")


def test_mixed(runs, whole):
    tree = Tree(read_calls(runs["mixed"]))
    assert len(tree.calls) + read_info(runs["mixed"])["omitted_calls"] == len(whole.calls)
    assert max(depth(tree, call) for call in tree.calls) <= 4
    assert not any(call["module"] == "tax" for call in tree.calls)


def slices_below(tree, call):
    return sum(child["running_ns"] for child in tree.children(call))


@pytest.mark.parametrize("name", ["whole", *FILTERS, "depth_1", "depth_2", "depth_5", "min_call", "min_call_long", "min_call_no_c", "mixed"])
def test_times_add_up_exactly(runs, name):
    """The trace is told in ticks: each call's own rounding is at most one nanosecond a slice."""
    tree = Tree(read_calls(runs[name]))
    for call in tree.calls:
        assert call["end_ns"] - call["start_ns"] == call["running_ns"] + call["suspended_ns"]
        if any(short(child) in RESUMABLE for child in tree.children(call)) or short(call) in RESUMABLE:
            continue  # slices of generators run below whoever resumes them, not below their parent
        rest = call["running_ns"] - call["self_ns"] - call.get("omitted_ns", 0) - slices_below(tree, call)
        assert rest == 0, (call, rest)
    if name in ("whole", "depth_1"):
        root = tree.calls[0]
        running = sum(call["self_ns"] + call.get("omitted_ns", 0) for call in tree.calls)
        assert running == root["running_ns"]


# ---- left-out calls that are open when the run ends, with recorded ones open in them ----

HIDDEN = """
    def around(call):
        for n in range(20_000):
            pass
        within()
        call()

    def within(): pass
"""

OPEN_AT_THE_END = """
    import os, signal, sys
    import hidden
    from callprofiler import block, profile

    session = block("main", quiet=True, exclude="hidden")

    def ends():
        if sys.argv[1] == "exit":
            os._exit(0)
        if sys.argv[1] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        session.__exit__(None, None, None)

    @profile(quiet=True, exclude="hidden")
    def main():
        hidden.around(ends)

    if sys.argv[1] == "block":
        session.__enter__()
        hidden.around(ends)
    else:
        main()
"""


def end_inside(record, tmp_path, how):
    (tmp_path / "hidden.py").write_text(textwrap.dedent(HIDDEN))
    return record(OPEN_AT_THE_END, arguments=[how], ok=how != "kill")


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_open_at_the_end(record, command, tmp_path, how):
    run = end_inside(record, tmp_path, how)
    if not run.traces:
        assert command("cptrace", "recover", run.folder / ".profile").returncode == 0
    tree = run.tree_of("main")
    main, ends = tree.one("main"), tree.one("ends")
    assert main["outcome"] == ends["outcome"] == "unfinished" and tree.parent(ends) is main
    assert main["omitted_calls"] == 2 and "omitted_calls" not in ends
    assert main["omitted_ns"] > 0
    before_ends = main["self_ns"] + main["omitted_ns"] + slices_below(tree, main) - ends["running_ns"]
    assert before_ends == ends["start_ns"] - main["start_ns"] == main["running_ns"] - ends["running_ns"]


def test_open_at_the_end_below_no_call(record, tmp_path):
    run = end_inside(record, tmp_path, "block")
    tree = run.tree_of("main")
    assert tree.one("ends")["outcome"] == "unfinished"
    assert not any("omitted_calls" in call for call in tree.calls)
    info = read_info(run.trace_of("main"))
    assert info["omitted_calls"] == 2 and info["omitted_ns"] > 0


# ---- max_bytes ----

MANY = """
    import sys
    from callprofiler import block

    def leaf(n):
        return n

    def main(count):
        for n in range(count):
            leaf(n)
        return "result"

    LIMIT = 50_000
    with block("limited", quiet=True, max_bytes=LIMIT):
        print(main(800_000))
        print(main(10))
    with block("small", quiet=True, max_bytes=LIMIT):
        print(main(100))
    with block("unlimited", quiet=True):
        print(main(800_000))
"""


def test_max_bytes(record):
    run = record(MANY)
    assert run.stdout == "result\n" * 4 and run.stderr == ""
    limited, small, unlimited = (read_info(run.trace_of(name)) for name in ("limited", "small", "unlimited"))
    assert unlimited["bytes"] > 2 * 50_000, "the test needs a larger run"
    assert 50_000 <= limited["bytes"] <= 60_000
    assert "max_bytes" in limited["end"]["warning"]
    assert limited["complete"] is True and limited["end"]["outcome"] == "returned"
    assert "warning" not in small["end"] and "warning" not in unlimited["end"]
    assert len(run.tree_of("small").named("leaf")) == 100
    kept = run.tree_of("limited").named("leaf")
    assert 1000 < len(kept) < 800_000 and unlimited["calls"] >= 800_001
