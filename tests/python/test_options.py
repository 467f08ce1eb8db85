"""What `profile`, `block` and `callprofiler run` are told: C calls, labels, what comes after a run, and wrong values."""

import os
import textwrap

import pytest

from conftest import Tree, read_calls, read_info, run_process, short, tool

C_CALLS = """
    import gc
    from callprofiler import block

    gc.disable()

    def leaf(n):
        return abs(n) + len("ab")

    def work():
        for n in range(20):
            leaf(n)
        sorted([3, 1, 2], key=lambda n: -n)
        list(map(leaf, range(5)))
        return sum(n for n in range(4))

    with block("with_c", quiet=True):
        work()
    with block("without_c", c_calls=False, quiet=True):
        work()
    inside, around = block("with_inside", quiet=True), block("without_around", c_calls=False, quiet=True)
    with around:
        work()
        with inside:
            work()
        work()
    inside, around = block("without_inside", c_calls=False, quiet=True), block("with_around", quiet=True)
    with around:
        work()
        with inside:
            work()
        work()
"""

PYTHON_CALLS = [("work", None)] + [("leaf", "work")] * 20 + [("<lambda>", "work")] * 3 + [("leaf", "work")] * 5 + [("<genexpr>", "work")]


@pytest.fixture(scope="module")
def with_and_without_c(record_once):
    return record_once(C_CALLS)


@pytest.mark.parametrize("name, times", [("with_c", 1), ("with_inside", 1), ("with_around", 3)])
def test_c_calls(with_and_without_c, name, times):
    tree = with_and_without_c.tree_of(name)
    assert tree.python_calls() == PYTHON_CALLS * times
    assert len(tree.named("abs")) == len(tree.named("len")) == 25 * times
    assert len(tree.named("sorted")) == len(tree.named("sum")) == times


@pytest.mark.parametrize("name, times", [("without_c", 1), ("without_inside", 1), ("without_around", 3)])
def test_no_c_calls(with_and_without_c, name, times):
    tree = with_and_without_c.tree_of(name)
    assert [call for call in tree.calls if call["category"] == "builtin"] == []
    assert tree.python_calls() == PYTHON_CALLS * times
    assert len(tree.calls) == len(PYTHON_CALLS) * times
    assert read_info(with_and_without_c.trace_of(name))["options"] == {"c_calls": "False"}


def test_callprofilers_own_work_is_not_in_the_run_around(record):
    run = record(
        """
        from callprofiler import block, profile

        def leaf():
            pass

        @profile(quiet=True, every=2, probability=0.5)
        def sampled():
            leaf()

        def main():
            with block("inner", include=("a", "b"), labels={"a": "b"}, min_call=1, quiet=True):
                leaf()
            sampled()
            profile(leaf, quiet=True)()

        with block("outer", quiet=True):
            main()
        """
    )
    tree = run.tree_of("outer")
    assert tree.python_calls() == [("main", None), ("leaf", "main"), ("sampled", "main"), ("leaf", "sampled"), ("leaf", "main")]
    assert [call["function"] for call in tree.calls if call["category"] == "builtin"] == []


def test_labels(record):
    run = record(
        """
        import callprofiler
        from callprofiler import block, profile

        callprofiler.label("nobody", "hears it")  # no run is on

        @profile(quiet=True, labels={"git": "3f2a91c", "number": 7})
        def main():
            callprofiler.label("route", "/a?b=\\u00e9")
            callprofiler.label("route", "/c")  # the last one counts
            with block("inner", quiet=True, labels={"mine": "yes"}) as run:
                callprofiler.label("innermost", "inner")
                run.label("by_run", "inner too")
                assert run.labels == {"innermost": "inner", "by_run": "inner too"}, run.labels
            callprofiler.label("after", "main again")

        main()
        for wrong in ((1, "text"), ("key", 1), ("only",), ("one", "two", "three")):
            for call in (callprofiler.label, block("never", quiet=True).label):
                try:
                    call(*wrong)
                except TypeError:
                    continue
                raise AssertionError(wrong)
        """
    )

    def labels(name):
        return read_info(run.trace_of(name))["labels"]

    assert labels("main") == {"git": "3f2a91c", "number": "7", "route": "/c", "after": "main again"}
    assert labels("inner") == {"mine": "yes", "innermost": "inner", "by_run": "inner too"}


