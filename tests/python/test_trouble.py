"""Full disks, forks, interrupts: the program goes on as it would without the recorder."""

import shutil
import subprocess
import sys
import textwrap

import pytest

from conftest import clean_environment

MANY_CALLS = """
    import sys
    from callprofiler import profile

    def leaf():
        pass

    @profile
    def main(count):
        for _ in range(count):
            leaf()
        return "result"

    print(main(int(sys.argv[1])))
"""


def on_small_disk(folder, size, count):
    """Runs MANY_CALLS with its traces on a file system of that size, which only this process sees."""
    (folder / "program.py").write_text(textwrap.dedent(MANY_CALLS))
    (folder / "disk").mkdir()
    script = f"mount -t tmpfs -o size={size} none disk && exec {sys.executable} program.py {count}"
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=folder,
        env=clean_environment(CALLPROFILER_DIR="disk"),
        capture_output=True,
        text=True,
        timeout=120,
    )


def can_make_small_disks():
    if not shutil.which("unshare"):
        return False
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_make_small_disks(), reason="this system does not let a test mount a small file system")
@pytest.mark.parametrize("size", ["16k", "64k", "1m", "2m", "17m"])
def test_full_disk_is_one_warning(tmp_path, size):
    run = on_small_disk(tmp_path, size, 2_000_000)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "result\n"
    assert run.stderr.count("RuntimeWarning") + run.stderr.count("Trace saved to") == 1, run.stderr


def peak_memory_kib(record, count):
    run = record(MANY_CALLS + "    import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n", arguments=[str(count)])
    return int(run.stdout.splitlines()[-1]) // (1024 if sys.platform == "darwin" else 1)


def test_memory_does_not_grow_with_the_run(record):
    assert peak_memory_kib(record, 3_000_000) - peak_memory_kib(record, 300_000) < 4096


def test_fork_does_not_touch_the_parents_trace(record, tree, command):
    run = record(
        """
        import os
        from callprofiler import profile

        def of_parent():
            pass

        def of_child():
            pass

        @profile(quiet=True)
        def main():
            of_parent()
            child = os.fork()
            if child == 0:
                for _ in range(1000):
                    of_child()
                os._exit(0)
            os.waitpid(child, 0)
            of_parent()

        main()
        """
    )
    assert command("cptrace", "check", run.trace).returncode == 0
    found = tree(run.trace)
    assert len(found.named("of_parent")) == 2 and found.named("of_child") == []


def test_a_forked_child_that_returns_through_the_run(record, tree, command):
    run = record(
        """
        import os, sys
        from callprofiler import profile

        def after():
            pass

        @profile(quiet=True)
        def main():
            child = os.fork()
            if child == 0:
                sys.exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            after()

        main()
        """
    )
    assert run.stdout == "7\n"
    assert command("cptrace", "check", run.trace).returncode == 0
    assert len(tree(run.trace).named("after")) == 1


OTHER_PROFILER = """
    import cProfile
    from callprofiler import profile

    def before(): pass
    def after(): pass

    @profile
    def main():
        before()
        cProfile.Profile().runcall(len, "x")
        after()

    main()
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring serves several profilers")
def test_a_hook_that_is_taken_away_is_told(record, info, command):
    run = record(OTHER_PROFILER)
    assert run.stderr.count("RuntimeWarning") == 1 and "another profiler" in run.stderr
    assert "another profiler" in command("cptrace", "info", run.trace).stdout


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there is one hook before 3.12: see above")
def test_beside_another_profiler(record, tree):
    run = record(OTHER_PROFILER)
    assert "RuntimeWarning" not in run.stderr
    assert tree(run.trace).one("before") and tree(run.trace).one("after")


def test_keyboard_interrupt(record, tree):
    run = record(
        """
        import os, signal
        from callprofiler import profile

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored

        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000000):
                pass

        @profile(quiet=True)
        def main():
            try:
                interrupted()
            except KeyboardInterrupt:
                print("stopped")

        main()
        """
    )
    assert run.stdout == "stopped\n"
    assert tree(run.trace).one("interrupted")["outcome"] == "raised"


def test_a_run_that_never_ends_before_the_interpreter_does(record):
    """A generator that is never exhausted, alive until the interpreter exits."""
    run = record(
        """
        from callprofiler import profile

        @profile(quiet=True)
        def numbers():
            for number in range(10):
                yield number

        running = numbers()
        print(next(running))
        """
    )
    assert run.stdout == "0\n" and run.stderr == ""


def test_daemon_thread_that_records_while_the_interpreter_exits(record):
    run = record(
        """
        import threading, time
        from callprofiler import profile

        def leaf():
            pass

        @profile(quiet=True)
        def forever():
            while True:
                leaf()

        threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.2)
        print("end")
        """
    )
    assert run.stdout == "end\n"


def test_other_tools_work_inside_a_run(record):
    run = record(
        """
        import sys
        from callprofiler import profile

        lines = []

        def tracer(frame, event, argument):
            lines.append(event)
            return tracer

        def traced():
            return 1

        @profile(quiet=True)
        def main():
            sys.settrace(tracer)
            traced()
            sys.settrace(None)

        main()
        print(lines.count("return") >= 1)
        """
    )
    assert run.stdout == "True\n"
