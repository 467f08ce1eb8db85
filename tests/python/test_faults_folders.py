"""The folder of the traces is deleted, replaced, moved or full while a run records; limits that the system sets to the process."""

import pytest
from fault_injection import (
    call_count_of_left,
    call_count_of_whole,
    faulty_program,
    needs_faults,
)

pytestmark = needs_faults

SHORT, LONG = 100, 250_000
MOMENTS = {
    "before the first drain": (SHORT, SHORT),
    "after the first drain": (LONG, LONG),
    "at the end": (LONG, SHORT),
}
CALLS = {moment: sum(counts) for moment, counts in MOMENTS.items()}
WHEN = pytest.mark.parametrize("when", list(MOMENTS))


def run_with(folder, when, between, env=None):
    before, after = MOMENTS[when]
    body = f"""
    @profile(quiet=True, c_calls=False, include=["__main__"])
    def changing():
        leaves({before})
        {between}
        leaves({after})
        return "result"

    tell(changing)
    """
    run = faulty_program(folder, "", body, env=env)
    assert run.told[0]["result"] == "result" and run.stderr == ""
    return run


@WHEN
def test_a_folder_that_is_deleted(tmp_path, when):
    run = run_with(tmp_path, when, 'shutil.rmtree(".profile")')
    if when == "before the first drain":
        assert run.warnings == []
        assert call_count_of_whole(run.recorded.trace) == CALLS[when] + 3
    else:
        assert "No such file or directory" in run.warning and run.files(".cptrace") == [] and run.files(".part") == []
        assert run.missing >= CALLS[when] + 3


@WHEN
def test_files_that_are_deleted(tmp_path, when):
    run = run_with(tmp_path, when, '[os.remove(os.path.join(".profile", name)) for name in os.listdir(".profile")]')
    if when == "before the first drain":
        assert run.warnings == [] and len(run.recorded.traces) == 1
    else:
        assert "No such file or directory" in run.warning and run.missing >= CALLS[when]


@WHEN
def test_a_folder_that_becomes_a_file(tmp_path, when):
    run = run_with(tmp_path, when, 'shutil.rmtree(".profile"); open(".profile", "w").close()')
    assert run.missing >= CALLS[when] and ("Not a directory" in run.warning or "No such file" in run.warning)
    assert (tmp_path / ".profile").read_bytes() == b""


@WHEN
def test_a_folder_that_is_moved_and_replaced_by_a_link(tmp_path, when):
    """The part stays where it was begun; only what is created later goes where the link leads."""
    run = run_with(tmp_path, when, 'os.mkdir("other"); os.rename(".profile", "moved"); os.symlink("other", ".profile")')
    if when == "before the first drain":
        assert run.warnings == []
        (trace,) = run.files(".cptrace")
        assert trace.parent.resolve() == tmp_path / "other" and call_count_of_whole(trace) == CALLS[when] + 3
    else:
        assert "No such file or directory" in run.warning and "all of it is in what was " in run.warning
        assert run.part.parent == tmp_path / "moved" and call_count_of_whole(run.part) == CALLS[when] + 3


@WHEN
def test_a_dangling_link(tmp_path, when):
    run = run_with(tmp_path, when, 'shutil.rmtree(".profile"); os.symlink("nowhere", ".profile")')
    assert run.missing >= CALLS[when]


def test_a_folder_of_another_owner(tmp_path):
    """root may write anywhere: so the error is the injected one."""
    run = faulty_program(tmp_path, "open=EACCES", f"os.mkdir('.profile'); tell(main, {SHORT})")
    assert "Permission denied" in run.warning
    assert list((tmp_path / ".profile").iterdir()) == []


LIMITED = """
    import signal
    signal.signal(signal.SIGXFSZ, {handler})
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
    tell(main, {count})
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    tell(lambda: got)
"""


@pytest.mark.parametrize("handler", ["signal.SIG_DFL", "signal.SIG_IGN", "lambda *_: got.append(1)"])
@pytest.mark.parametrize("size", [0, 20_000, 200_000, 6_000_000])
@pytest.mark.parametrize("count", [SHORT, 4 * LONG])
def test_a_limit_of_file_size(tmp_path, handler, size, count):
    run = faulty_program(tmp_path, "", "    got = []" + LIMITED.format(handler=handler, size=size, count=count))
    assert run.told[0]["result"] == "result" and run.told[1]["result"] == [], "the signal was for what the program writes"
    if size < 100_000:
        assert "not recording" in run.warning and "File too large" in run.warning
    elif count == SHORT or size > 5_000_000:
        assert run.warnings == [] and call_count_of_whole(run.recorded.trace) == count + 1
    else:
        assert "File too large" in run.warning
        # A checkpoint would have made the ring file too large, too: what was in the rings is missing.
        assert call_count_of_left(run.part, rings_count=False) + run.missing == count + 1


def test_a_signal_that_the_program_itself_has_pending_stays_so(tmp_path):
    body = f"""
    import signal
    signal.signal(signal.SIGXFSZ, lambda *_: got.append(1))
    got = []
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGXFSZ])
    signal.raise_signal(signal.SIGXFSZ)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    tell(main, {SHORT})
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGXFSZ])
    tell(lambda: got)
    """
    run = faulty_program(tmp_path, "", body)
    assert run.told[1]["result"] == [1]


NO_DESCRIPTORS = """
    def take_all():
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            return taken

    @profile(quiet=True, c_calls=False, include=["__main__"])
    def hungry(count):
        leaves(count)
        kept.extend(take_all())
        leaves(count)
        return "result"

    kept = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if {from_the_start}:
        kept.extend(take_all())
    {call}
    for each in kept: os.close(each)
    tell(main, 100)
"""


def no_descriptors(folder, from_the_start, count):
    call = f'shown = []; warnings.showwarning = lambda *_: shown.append(str(_[0])); warnings.simplefilter("always"); result = hungry({count})'
    tells = 'print(json.dumps({"result": result, "warnings": ["RuntimeWarning: " + each for each in shown]}))'
    body = NO_DESCRIPTORS.format(from_the_start=from_the_start, call=call).replace(
        "    tell(main, 100)", f"    {tells}\n    warnings.resetwarnings()\n    tell(main, 100)"
    )
    run = faulty_program(folder, "", body)
    assert run.told[0]["result"] == "result" and "Too many open files" in run.warning
    assert run.told[1] == {"result": "result", "warnings": []}
    assert call_count_of_whole(run.recorded.trace_of("main")) == 101
    return run


@pytest.mark.parametrize("count", [SHORT, LONG])
def test_no_descriptor_is_left_when_the_run_begins(tmp_path, count):
    assert "not recording" in no_descriptors(tmp_path, True, count).warning


def test_no_descriptor_is_left_when_a_short_run_ends(tmp_path):
    run = no_descriptors(tmp_path, False, SHORT)
    assert "all of it is in " in run.warning
    assert call_count_of_whole(run.ring) == 2 * SHORT + 4


def test_no_descriptor_is_left_when_a_long_run_ends(tmp_path):
    """Its part is open already: it needs no other."""
    body = NO_DESCRIPTORS.format(from_the_start=False, call=f"tell(hungry, {LONG})")
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and len(run.recorded.traces) == 2
