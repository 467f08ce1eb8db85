"""processes=True: child processes record into files of their own, tied to their parent's by its run id; without it, nothing of them."""

import json
import re
import subprocess

import pytest

from conftest import Tree, read_calls, read_info, run_process, tool

FORKS = """
    import os, sys, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from callprofiler import profile

    def before(): pass
    def of_child(n): pass
    def after(): pass

    def end_by_exit():
        of_child(1)
        sys.exit(5)

    def end_by_os_exit():
        of_child(1)
        os._exit(6)

    def end_by_return():
        of_child(1)

    def end_by_exception():
        of_child(1)
        raise LookupError("of the child")

    def end_by_grandchild():
        of_child(1)
        grandchild = os.fork()
        of_child(2)
        if grandchild == 0:
            of_child(3)
            os._exit(0)
        os.waitpid(grandchild, 0)
        os._exit(0)

    def end_after_a_run():
        of_child(1)
        inner()
        os._exit(0)

    @profile(quiet=True)
    def inner():
        of_child(2)

    ENDS = [end_by_exit, end_by_os_exit, end_by_return, end_by_exception, end_by_grandchild, end_after_a_run]

    def record(end, **options):
        sys.stdout.flush()
        parent = os.getpid()

        def main():
            before()
            child = os.fork()
            if child == 0:
                return end()
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            after()
            return status

        main = profile(main, quiet=True, **options)
        try:
            status = main()
        except LookupError:
            sys.exit(8)
        if os.getpid() != parent:
            sys.exit(7)
        print(end.__name__, status, flush=True)

    for end in ENDS:
        record(end, processes=True, name=end.__name__)
    for end in ENDS:
        record(end, name="not_" + end.__name__)
    with_env = [name for name in os.environ if name.startswith("CALLPROFILER")]
    assert with_env == [], with_env
"""

# How it ends: exit status, children's outcomes, what the child (and its own child) called.
ENDS = {
    "end_by_exit": (5, "raised"),
    "end_by_os_exit": (6, "os._exit"),
    "end_by_return": (7, "returned"),
    "end_by_exception": (8, "raised"),
    "end_by_grandchild": (0, "os._exit"),
    "end_after_a_run": (0, "os._exit"),
}


def run_id(trace):
    dump = subprocess.run([tool("cptrace"), "dump", str(trace)], capture_output=True, text=True, encoding="utf-8", check=True).stdout
    return re.search(r'^0+ header .*run_id="([0-9a-f]{32})"', dump).group(1)


def parents_and_children(traces):
    """The trace without a parent, and the others by the id of the run that they name."""
    told = {trace: read_info(trace) for trace in traces}
    (parent,) = [trace for trace in traces if not told[trace]["parent_run"]]
    children = {}
    for trace in traces:
        assert told[trace]["complete"] is True and told[trace]["damaged_blocks"] == 0
        if trace != parent:
            children.setdefault(told[trace]["parent_run"], []).append(trace)
    return parent, children


@pytest.fixture(scope="module")
def forks(record_once):
    run = record_once(FORKS)
    assert run.stdout.split() == [word for _ in range(2) for end, (status, _) in ENDS.items() for word in (end, str(status))]
    assert run.stderr == ""
    return run


@pytest.mark.parametrize("end", ENDS)
def test_forked_children(forks, end):
    parent, children = parents_and_children(forks.traces_of(end))
    tree = Tree(read_calls(parent))
    assert [len(tree.named(name)) for name in ("main", "before", "after", "of_child")] == [1, 1, 1, 0]
    assert read_info(parent)["end"]["outcome"] == "returned"
    (child,) = children[run_id(parent)]
    told = read_info(child)
    assert told["end"]["outcome"] == ENDS[end][1] and told["pid"] != read_info(parent)["pid"]
    tree = Tree(read_calls(child))
    expected = {"end_by_grandchild": 2, "end_after_a_run": 2}.get(end, 1)
    assert [len(tree.named(name)) for name in ("main", "before", "after", "of_child")] == [0, 0, 0, expected]
    if end == "end_by_grandchild":
        (grandchild,) = children[run_id(child)]
        assert len(Tree(read_calls(grandchild)).named("of_child")) == 2
    assert len(forks.traces_of(end)) == (3 if end == "end_by_grandchild" else 2)


def test_merged_processes_stand_in_time(forks, tmp_path):
    """cptrace merge: what a child did is between what its parent did before and after it, to the recorders' common clock."""
    traces = forks.traces_of("end_by_grandchild")
    merged = tmp_path / "merged.cptrace"
    for order in traces, traces[::-1]:
        process = run_process([tool("cptrace"), "merge", "--force", *order, "-o", merged], tmp_path)
        assert (process.returncode, process.stderr) == (0, "")
        told = read_info(merged)
        assert told["complete"] is True and told["calls"] == sum(read_info(trace)["calls"] for trace in traces)
        parent, _ = parents_and_children(traces)
        assert told["pid"] == read_info(parent)["pid"] and told["lanes"] == 3
        tree = Tree(read_calls(merged))
        assert [len(tree.named(name)) for name in ("main", "before", "after", "of_child")] == [1, 1, 1, 4]
        begin, end = tree.one("before")["end_ns"], tree.one("after")["start_ns"]
        assert all(begin <= call["start_ns"] <= call["end_ns"] <= end for call in tree.named("of_child"))
        assert len({call["lane"] for call in tree.named("of_child")}) == 2 and tree.one("main")["lane"] == 0


@pytest.mark.parametrize("end", ENDS)
def test_no_children_unless_asked_for(forks, end):
    tree = forks.tree_of("not_" + end)
    assert [len(tree.named(name)) for name in ("main", "before", "after", "of_child")] == [1, 1, 1, 0]
    assert read_info(forks.trace_of("not_" + end))["end"]["outcome"] == "returned"


