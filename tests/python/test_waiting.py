"""Where the time went while nothing was called: waiting_ns against the CPU time that the program itself measured."""

import json

import pytest

from conftest import Tree, read_calls, read_info

WAITING = """
    import gc, json, threading, time
    gc.disable()
    from callprofiler import block

    measured = {}

    def measure(function, *arguments):
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        function(*arguments)
        wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
        measured[function.__name__] = (wall, wall - cpu)

    def burn(seconds):
        end = time.thread_time() + seconds
        x = 0
        while time.thread_time() < end:
            for n in range(1000):
                x += n
        return x

    def sleeps():
        time.sleep(0.05)

    def burns():
        burn(0.05)

    def burns_alone():
        x = 0
        for n in range(2_000_000):
            x += n

    def waits_for_lock():
        about_to_wait.set()
        lock.acquire()
        lock.release()

    def mixed():
        burn(0.03)
        time.sleep(0.03)
        burn(0.03)

    def many_naps():
        for n in range(20):
            time.sleep(0.002)
            burn(0.002)

    def waits_for_condition():
        with condition:
            condition.wait(0.05)

    def generator():
        yield time.sleep(0.03)
        yield burn(0.03)

    def through_a_generator():
        for _ in generator():
            pass

    lock, condition = threading.Lock(), threading.Condition()
    held, about_to_wait = threading.Event(), threading.Event()

    def holds():
        with lock:
            held.set()
            about_to_wait.wait()
            time.sleep(0.05)

    def main():
        for function in (sleeps, burns, burns_alone, mixed, many_naps, waits_for_condition, through_a_generator):
            measure(function)
        holder = threading.Thread(target=holds)
        holder.start()
        held.wait()
        measure(waits_for_lock)
        holder.join()

    with block("OPTIONS_NAME", quiet=True, OPTIONS):
        main()
    print(json.dumps(measured))
"""

FUNCTIONS = [
    "sleeps",
    "burns",
    "burns_alone",
    "mixed",
    "many_naps",
    "waits_for_condition",
    "through_a_generator",
    "waits_for_lock",
]


@pytest.fixture(scope="module", params=["", "c_calls=False"])
def waiting(request, record_once):
    run = record_once(WAITING.replace("OPTIONS_NAME", "waiting").replace("OPTIONS", request.param))
    return Tree(read_calls(run.trace)), json.loads(run.stdout)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_waiting(waiting, name):
    tree, measured = waiting
    wall_ns, waited_ns = measured[name]
    call = tree.one(name)
    assert abs(call["waiting_ns"] - waited_ns) <= 0.1 * wall_ns, (call, measured[name])
    assert call["waiting_ns"] <= call["running_ns"]


def test_waiting_is_that_of_what_waits(waiting):
    tree, _ = waiting
    for call in tree.calls:
        below = sum(child["waiting_ns"] for child in tree.children(call))
        assert below <= call["waiting_ns"] + 1000 or call["function"] in ("generator", "through_a_generator"), call
    sleeping = [call for call in tree.named("sleep") if call["end_ns"] - call["start_ns"] >= 25_000_000]
    assert all(call["waiting_ns"] >= 0.9 * (call["end_ns"] - call["start_ns"]) for call in sleeping)


def test_threads_are_measured_each_for_itself(record):
    run = record(
        """
        import json, threading, time
        from callprofiler import block

        def burns(n):
            cpu = time.thread_time_ns()
            end = time.thread_time() + 0.04
            while time.thread_time() < end:
                pass
            used[n] = time.thread_time_ns() - cpu

        def sleeps(n):
            time.sleep(0.1)

        used = {}

        def main():
            threads = [threading.Thread(target=function, args=(n,)) for n, function in enumerate((burns, burns, sleeps))]
            for thread in threads: thread.start()
            for thread in threads: thread.join()

        with block("main", threads=True, quiet=True, c_calls=True):
            main()
        print(json.dumps(used))
        """
    )
    tree, used = run.tree_of("main"), json.loads(run.stdout)
    for n, call in enumerate(tree.named("burns")):
        wall = call["end_ns"] - call["start_ns"]
        close = [cpu for cpu in used.values() if abs(wall - call["waiting_ns"] - cpu) <= 0.1 * wall]
        assert close, (call, used)
    sleeps = tree.one("sleeps")
    assert sleeps["waiting_ns"] >= 0.9 * (sleeps["end_ns"] - sleeps["start_ns"])
    assert read_info(run.trace)["waiting_ns"] >= 90_000_000


def test_what_recording_costs(record):
    run = record(
        """
        import time
        from callprofiler import block

        def leaf(): pass

        def main():
            end = time.perf_counter() + 0.12
            while time.perf_counter() < end:
                leaf()
                time.sleep(0.001)

        for name, options in (("first", {}), ("second", {"c_calls": False}), ("third", {"max_depth": 1})):
            with block(name, quiet=True, **options):
                main()
        with block("short", quiet=True):
            leaf()
        """
    )
    for name in ("first", "second", "third"):
        costs = {key: float(value) for key, value in read_info(run.trace_of(name))["end"].items() if key.startswith("cost_ns:")}
        assert set(costs) == {"cost_ns:python_call", "cost_ns:c_call", "cost_ns:resume"}
        assert all(0 < cost < 100_000 for cost in costs.values()), costs
    told = read_info(run.trace_of("first"))
    assert 0 < told["recorder_cost_ns"] < told["wall_ns"]
    functions = {call["function"] for trace in run.traces for call in read_calls(trace)}
    assert functions & {"empty", "python_call", "c_call", "slices", "abs"} == set(), "what is measured with is in no trace"
