"""A run is saved on a disk that takes its time: what other threads, the end of the process, and a child see of that."""

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


def test_other_threads_go_on(tmp_path):
    """The disk is stuck until another thread has run."""
    body = f"""{SLOW}
    def mend():
        await_fault()
        faults("")
    mending = threading.Thread(target=mend)
    faults("write=wait")
    mending.start()
    tell(main, 10)
    mending.join()
    """
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and saved_calls(run) == [2, 11]


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
