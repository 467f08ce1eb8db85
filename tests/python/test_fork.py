"""Forks, pools and subprocesses from inside a run: the parent's file is whole and exact, whatever the child does."""

import os
import sys

import pytest

from conftest import Tree, read_calls, read_info, run_name

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

ENDINGS = {  # how the child ends, and what the parent sees
    "os._exit": ("os._exit(7)", 7),
    "sys.exit": ("sys.exit(7)", 7),
    "exception": ("raise KeyError('of the child')", 1),
    "returns": ("return", 0),
    "SIGKILL": ("os.kill(os.getpid(), 9)", -9),
    "exec": ("os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(7)'])", 7),
}

FORKED = """
    import os, sys
    from callprofiler import profile

    def of_parent(n): pass
    def of_child(n): pass

    def numbers():
        yield of_parent(1)
        yield of_parent(2)

    def fork():
        child = os.fork()
        if child == 0:
            for n in range(20_000):  # more than a ring holds
                of_child(n)
        return child

    @profile(quiet=True)
    def main():
        running = numbers()
        next(running)
        child = fork()
        if child == 0:
            list(running)
            {ending}
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        list(running)
        return code

    code = main()
    if os.getpid() == parent:
        print(code)
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_forked_child(ending, record, command):
    statement, code = ENDINGS[ending]
    source = FORKED.replace("{ending}", statement).replace("    import os, sys\n", "    import os, sys\n    parent = os.getpid()\n")
    run = record(source)
    assert run.stdout == f"{code}\n"
    assert "RuntimeWarning" not in run.stderr and "[callprofiler]" not in run.stderr
    assert Tree(read_calls(run.trace)).story() == "main\n  numbers\n    of_parent\n    of_parent\n  fork"
    assert read_info(run.trace)["complete"] and command("cptrace", "check", run.trace).returncode == 0
    assert [path for path in run.trace.parent.iterdir() if path != run.trace] == []


FORKS_THAT_RECORD = """
    import os, threading
    from callprofiler import profile

    def leaf(): pass

    @profile(quiet=True)
    def in_child(depth):
        leaf()
        if depth:
            fork(depth - 1)
            leaf()

    def fork(depth):
        child = os.fork()
        if child == 0:
            in_child(depth)
            os._exit(0)
        os.waitpid(child, 0)

    @profile(quiet=True)
    def main():
        leaf()
        fork(2)
        leaf()

    main()
"""


def test_a_child_may_have_runs_of_its_own(record):
    run = record(FORKS_THAT_RECORD)
    assert run.stderr == ""
    stories = {(trace.name.split("_2")[0], Tree(read_calls(trace)).story()) for trace in run.traces}
    nested = "in_child\n  leaf\n  fork\n  leaf"
    assert stories == {("main", "main\n  leaf\n  fork\n  leaf"), ("in_child", nested), ("in_child", "in_child\n  leaf")}
    assert len(run.traces) == len({read_info(trace)["pid"] for trace in run.traces}) == 4


FORK_BESIDE_THREADS = """
    import os, threading
    from callprofiler import profile

    def leaf(): pass

    def work(n):
        for _ in range(n):
            leaf()

    def fork_often():
        for _ in range(20):
            child = os.fork()
            if child == 0:
                work(10)
                os._exit(0)
            os.waitpid(child, 0)

    threads = [threading.Thread(target=profile(work, name=f"work{n}", quiet=True), args=(50_000 + n,)) for n in range(2)]
    forking = threading.Thread(target=profile(fork_often, quiet=True))
    for thread in [*threads, forking]: thread.start()
    for thread in [*threads, forking]: thread.join()
"""


def test_forks_while_other_threads_record(record):
    run = record(FORK_BESIDE_THREADS)
    assert "RuntimeWarning" not in run.stderr and "[callprofiler]" not in run.stderr
    counts = {run_name(trace): len(Tree(read_calls(trace)).named("leaf")) for trace in run.traces}
    assert counts == {"work0": 50_000, "work1": 50_001, "fork_often": 0}
    assert all(read_info(trace)["complete"] for trace in run.traces)


FORK_BESIDE_RUNS_THAT_BEGIN_AND_END = """
    import os, sys, threading
    from callprofiler import profile

    HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()  # without it, dict.get may hang in a child, whoever calls it

    def leaf(): pass

    @profile(quiet=True, output_dir="short")
    def short_run():
        leaf()

    @profile(quiet=True, output_dir="child")
    def run_of_child():
        leaf()

    def begin_and_end():
        while not is_over:
            short_run()

    def is_heard():
        if sys.version_info < (3, 12):
            return sys.getprofile() is not None
        return any(sys.monitoring.get_tool(tool) for tool in range(6))

    def in_child():
        leaf()  # where a profile hook that nobody needs any more takes itself back
        if is_heard():
            os._exit(1)
        if HAS_GIL:
            run_of_child()
        os._exit(is_heard())

    is_over = False
    threads = [threading.Thread(target=begin_and_end) for _ in range(2)]
    for thread in threads: thread.start()
    for _ in range(40):
        child = os.fork()
        if child == 0:
            in_child()
        assert os.waitpid(child, 0)[1] == 0
    is_over = True
    for thread in threads: thread.join()
    print(40 if HAS_GIL else 0)