def test_a_run_within_a_child(forks):
    traces = forks.traces_of("inner")
    assert len(traces) == 2  # one below a parent that follows its children, one below one that does not
    assert all(len(Tree(read_calls(trace)).named("of_child")) == 1 for trace in traces)


def test_nothing_but_traces_is_left(forks, command):
    """But for rings that a child kept for its next run when it ended by os._exit outside of any run."""
    folder = forks.traces[0].parent
    recovered = command("cptrace", "recover", folder)
    assert recovered.returncode == 0 and "recovered" not in recovered.stdout, recovered.stdout + recovered.stderr
    assert {path.suffix for path in folder.iterdir()} == {".cptrace"}


CHILDREN = """
    import json, multiprocessing, os, subprocess, sys, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from callprofiler import block

    def leaf(n):
        return n * n

    def work(n):
        return leaf(n) + leaf(n)

    def by_process(method):
        context = multiprocessing.get_context(method)
        processes = [context.Process(target=work, args=(n,)) for n in range(2)]
        for process in processes: process.start()
        for process in processes: process.join()
        assert [process.exitcode for process in processes] == [0, 0]

    def by_pool(method):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(work, range(6), chunksize=1) == [2 * n * n for n in range(6)]
            pool.close()
            pool.join()

    SCRIPT = "def leaf(n): return n\\ndef work(): leaf(1); leaf(2)\\nwork()\\nimport subprocess, sys\\n"
    NESTED = SCRIPT + "subprocess.run([sys.executable, '-c', %r], check=True)\\n" % SCRIPT

    def by_subprocess(script):
        subprocess.run([sys.executable, "-c", script], check=True)
        subprocess.run([sys.executable, "-c", "raise SystemExit(3)"])
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLPROFILER")}
        subprocess.run([sys.executable, "-c", script], check=True, env=clean)

    def main():
        for method in ("fork", "spawn", "forkserver"):
            with block(method, processes=True, quiet=True, max_depth=60):
                by_process(method)
                by_pool(method)
        with block("by_subprocess", processes=True, quiet=True, labels={"a": "b"}):
            with block("inner", quiet=True):
                by_subprocess(NESTED)
        assert not [name for name in os.environ if name.startswith("CALLPROFILER")]
        with block("without", quiet=True):
            by_process("spawn")
            by_subprocess(SCRIPT)
        with block("outer", processes=True, quiet=True, output_dir="elsewhere"):
            with block("nested", processes=True, quiet=True):
                pass
            by_subprocess(SCRIPT)  # the run that goes on is the outer one
        assert not [name for name in os.environ if name.startswith("CALLPROFILER")]

    if __name__ == "__main__":
        main()
"""


@pytest.fixture(scope="module")
def children(record_once):
    run = record_once(CHILDREN)
    assert run.stderr == ""
    assert [path.name for path in run.traces[0].parent.iterdir() if path.suffix != ".cptrace"] == []
    return run


def leaves(traces):
    return sorted(len(Tree(read_calls(trace)).named("leaf")) for trace in traces)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(children, method):
    parent, others = parents_and_children(children.traces_of(method))
    tree = Tree(read_calls(parent))
    assert len(tree.named("by_process")) == len(tree.named("by_pool")) == 1 and tree.named("leaf") == []
    below = [trace for traces in others.values() for trace in traces]
    with_work = [trace for trace in below if Tree(read_calls(trace)).named("work")]
    assert sum(leaves(with_work)) == 4 + 12
    assert 3 <= len(with_work) <= 4  # a quick worker of the pool may do it all
    if method == "forkserver":  # they are the server's children
        assert set(others) <= {run_id(trace) for trace in [parent, *below]}
    else:
        assert set(others) == {run_id(parent)}
    assert all(read_info(trace)["options"]["max_depth"] == "60" for trace in below)


def test_subprocess(children):
    parent, others = parents_and_children(children.traces_of("by_subprocess"))
    started = others[run_id(parent)]
    assert leaves(started) == [0, 2]
    (nesting,) = [trace for trace in started if Tree(read_calls(trace)).named("leaf")]
    assert leaves(others[run_id(nesting)]) == [2]
    assert all(read_info(trace)["labels"] == {"a": "b"} for trace in children.traces_of("by_subprocess"))
    assert read_info(nesting)["kind"] == "process"
    inner = children.tree_of("inner")
    assert inner.named("leaf") == [] and len(inner.named("by_subprocess")) == 1


def test_no_subprocesses_unless_asked_for(children):
    assert len(children.traces_of("without")) == 1
    tree = children.tree_of("without")
    assert tree.named("leaf") == [] and len(tree.named("by_subprocess")) == 1


def test_the_run_that_goes_on_is_followed(children):
    parent, others = parents_and_children(children.traces_of("outer"))
    assert leaves(others[run_id(parent)]) == [0, 2]
    assert all(trace.parent.name == "elsewhere" for trace in children.traces_of("outer"))
    assert len(children.traces_of("nested")) == 1


def test_a_variable_of_somebody_else_is_one_line(record):
    run = record("print('done')", env={"CALLPROFILER_PARENT": "what?"})
    assert run.stdout == "done\n" and run.traces == []
    assert len(run.stderr.splitlines()) == 1 and "CALLPROFILER_PARENT" in run.stderr
    told = json.dumps({"run": "0" * 32, "name": "n", "colour": "red"})
    run = record("print('done')", env={"CALLPROFILER_PARENT": told})
    assert run.stdout == "done\n" and len(run.stderr.splitlines()) == 1
    run = record("print('done')", env={"CALLPROFILER_PARENT": told, "CALLPROFILER": "0"})
    assert run.stdout == "done\n" and run.stderr == "" and run.traces == []