def test_labels_that_are_no_utf8_do_no_harm(record):
    run = record(
        """
        import callprofiler
        from callprofiler import block

        for number, (key, value) in enumerate((("key", "\\udc80"), ("\\udc80", "value"), ("nul\\0", "nul\\0"), ("", ""))):
            with block("run%d" % number, quiet=True, labels={key: value}) as run:
                callprofiler.label("before", "b")
                try:
                    callprofiler.label(key, value)
                except UnicodeEncodeError:
                    pass
                callprofiler.label("after", "a")
        print("done")
        """
    )
    assert run.stdout == "done\n"
    for number in range(4):
        end = read_info(run.trace_of(f"run{number}"))["end"]
        assert end["label:before"] == "b" and end["label:after"] == "a" and end["outcome"] == "returned"


def test_on_saved(record):
    run = record(
        """
        import os, sys, warnings
        from callprofiler import block, profile

        saved = []

        def seen(path):
            saved.append(path)
            assert os.path.getsize(path) > 0

        def fails(path):
            saved.append(path)
            raise LookupError("of on_saved")

        @profile(quiet=True, on_saved=seen)
        def main(n):
            return n

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert main(1) == 1 and main(2) == 2
            assert caught == []
            with block("failing", quiet=True, on_saved=fails) as run:
                pass
        assert run.path == saved[-1]
        assert [str(warning.category.__name__) for warning in caught] == ["RuntimeWarning"]
        assert "of on_saved" in str(caught[0].message)
        print("\\n".join(saved))
        """
    )
    assert sorted(run.stdout.splitlines()) == sorted(map(os.path.realpath, map(str, run.traces)))
    assert len(run.traces) == 3
    assert "seen" not in {short(call) for trace in run.traces for call in read_calls(trace)}


def test_html_is_a_page_beside_the_trace(record):
    run = record(
        """
        from callprofiler import profile

        @profile(html=True)
        def main():
            return len("abc")

        print(main())
        """
    )
    page = run.trace.with_suffix(".html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>") or page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert run.stdout == "3\n"
    assert page.name in run.stderr


def test_html_without_cp2html_is_one_warning(record):
    run = record(
        """
        import callprofiler._settings
        from callprofiler import block

        def missing(name):
            raise FileNotFoundError(name + " is nowhere")

        callprofiler._settings._tool = missing
        with block("main", html=True, quiet=True):
            pass
        print("done")
        """
    )
    assert run.stdout == "done\n" and run.trace
    assert run.stderr.count("RuntimeWarning") == 1 and "cp2html is nowhere" in run.stderr


# ---- wrong values ----

WRONG = {
    "max_depth": [("ValueError", "0"), ("ValueError", "2**32"), ("TypeError", "1.5"), ("TypeError", "True"), ("TypeError", "'3'")],
    "min_call": [("ValueError", "-1"), ("TypeError", "'1'"), ("ValueError", "float('nan')"), ("ValueError", "float('inf')"), ("TypeError", "True")],
    "max_bytes": [("ValueError", "0"), ("TypeError", "1e6"), ("TypeError", "'1M'"), ("ValueError", "2**63 + 1")],
    "every": [("ValueError", "0"), ("ValueError", "-3"), ("TypeError", "2.0"), ("TypeError", "False")],
    "probability": [("ValueError", "1.01"), ("ValueError", "-0.1"), ("TypeError", "'half'"), ("ValueError", "float('nan')"), ("TypeError", "True")],
    "slower_than": [("ValueError", "-0.5"), ("TypeError", "'fast'"), ("ValueError", "float('inf')"), ("TypeError", "[]")],
    "keep": [("TypeError", "1"), ("TypeError", "'yes'")],
    "on_saved": [("TypeError", "'print'"), ("TypeError", "0")],
    "include": [("TypeError", "3"), ("TypeError", "[1]"), ("TypeError", "['a', None]"), ("ValueError", "''")],
    "exclude": [("TypeError", "object()"), ("TypeError", "[b'']"), ("ValueError", "['a', '']"), ("ValueError", "'a\\0b'")],
    "labels": [("TypeError", "3"), ("TypeError", "[1]"), ("TypeError", "'ab'")],
    "output_dir": [("TypeError", "3"), ("TypeError", "['a']")],
    "colour": [("TypeError", "'red'")],
}


