"""A disk that takes its time, or is stuck, while a run is drained or saved: what other threads, the end of the process and a child see of that.

No thread lets go of the GIL by itself (the switch interval is a minute), so that nothing comes to its end where one waits for the disk with it."""

import os

import pytest
from fault_injection import call_count_of_whole, faulty_program, needs_faults

pytestmark = needs_faults

SLOW = """
    faults("write=sleep20")
    main(1)  # from here on it is known that the disk is slow
"""


def saved_calls(run):
    """Of each trace; nothing else is left in the folder."""
    assert run.files(".part") == run.files(".ring") == []
    return sorted(call_count_of_whole(trace) for trace in run.recorded.traces)


@pytest.mark.parametrize("known", [SLOW, ""], ids=["a save was slow", "opening the first file is"])
def test_other_threads_go_on(tmp_path, known):
    """The disk is stuck until another thread has run."""
    body = f"""{known}
    def mend():
        await_fault()
        faults("")
    mending = threading.Thread(target=mend)
    faults("write=wait open=sleep20")
    mending.start()
    tell(main, 10)
    mending.join()
    """
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and saved_calls(run) == ([2, 11] if known else [11])


ENDINGS = {
    "the interpreter ends": "pass",
    "an exception": "raise KeyError",
    "os._exit in a run": "profile(lambda: os._exit(0), quiet=True, name='exits')()",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_process_ends_while_a_daemon_thread_saves(tmp_path, ending):
    body = f"""{SLOW}
    faults("write:main=sleep400")
    threading.Thread(target=main, args=(10,), daemon=True).start()
    await_fault()
    {ENDINGS[ending]}
    """
    run = faulty_program(tmp_path, "", body, ok=ending != "an exception")
    assert saved_calls(run) == [2] * (2 if "os._exit" in ending else 1) + [11]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_while_another_thread_saves(tmp_path):
    body = f"""{SLOW}
    faults("write=sleep200")
    saving = threading.Thread(target=main, args=(10,))
    saving.start()
    await_fault()
    child = os.fork()
    if child == 0:
        main(5)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    saving.join()
    """
    run = faulty_program(tmp_path, "", body)
    assert saved_calls(run) == [2, 6, 11]


WHILE_STUCK = {
    "other threads go on": "",
    "a run begins and ends": "main(5)",
    "a thread of the run begins": "thread = threading.Thread(target=leaf); thread.start(); faults(''); thread.join()",
    "a child is forked": "forks()",
}


@pytest.mark.parametrize("event", WHILE_STUCK)
def test_a_disk_that_is_stuck_while_a_run_is_drained(tmp_path, event):
    """The drainer cannot write; then the ring is full, and its thread waits."""
    body = f"""
    def forks():
        is_forking.set()  # which waits for the drainer
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    def mend_while_forking():
        is_forking.wait()
        time.sleep(0.05)
        faults("")

    def mend():
        await_fault()
        time.sleep(0.05)  # until the ring is full, on most machines
        {WHILE_STUCK[event] or "pass"}
        faults("")

    def big():
        with block("big", quiet=True, c_calls=False, threads={event == "a thread of the run begins"}):
            mending.start()
            leaves(300_000)
            mending.join()
        return "result"

    is_forking = threading.Event()
    mending = threading.Thread(target=mend)
    threading.Thread(target=mend_while_forking, daemon=True).start()
    faults("write:big=wait")
    tell(big)
    """
    run = faulty_program(tmp_path, "", body)
    assert "RuntimeWarning" not in str(run.told) and run.files(".part") == run.files(".ring") == []
    assert len(run.recorded.tree_of("big").named("leaf")) == 300_000 + (event == "a thread of the run begins")


def test_a_run_that_ends_while_a_thread_of_it_waits_for_a_stuck_disk(tmp_path):
    body = """
    def mend():
        ending.wait()
        time.sleep(0.05)
        faults("")

    def big():
        with block("big", quiet=True, c_calls=False, threads=True):
            worker.start()
            await_fault()
            time.sleep(0.05)
            ending.set()
        worker.join()
        main(5)
        return "result"

    ending = threading.Event()
    mending, worker = threading.Thread(target=mend), threading.Thread(target=leaves, args=(600_000,))
    faults("write:big=wait")
    mending.start()
    tell(big)
    mending.join()
    """
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and run.files(".part") == run.files(".ring") == []
    assert 60_000 < len(run.recorded.tree_of("big").named("leaf")) <= 600_000  # as many as came before the end
    assert call_count_of_whole(run.recorded.trace_of("main")) == 6


def test_runs_that_end_while_their_threads_wait_for_a_slow_disk(tmp_path):
    """Under AddressSanitizer this found lanes that were freed under a thread that was waiting."""
    body = """
    def busy():
        while not is_over:
            leaves(2000)

    def busy_with_runs():
        while not is_over:
            main(3000)

    def many():
        global is_over
        for _ in range(15):
            is_over = False
            threads = [threading.Thread(target=target) for target in (busy, busy, busy, busy_with_runs)]
            with block("many", quiet=True, c_calls=False, threads=True):
                for thread in threads: thread.start()
                time.sleep(0.05)
            time.sleep(0.02)
            is_over = True
            for thread in threads: thread.join()
        return "result"

    sys.setswitchinterval(0.0005)
    faults("write=sleep3")
    tell(many)
    """
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and len(run.recorded.traces_of("many")) == 15
    saved_calls(run)
