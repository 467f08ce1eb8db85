"""System calls of the recorder that fail: the program's result is what it would be, one warning says what happened and how much is missing,
and what was written can be read. Short runs touch the disk at their end, long ones all the time."""

import pytest
from fault_injection import (
    call_count_of_left,
    call_count_of_whole,
    faulty_program,
    needs_faults,
    summary_of,
)

pytestmark = needs_faults

SHORT, LONG = 100, 250_000
EVERY_INTERRUPTIBLE_CALL = " ".join(f"{call}=EINTR%2" for call in ("open", "write", "pwrite", "pread", "fallocate", "ftruncate", "close", "flock"))


def run_main(folder, rules, count):
    run = faulty_program(folder, rules, f"tell(main, {count})")
    assert run.told[0]["result"] == "result" and run.stderr == ""
    return run


@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize(
    "rules",
    [
        "fallocate=ENOSPC",
        "fallocate=ENOSPC@2",
        "fallocate=EDQUOT",
        "fallocate=EFBIG",
        "fallocate=EIO",
        "fallocate=EOPNOTSUPP pwrite=ENOSPC",
        "fallocate=EOPNOTSUPP pwrite=full5000",
        "mmap=ENOMEM",
        "mmap=ENOMEM@2",
        "open:.ring=EACCES",
        "open:.ring=EROFS",
        "open:.ring=EMFILE",
        "open:.ring=ENFILE",
        "open:.ring=ENOSPC",
        "open:.ring=EDQUOT",
        "mkdir=EACCES",
        "mkdir=EROFS",
        "mkdir=ENOSPC",
    ],
)
def test_a_run_that_cannot_begin(tmp_path, rules, count):
    run = run_main(tmp_path, rules, count)
    assert "not recording: " in run.warning and ".profile" in run.warning
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "program.py"] == []


@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize(
    "rules",
    [
        EVERY_INTERRUPTIBLE_CALL,
        "fallocate=EOPNOTSUPP " + EVERY_INTERRUPTIBLE_CALL,
        "write=half",
        "write=half%2 fallocate=ENOSYS pwrite=half",
        "write=short fallocate=EOPNOTSUPP pwrite=half",
        "write=EINTR+1000",
        "fallocate=ENOSPC@3",  # no room for a larger ring: the first one serves on
        "mmap=ENOMEM@3",
        "pthread_create=EAGAIN",
        "pthread_create=EAGAIN fallocate=ENOSPC@3",
        "pthread_create=ENOMEM@1+2",
        "flock=ENOSYS",
        "ftruncate=EIO",
        "opendir=EMFILE",
        "unlink:.ring=EIO",
        "renameat2=ENOSYS",
        "renameat2=ENOSYS link=EPERM",
        "clock_gettime=back@3",
        "clock_gettime=back%2",
    ],
)
def test_faults_that_cost_nothing(tmp_path, rules, count):
    run = run_main(tmp_path, rules, count)
    assert run.warnings == []
    assert call_count_of_whole(run.recorded.trace) == count + 1


@pytest.mark.parametrize("action", ["ENOSPC", "EDQUOT", "EFBIG", "EIO"])
@pytest.mark.parametrize("first", [2, 3, 4])
def test_a_write_that_fails_in_a_long_run(tmp_path, action, first):
    run = run_main(tmp_path, f"write={action}@{first}", LONG)
    assert "the trace is incomplete: " in run.warning and ".cptrace.part: write: " in run.warning
    assert call_count_of_left(run.part) + run.missing == LONG + 1


SPOOL_BYTES = 16 << 10  # of the trace wait in the ring file until there is a part, and stay there when the part cannot take them


@pytest.mark.parametrize("room", [0, 1, 79, 15_000, 20_000, 30_000])
def test_a_disk_that_fills_up_within_a_write(tmp_path, room):
    run = run_main(tmp_path, f"write=full{room}", LONG)
    parts = run.files(".part")
    if room < 100:  # less than the header and the info
        assert parts == []
    elif room > SPOOL_BYTES:  # else the first block may have been in the spool, or not
        assert len(parts) == 1
    assert [part.stat().st_size for part in parts] == [room] * len(parts)
    assert call_count_of_left(run.part if parts else run.ring) + run.missing == LONG + 1


@pytest.mark.parametrize("action", ["ENOSPC", "EIO", "full100", "EFBIG"])
def test_a_short_run_that_cannot_be_written_stays_in_its_ring_file(tmp_path, action):
    run = run_main(tmp_path, f"write={action}", SHORT)
    assert "the trace is not at its place: " in run.warning and "all of it is in " in run.warning and ".ring" in run.warning
    assert run.files(".part") == [] and run.files(".cptrace") == []
    assert call_count_of_whole(run.ring) == SHORT + 1


@pytest.mark.parametrize("action", ["EMFILE", "ENFILE", "EACCES", "EROFS", "ENOSPC", "EDQUOT"])
def test_a_part_that_cannot_be_created(tmp_path, action):
    (tmp_path / "short").mkdir()
    short = run_main(tmp_path / "short", f"open:.part={action}", SHORT)
    assert "all of it is in " in short.warning
    assert call_count_of_whole(short.ring) == SHORT + 1
    (tmp_path / "long").mkdir()
    long = run_main(tmp_path / "long", f"open:.part={action}", LONG)
    assert long.files(".part") == [] and call_count_of_left(long.ring) + long.missing == LONG + 1


