"""The ring files beside the traces: there while a process records, used again from run to run, gone when it ends."""

import re

import sys

from conftest import read_info

RINGS = """
    import os, sys, threading, time
    from callprofiler import block, profile

    def rings(folder=".profile"):
        if not os.path.isdir(folder):
            return []
        return sorted(name for name in os.listdir(folder) if not name.endswith(".cptrace"))

    def leaf(): pass

    @profile(quiet=True)
    def main():
        leaf()
        return rings()
"""
NAME = re.compile(r"^\.callprofiler-(\d+)-(\d+)\.ring$")


def left(run):
    return sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.suffix not in (".cptrace", ".py") and path.is_file())


def test_one_ring_file_is_used_again(record):
    run = record(
        RINGS
        + """
    assert rings() == []
    names = [main() for n in range(20)]
    print(os.getpid(), *names[0])
    assert names == [names[0]] * 20, names
    assert rings() == names[0]  # kept for the next run
    with block("outer", quiet=True):
        nested = main()
    assert len(nested) == 2 and names[0][0] in nested, nested
    os.mkdir("elsewhere")
    with block("other", quiet=True, output_dir="elsewhere"):
        assert len(rings("elsewhere")) == 1
    """
    )
    pid, name = run.stdout.split()
    assert NAME.match(name).group(1) == pid
    assert left(run) == []


def test_large_rings_are_kept_for_the_next_run_up_to_a_limit(record):
    run = record(
        RINGS
        + """
    def sizes():
        return {name: os.path.getsize(os.path.join(".profile", name)) for name in rings()}

    def record_large(depth):
        with block("large", quiet=True):
            if depth > 1:
                record_large(depth - 1)
            for n in range(20_000):
                leaf()

    record_large(1)
    after_one = sizes()
    assert len(after_one) == 1 and 2**20 < sum(after_one.values()) <= 6 * 2**20, after_one
    record_large(1)
    assert sizes() == after_one  # its ring was used again
    record_large(4)
    after_four = sizes()
    assert len(after_four) == 4 and sum(after_four.values()) < 7 * 2**20, after_four
    assert sum(size > 2**20 for size in after_four.values()) == 1, after_four  # a second would be too much
    record_large(4)
    assert sum(sizes().values()) == sum(after_four.values()), sizes()
    """
    )
    assert left(run) == []


def test_many_runs_at_once_do_not_keep_many_files(record):
    run = record(
        RINGS
        + """
    blocks = [block("b", quiet=True) for n in range(40)]
    for each in blocks: each.__enter__()
    assert len(rings()) >= 40
    for each in reversed(blocks): each.__exit__(None, None, None)
    assert len(rings()) <= 16
    """
    )
    assert len(run.traces) == 40 and left(run) == []


def test_rings_whose_folder_was_emptied(record):
    run = record(
        RINGS
        + """
    import shutil
    main()
    shutil.rmtree(".profile")
    main()
    assert len(rings()) == 1
    with block("emptied", quiet=True) as emptied:
        for name in os.listdir(".profile"):
            os.remove(os.path.join(".profile", name))
        leaf()
    main()
    """
    )
    assert len(run.traces_of("main")) == 1 and len(run.traces_of("emptied")) == 1
    assert left(run) == []


DAEMON = """
    def forever():
        while True:
            leaf()
            time.sleep(0.0002)

    {first}
    with block("run", quiet=True, threads=True) as run:
        threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.01)
        {inside}
    {after}
    """


def test_daemon_threads_that_go_on(record):
    run = record(RINGS + DAEMON.format(first="", inside="", after="main(); time.sleep(0.01)"))
    assert len(run.traces) == 2 and left(run) == [] and run.stderr == ""
    assert all(read_info(trace)["complete"] for trace in run.traces)


def test_exit_with_daemon_threads_within_the_run(record):
    run = record(RINGS + DAEMON.format(first="", inside="sys.exit(3)", after=""), ok=False)
    assert run.returncode == 3 and run.stderr == ""
    assert read_info(run.trace)["end"]["outcome"] == "raised" and left(run) == []


def test_a_run_that_is_open_at_the_end(record):
    run = record(RINGS + DAEMON.format(first="open = block('open', quiet=True); open.__enter__()", inside="", after="leaf()"))
    assert run.stderr == "" and left(run) == []
    assert read_info(run.trace_of("open"))["end"]["outcome"] == "interpreter ended"
    assert read_info(run.trace_of("run"))["end"]["outcome"] == "returned"


def test_os_exit_within_runs(record):
    run = record(
        RINGS
        + """
    main()
    with block("outer", quiet=True):
        leaf()
        with block("inner", quiet=True):
            leaf()
            os._exit(4)
    """,
        ok=False,
    )
    assert run.returncode == 4 and run.stderr == ""
    for name in ("outer", "inner"):
        assert read_info(run.trace_of(name))["end"]["outcome"] == "os._exit"
        assert len(run.tree_of(name).named("leaf")) == (2 if name == "outer" else 1)
    assert left(run) == []


def test_os_exit_without_c_calls(record, command):
    """From 3.12 on nobody tells of os._exit then: what was recorded is in the ring file, as when the process is killed."""
    run = record(
        RINGS
        + """
    def ends():
        os._exit(5)

    with block("no_c", quiet=True, c_calls=False):
        leaf()
        ends()
    """,
        ok=False,
    )
    assert run.returncode == 5
    if sys.version_info < (3, 12):
        assert read_info(run.trace_of("no_c"))["end"]["outcome"] == "os._exit" and left(run) == []
    else:
        assert run.traces == [] and len(left(run)) == 1
        assert command("cptrace", "recover", run.folder / ".profile").returncode == 0
        assert read_info(run.trace_of("no_c"))["end"]["outcome"] == "killed" and left(run) == []
    assert len(run.tree_of("no_c").named("leaf")) == len(run.tree_of("no_c").named("ends")) == 1


def test_workers_that_end_by_os_exit_leave_nothing(record):
    run = record(
        RINGS
        + """
    import multiprocessing, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    workers = [multiprocessing.get_context("fork").Process(target=main) for n in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    """
    )
    assert len(run.traces_of("main")) == 3 and left(run) == []


def test_a_killed_process_leaves_all_that_it_recorded(record):
    run = record(
        RINGS
        + """
    import signal
    main()
    with block("killed", quiet=True):
        for n in range(1000):
            leaf()
        os.kill(os.getpid(), signal.SIGKILL)
    """,
        ok=False,
    )
    assert run.returncode == -9
    rings = [name for name in left(run) if NAME.match(name.rpartition("/")[2])]
    assert len(rings) == 1
    assert len(run.traces_of("main")) == 1