"""


def test_forks_while_runs_of_other_threads_begin_and_end(record):
    """A child hears of nothing that it does not record, and waits for no thread that it does not have."""
    run = record(FORK_BESIDE_RUNS_THAT_BEGIN_AND_END)
    assert "RuntimeWarning" not in run.stderr and "[callprofiler]" not in run.stderr
    traces = run.traces_of("run_of_child")
    assert len(traces) == int(run.stdout)
    for trace in traces[:: max(1, len(traces) // 4)]:
        assert Tree(read_calls(trace)).story() == "run_of_child\n  leaf"


FORK_WHILE_A_RUN_IS_CLOSED = """
    import os, sys, threading
    from callprofiler import profile

    def leaf(): pass

    is_closed, has_forked = threading.Event(), threading.Event()

    def on_audit(event, arguments):  # children are told that the run is over
        if event in ("os.putenv", "os.unsetenv") and threading.current_thread() is ending and has_returned:
            is_closed.set()
            has_forked.wait()

    @profile(quiet=True, processes=True)
    def ends():
        global has_returned
        leaf()
        has_returned = True

    @profile(quiet=True, processes=True)
    def forks():
        child = os.fork()
        leaf()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    has_returned = False
    ending = threading.Thread(target=ends)
    sys.addaudithook(on_audit)
    ending.start()
    is_closed.wait()
    forks()
    has_forked.set()
    ending.join()
"""


def test_a_fork_while_a_run_of_another_thread_is_closed(record):
    run = record(FORK_WHILE_A_RUN_IS_CLOSED)
    assert "RuntimeWarning" not in run.stderr and "[callprofiler]" not in run.stderr
    assert Tree(read_calls(run.trace_of("ends"))).story() == "ends\n  leaf"
    of_forks = [Tree(read_calls(trace)).story(module="__main__") for trace in run.traces_of("forks")]
    assert sorted(of_forks) == ["forks\n  leaf", "leaf"]  # of the parent, and of the child, which goes on in it


FORK_IN_NESTED_RUNS = """
    import os
    from callprofiler import label, profile

    @profile(quiet=True, processes=True)
    def outer():
        inner()

    @profile(quiet=True, processes=True)
    def inner():
        child = os.fork()
        label("innermost", "yes")
        if child:
            os.waitpid(child, 0)

    outer()
"""


def test_nested_runs_go_on_nested_in_the_child(record):
    run = record(FORK_IN_NESTED_RUNS)
    assert run.stderr == ""
    labelled = sorted((run_name(trace), "label:innermost" in str(read_info(trace))) for trace in run.traces)
    assert labelled == [("inner", True), ("inner", True), ("outer", False), ("outer", False)]



POOL = """
    import multiprocessing, os, sys
    from callprofiler import profile

    def of_parent(): pass

    @profile(quiet=True, output_dir="workers")
    def square(n):
        return multiply(n, n)

    def multiply(a, b): return a * b

    @profile(quiet=True, output_dir="parent")
    def main(method):
        of_parent()
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(6)) == [0, 1, 4, 9, 16, 25]
        of_parent()

    if __name__ == "__main__":
        main(sys.argv[1])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(method, record, command):
    run = record(POOL, arguments=[method])
    assert run.stderr == ""
    (parent,) = [trace for trace in run.traces if trace.parent.name == "parent"]
    assert Tree(read_calls(parent)).story(module="__main__") == "main\n  of_parent\n  of_parent"
    assert command("cptrace", "check", parent).returncode == 0
    workers = [trace for trace in run.traces if trace.parent.name == "workers"]
    assert [Tree(read_calls(trace)).story() for trace in workers] == 6 * ["square\n  multiply"]
    # Workers that the pool ended by a signal leave the rings that they kept for their next run.
    recovered = command("cptrace", "recover", run.folder / "parent", run.folder / "workers")
    assert recovered.returncode == 0 and "recovered" not in recovered.stdout, recovered.stdout + recovered.stderr
    assert {path.suffix for folder in ("parent", "workers") for path in (run.folder / folder).iterdir()} == {".cptrace"}


EXECUTOR = """
    import concurrent.futures, subprocess, sys
    from callprofiler import profile

    def of_parent(): pass
    def in_worker(n): return n + 1

    @profile(quiet=True)
    def main():
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            assert list(pool.map(in_worker, range(4))) == [1, 2, 3, 4]
        of_parent()
        assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\\n"
        assert subprocess.call([sys.executable, __file__, "nested"]) == 0
        of_parent()

    @profile(quiet=True)
    def nested():
        in_worker(1)

    if __name__ == "__main__":
        nested() if sys.argv[1:] else main()
"""


def test_an_executor_and_subprocesses(record):
    run = record(EXECUTOR)
    assert run.stderr == ""
    stories = {run_name(trace): Tree(read_calls(trace)).story(module="__main__") for trace in run.traces}
    assert stories == {"main": "main\n  of_parent\n  of_parent", "nested": "nested\n  in_worker"}


HOOKS = """
    import os, sys
    from callprofiler import profile

    def tools():
        return [sys.monitoring.get_tool(tool) for tool in range(6) if sys.monitoring.get_tool(tool)]

    @profile(quiet=True)
    def main():
        child = os.fork()
        if child == 0:
            return
        os.waitpid(child, 0)

    parent = os.getpid()
    main()
    print("parent" if os.getpid() == parent else "child", tools(), flush=True)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there since 3.12")
def test_a_child_is_rid_of_the_hooks(record):
    """It has no run: it shall not pay for one with every call until it ends."""
    assert record(HOOKS).stdout == "child []\nparent []\n"