def test_wrong_values_are_told_when_they_are_given(record):
    rows = [(option, kind, value) for option, wrong in WRONG.items() for kind, value in wrong]
    run = record(
        """
        import callprofiler

        def function():
            return "as ever"

        def report(option, value, how):
            try:
                how({option: value})
            except Exception as error:
                print(option, repr(value)[:20].replace(" ", ""), type(error).__name__, option in str(error))
            else:
                print(option, value, "accepted")

        for option, value in VALUES:
            report(option, value, lambda options: callprofiler.profile(**options))
            report(option, value, lambda options: callprofiler.profile(function, **options))
            report(option, value, lambda options: callprofiler.block("b", **options))
        """.replace("VALUES", "[" + ", ".join(f"({option!r}, {value})" for option, _, value in rows) + "]")
    )
    told = [line.split() for line in run.stdout.splitlines()]
    assert len(told) == 3 * len(rows)
    wrong = []
    for index, (option, kind, value) in enumerate(rows):
        for line in told[3 * index : 3 * index + 3]:
            if [line[0], line[-2], line[-1]] != [option, kind, "True"]:
                wrong.append((option, value, "expected", kind, "found", line[1:]))
    assert not wrong, "\n".join(map(str, wrong))
    assert run.traces == []


def test_what_is_decorated_must_be_a_function(record):
    run = record(
        """
        import callprofiler

        for wrong in (3, "text", int, type("Class", (), {})):
            for decorate in (callprofiler.profile, callprofiler.profile(quiet=True)):
                try:
                    decorate(wrong)
                except TypeError as error:
                    print(repr(wrong) in str(error))
        """
    )
    assert run.stdout == "True\n" * 8


# ---- callprofiler run ----

PROGRAM = """
import json, os, sys, threading

def deep(n):
    return abs(n) if n == 0 else deep(n - 1)

def of_thread():
    deep(2)

def main():
    deep(5)
    json.dumps({"a": 1}, indent=1)
    thread = threading.Thread(target=of_thread)
    thread.start()
    thread.join()
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

main()
print("done")
"""


# PYTHONWARNINGS takes plain text alone, of the beginning. A thread that was joined may not have ended for the system yet, of which Python warns
# when it forks, whoever looks on.
FORK_WARNING = "ignore:This process:DeprecationWarning"


@pytest.fixture(scope="module")
def run_command(tmp_path_factory):
    def run(*options):
        folder = tmp_path_factory.mktemp("command")
        (folder / "script.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
        process = run_process([tool("callprofiler"), "run", *options, "script.py"], folder, {"PYTHONWARNINGS": FORK_WARNING})
        assert process.returncode == 0, process.stderr
        assert process.stdout == "done\n"
        return folder, process

    return run


def test_run_with_all_that_is_recorded(run_command):
    labels = ["--label", "git=3f2", "--label", "a=b=c"]
    folder, process = run_command("-q", "-d", "out", "--args", "--threads", "--processes", *labels, "--html", "-n", "mine")
    assert process.stderr == ""
    traces = sorted((folder / "out").glob("mine_*.cptrace"), key=lambda path: path.stat().st_mtime_ns)
    assert len(traces) == 2  # the forked child's ended first
    assert all(trace.with_suffix(".html").exists() for trace in traces)
    assert read_info(traces[1])["labels"] == {"git": "3f2", "a": "b=c"}
    tree = Tree(read_calls(traces[1]))
    assert [call["arguments"] for call in tree.named("deep")] == [f"n={n}" for n in (5, 4, 3, 2, 1, 0, 2, 1, 0)]
    assert len(tree.named("of_thread")) == 1 and len(tree.named("abs")) == 2


def test_run_with_what_is_left_out(run_command):
    left_out = ["--max-depth", "4", "--exclude", "json", "--exclude", "threading", "--max-bytes", "1000000", "--min-call", "0"]
    folder, _ = run_command("--no-c-calls", *left_out)
    tree = Tree(read_calls(next(folder.rglob("*.cptrace"))))
    assert {call["module"] for call in tree.calls if call["category"] == "builtin"} <= {"gc"}
    assert len(tree.named("deep")) == 2  # <module>, main, deep, deep
    assert {call["module"].partition(".")[0] for call in tree.calls} & {"json", "threading"} == set()
    folder, _ = run_command("--include", "json", "--include", "*/script.py", "--no-c-calls")
    assert {call["module"].partition(".")[0] for call in Tree(read_calls(next(folder.rglob("*.cptrace")))).calls} - {"gc"} == {"__main__", "json"}


@pytest.mark.parametrize(
    "option, value",
    [
        ("--max-depth", "0"),
        ("--max-depth", "deep"),
        ("--min-call", "-1"),
        ("--min-call", "x"),
        ("--max-bytes", "0"),
        ("--label", "novalue"),
        ("--label", "=v"),
    ],
)
def test_run_with_wrong_values(command, tmp_path, option, value):
    (tmp_path / "script.py").write_text("print('never')")
    run = command("callprofiler", "run", option, value, "script.py")
    assert run.returncode == 2 and run.stdout == ""
    assert option in run.stderr and "Traceback" not in run.stderr
