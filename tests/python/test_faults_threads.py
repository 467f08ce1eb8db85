"""Faults while several threads, or several runs, record."""

import pytest
from fault_injection import (
    call_count_of_left,
    call_count_of_whole,
    faulty_program,
    needs_faults,
    summary_of,
)

pytestmark = needs_faults

ANOTHER_THREAD = """
    def occupies(begun, end):
        begun.set()
        end.wait()

    def others(count):
        begun, end = threading.Event(), threading.Event()
        with block("others", quiet=True, c_calls=False, threads=True):
            leaves(count)
            {between}
            occupant = threading.Thread(target=occupies, args=(begun, end))  # takes a ring that is free
            occupant.start(); begun.wait()
            worker = threading.Thread(target=leaves, args=(count,))
            worker.start(); worker.join()
            end.set(); occupant.join()
            leaves(count)
        return "result"
    tell(others, {count})
"""


@pytest.mark.parametrize("count", [100, 200_000])
@pytest.mark.parametrize("rules", ["fallocate=ENOSPC", "mmap=ENOMEM"])
def test_a_thread_without_a_ring_costs_the_others_nothing(tmp_path, rules, count):
    run = faulty_program(tmp_path, "", ANOTHER_THREAD.format(count=count, between=f"faults({rules!r})"))
    assert run.told[0]["result"] == "result"
    assert "threads that began later were not recorded: " in run.warning
    assert len(run.recorded.tree_of("others").named("leaf")) == 2 * count
    assert "threads that began later" in summary_of(run.recorded.trace)["end"]["warning"]


def test_each_of_two_nested_runs_tells_what_it_misses(tmp_path):
    body = """
    def nested():
        with block("outer", quiet=True, c_calls=False):
            leaves(300_000)
            return main(300_000)
    tell(nested)
    """
    run = faulty_program(tmp_path, "write:outer=ENOSPC@2", body)
    assert "outer_" in run.warning and run.missing > 300_000
    assert call_count_of_whole(run.recorded.trace_of("main")) == 300_001


@pytest.mark.parametrize("threads", [1, 3])
def test_each_lane_counts_what_it_misses(tmp_path, threads):
    """The run fails while all threads record."""
    body = f"""
    def many():
        gate = threading.Barrier({threads})
        def work():
            gate.wait()
            leaves(300_000)
        with block("many", quiet=True, c_calls=False, threads=True):
            workers = [threading.Thread(target=work) for _ in range({threads})]
            for worker in workers: worker.start()
            for worker in workers: worker.join()
        return "result"
    sys.setswitchinterval(0.0005)
    tell(many)
    """
    run = faulty_program(tmp_path, "write=ENOSPC@4", body)
    found = call_count_of_left(run.part) + run.missing
    assert threads * 300_000 < found < threads * 300_200  # besides leaf, what threading calls


def test_threads_that_begin_when_the_disk_is_full(tmp_path):
    run = faulty_program(tmp_path, "write=ENOSPC@3", ANOTHER_THREAD.format(count=300_000, between=""))
    assert "calls are missing, and those of threads that began later" in run.warning
    assert 600_000 < call_count_of_left(run.part) + run.missing < 600_200