@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize(
    "rules",
    ["renameat2=EIO", "renameat2=EACCES", "renameat2=ENOSPC", "renameat2=ENOSYS link=EPERM rename=EROFS", "renameat2=ENOSYS unlink:.part=EIO"],
)
def test_a_trace_that_cannot_be_renamed_is_whole(tmp_path, rules, count):
    run = run_main(tmp_path, rules, count)
    assert "the trace is not at its place: " in run.warning and f"all of it is in {run.part}" in run.warning
    assert call_count_of_whole(run.part) == count + 1
    assert run.files(".ring") == []


@pytest.mark.parametrize("count", [SHORT, LONG])
@pytest.mark.parametrize("action", ["EIO", "ENOSPC", "EDQUOT"])
def test_what_close_tells_is_told(tmp_path, action, count):
    run = run_main(tmp_path, f"close:.part={action}", count)
    assert "the trace is incomplete: " in run.warning and "some of it may be missing" in run.warning
    assert run.files(".cptrace") == [] and call_count_of_whole(run.part) == count + 1


@pytest.mark.parametrize("rules", ["write=ENOSPC", "write=ENOSPC@3", "renameat2=EIO", "fallocate=ENOSPC", "fallocate=ENOSPC@3", "mmap=ENOMEM@3"])
@pytest.mark.parametrize("count", [SHORT, LONG])
def test_the_programs_exception_is_its_own(tmp_path, rules, count):
    run = faulty_program(tmp_path, rules, f"tell(main, {count}, None, True)")
    assert run.told[0]["result"] == "KeyError('mine')"
    assert len(run.warnings) == (0 if rules in ("fallocate=ENOSPC@3", "mmap=ENOMEM@3") or (count == SHORT and "write=ENOSPC@3" in rules) else 1)


@pytest.mark.parametrize(
    "rules", ["write=ENOSPC", "write=full40000", "renameat2=EIO", "fallocate=ENOSPC", "mmap=ENOMEM@3", "open:.part=EMFILE", "mmap=ENOMEM@2"]
)
def test_failed_runs_leave_no_descriptor_open(tmp_path, rules):
    body = f"""
    before = open_files()
    for count in ({SHORT}, {LONG // 5}, {SHORT}):
        tell(main, count)
        faults({rules!r})
    faults("")
    tell(main, {SHORT})
    assert len(open_files()) <= len(before) + 1, (before, open_files())  # the ring file that is kept for the next run
    """
    run = faulty_program(tmp_path, rules, body)
    assert [told["result"] for told in run.told] == ["result"] * 4
    assert run.told[-1]["warnings"] == []
    assert run.stderr == ""


def test_a_disk_that_has_room_again(tmp_path):
    """What began while it was full stays incomplete, and says so; the next run is whole."""
    body = f"""
    def full(): faults("write=ENOSPC fallocate=ENOSPC")
    tell(main, {LONG}, full)
    faults("")
    tell(main, {SHORT})
    """
    run = faulty_program(tmp_path, "", body)
    assert call_count_of_left(run.part) + run.missing == 2 * LONG + 3  # main, and two that set the faults
    assert run.told[1]["warnings"] == []
    assert call_count_of_whole(run.recorded.trace) == SHORT + 1


def test_a_disk_that_has_room_again_within_the_run(tmp_path):
    body = f"""
    rounds = 0
    def free():
        global rounds
        while not count_faults(0): # how many blocks are written by now is up to the drainer
            leaves(1000)
            rounds += 1
        faults("")
    tell(main, {LONG}, free)
    print(json.dumps({{"result": rounds, "warnings": []}}))
    """
    run = faulty_program(tmp_path, "write=ENOSPC@3", body)
    rounds = run.told[1]["result"]
    assert call_count_of_left(run.part) + run.missing == 2 * LONG + 1001 * rounds + 3  # main, and two that set the faults


def test_max_bytes_is_kept_where_nobody_drains_in_time(tmp_path):
    body = f"""
    def limited():
        with block("limited", quiet=True, c_calls=False, max_bytes=20_000):
            leaves({4 * LONG})
    tell(limited)
    """
    run = faulty_program(tmp_path, "pthread_create=EAGAIN", body)
    found = summary_of(run.recorded.trace)
    assert found["complete"] and int(found["end"]["helped_drains"]) > 0
    assert 20_000 <= found["bytes"] <= 24_000


def test_a_slow_disk_loses_nothing_and_takes_no_memory(tmp_path):
    body = f"""
    tell(main, {LONG // 10})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faults("write=sleep100")
    tell(main, {4 * LONG})
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 8192, grown_kib
    """
    run = faulty_program(tmp_path, "", body)
    assert run.warnings == [] and run.stderr == ""
    found = [summary_of(trace) for trace in run.recorded.traces]
    assert sorted(each["calls"] for each in found) == [LONG // 10 + 1, 4 * LONG + 1]
    assert all(each["complete"] for each in found)


def test_a_slow_disk_with_several_threads(tmp_path):
    body = """
    def many():
        with block("many", quiet=True, c_calls=False, threads=True):
            workers = [threading.Thread(target=leaves, args=(200_000,)) for _ in range(3)]
            for worker in workers: worker.start()
            for worker in workers: worker.join()
        return "result"
    sys.setswitchinterval(0.005)
    tell(many)
    """
    run = faulty_program(tmp_path, "write=sleep50", body)
    assert run.warnings == []
    assert len(run.recorded.tree_of("many").named("leaf")) == 600_000
