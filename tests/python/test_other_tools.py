"""A tracer, a coverage tool or another profiler at work at the same time: both see all that they would see alone."""

import sys

import pytest

from conftest import Tree, read_calls

SETPROFILE_AROUND = """
    import math, sys
    from callprofiler import profile

    seen = []

    def hook(frame, event, argument):
        if event in ("call", "return") and frame.f_code.co_filename == __file__:
            seen.append((event, frame.f_code.co_name))
        elif event.startswith("c_") and argument in (abs, math.gamma):
            seen.append((event, argument.__name__))

    def leaf(n): return abs(n)

    def fails():
        math.gamma("text")

    def numbers():
        yield leaf(1)
        yield leaf(2)

    @profile(quiet=True)
    def main():
        for n in numbers():
            leaf(n)
        try:
            fails()
        except TypeError:
            pass

    sys.setprofile(hook)
    main()
    still = sys.getprofile() is hook
    sys.setprofile(None)

    LEAF = [("call", "leaf"), ("c_call", "abs"), ("c_return", "abs"), ("return", "leaf")]
    IN, OUT = ("call", "numbers"), ("return", "numbers")
    expected = [("call", "main"), IN, *LEAF, OUT, *LEAF, IN, *LEAF, OUT, *LEAF, IN, OUT]
    expected += [("call", "fails"), ("c_call", "gamma"), ("c_exception", "gamma"), ("return", "fails"), ("return", "main")]
    assert seen == expected, seen
    print("hook stayed:", still)
"""
STORY = """\
main
  numbers
    leaf
    leaf
  leaf
  leaf
  fails raised"""


def test_a_profile_function_set_before_the_run(record, tree):
    run = record(SETPROFILE_AROUND)
    assert (run.stdout, run.stderr) == ("hook stayed: True\n", "")
    found = tree(run.trace)
    assert found.story() == STORY
    assert len(found.named("abs")) == 4 and found.one("gamma")["outcome"] == "raised"


CPROFILE_AROUND = """
    import cProfile, pstats
    from callprofiler import profile

    def leaf(n): return abs(n)
    def recursive(n): return leaf(n) if n == 0 else recursive(n - 1)

    @profile(quiet=True)
    def main():
        for _ in range(10):
            recursive(3)

    profiler = cProfile.Profile()
    profiler.enable()
    main()
    profiler.disable()
    counts = {name: primitive_and_all[:2] for (_, _, name), primitive_and_all in pstats.Stats(profiler).stats.items()}
    assert counts["leaf"] == (10, 10) and counts["recursive"] == (10, 40) and counts["main"] == (1, 1), counts
    assert counts["<built-in method builtins.abs>"] == (10, 10), counts
"""


def test_cprofile_around_the_run(record, tree):
    run = record(CPROFILE_AROUND)
    assert run.stderr == ""
    found = tree(run.trace)
    assert [len(found.named(name)) for name in ("recursive", "leaf", "abs")] == [40, 10, 10]


CPROFILE_INSIDE = CPROFILE_AROUND.replace(
    """
    profiler = cProfile.Profile()
    profiler.enable()
    main()
    profiler.disable()
""",
    """
    profiler = cProfile.Profile()

    @profile(quiet=True)
    def outer():
        leaf(0)
        profiler.enable()
        main.__wrapped__()
        profiler.disable()
        leaf(1)

    outer()
""",
)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the interpreter has one profile hook a thread: see test_trouble.py")
def test_cprofile_inside_the_run(record, tree):
    run = record(CPROFILE_INSIDE)
    assert run.stderr == ""
    found = tree(run.trace)
    assert [len(found.named(name)) for name in ("recursive", "leaf", "abs")] == [40, 12, 12]


TAKEN_AND_GIVEN_BACK = """
    import cProfile
    from callprofiler import profile

    def missed(): pass
    def heard(): pass

    @profile(quiet=True)
    def inner():
        heard()

    @profile(quiet=True)
    def outer():
        heard()
        cProfile.Profile().runcall(missed)
        missed()
        inner()
        heard()

    outer()
"""


def test_a_hook_that_an_inner_run_takes_back(record):
    """Where there is one hook a thread, calls are missing from the outer run: one warning says so, and the trace."""
    run = record(TAKEN_AND_GIVEN_BACK)
    counts = {trace.name[:5]: [len(Tree(read_calls(trace)).named(name)) for name in ("heard", "missed")] for trace in run.traces}
    assert counts["inner"] == [1, 0]
    if counts["outer"] != [3, 2]:
        assert run.stderr.count("RuntimeWarning") == 1 and "another profiler" in run.stderr


SETTRACE = """
    import sys
    from callprofiler import profile

    seen = []

    def tracer(frame, event, argument):
        if frame.f_code.co_filename != __file__:
            return None
        seen.append((event, frame.f_code.co_name))
        return tracer

    def leaf():
        return 1

    def fails():
        raise KeyError

    @profile(quiet=True)
    def main():
        leaf()
        try:
            fails()
        except KeyError:
            pass

    sys.settrace(tracer)
    main()
    assert sys.gettrace() is tracer
    sys.settrace(None)
    LEAF = [("call", "leaf"), ("line", "leaf"), ("return", "leaf")]
    FAILS = [("call", "fails"), ("line", "fails"), ("exception", "fails"), ("return", "fails")]
    expected = [("call", "main"), ("line", "main"), *LEAF, ("line", "main"), ("line", "main"), *FAILS, ("exception", "main")]
    expected += [("line", "main"), ("line", "main"), ("return", "main")]
    assert seen == expected, seen
"""


def test_a_trace_function(record, tree):
    """It is called for callprofiler's own frames too, as for any: they are not in program.py. It is itself a call of the run."""
    run = record(SETTRACE)
    assert run.stderr == ""
    story = tree(run.trace).story().splitlines()
    assert [line for line in story if line.strip() != "tracer"] == ["main", "  leaf", "  fails raised"]


COVERAGE = """
    import coverage, json
    from callprofiler import profile

    measuring = coverage.Coverage(data_file=None, branch=True, include=["measured.py"])
    measuring.start()
    import measured

    main = profile(measured.main, quiet=True)
    main()
    measuring.stop()
    _, statements, excluded, missing, _ = measuring.analysis2("measured.py")
    print(json.dumps([statements, missing]))
"""
MEASURED = """\
def used(n):
    if n:
        return 1
    return 2

def unused():
    return 3

def main():
    for n in range(3):
        used(1)
"""


@pytest.mark.parametrize("core", ["ctrace", "pytrace", "sysmon"])
def test_coverage(core, record, tree, tmp_path):
    pytest.importorskip("coverage")
    if core == "ctrace":
        pytest.importorskip("coverage.tracer")  # in C: not in the wheel for every interpreter
    if core == "sysmon" and sys.version_info < (3, 14):
        pytest.skip("coverage measures branches by sys.monitoring from 3.14 on")
    (tmp_path / "measured.py").write_text(MEASURED)
    run = record(COVERAGE, env={"COVERAGE_CORE": core})
    assert (run.stdout, run.stderr) == ("[[1, 2, 3, 4, 6, 7, 9, 10, 11], [4, 7]]\n", "")
    assert tree(run.trace).story(module="measured") == "main\n  used\n  used\n  used"


OTHER_TOOLS = """
    import sys
    from callprofiler import profile

    monitoring, PY_START = sys.monitoring, sys.monitoring.events.PY_START
    seen = []

    def started(code, offset):
        if code.co_filename == __file__:
            seen.append(code.co_name)

    def leaf(n): pass

    def disabling(code, offset):
        return monitoring.DISABLE

    @profile(quiet=True)
    def main():
        for n in range(5):
            leaf(n)

    for tool in ({tools}):
        monitoring.use_tool_id(tool, "other" + str(tool))
        monitoring.set_events(tool, PY_START)
        monitoring.register_callback(tool, PY_START, disabling if tool else started)
    main()
    monitoring.restart_events()
    main()
    names = ["main"] + 5 * ["leaf"]
    assert seen == 2 * names, seen
    for tool in ({tools}):
        assert monitoring.get_tool(tool) == "other" + str(tool) and monitoring.get_events(tool) == PY_START
        monitoring.set_events(tool, 0)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there since 3.12")
def test_other_users_of_monitoring(record, tree):
    run = record(OTHER_TOOLS.replace("{tools}", "0, 1, 5, 4, 3"))
    assert run.stderr == ""
    for trace in run.traces:
        found = tree(trace)
        starts = [line for line in found.story().splitlines() if line.strip() not in ("started", "disabling")]
        assert starts == ["main"] + 5 * ["  leaf"]
    assert len(run.traces) == 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there since 3.12")
def test_no_tool_id_is_free(record):
    run = record(OTHER_TOOLS.replace("{tools}", "0, 1, 2, 3, 4, 5"))
    assert run.traces == []
    assert run.stderr.count("RuntimeWarning") == run.stderr.count("no free tool id") == 2  # one a run
