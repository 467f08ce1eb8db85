"""What is in a trace, for programs whose calls are known in advance. One test file for both back ends."""

import sys

import pytest

from conftest import short

KNOWN = """
    import time
    from callprofiler import profile

    def leaf(n):
        return n

    def branch(n):
        leaf(n)
        leaf(n + 1)

    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    def swallow():
        try:
            fail()
        except ValueError:
            pass

    def fail():
        raise ValueError("no")

    class Shop:
        def sell(self):
            def inner():
                return 1
            return inner()

    @profile(quiet=True)
    def main():
        branch(1)
        factorial(3)
        swallow()
        Shop().sell()
        time.sleep(0.01)

    main()
"""


@pytest.fixture
def known(record, tree):
    return tree(record(KNOWN).trace)


def test_nesting(known):
    assert known.outline(known.one("branch")) == ("branch", [("leaf", []), ("leaf", [])])
    assert known.outline(known.named("factorial")[0]) == (
        "factorial",
        [("factorial", [("factorial", [("factorial", [])])])],
    )
    assert known.outline(known.one("swallow")) == ("swallow", [("fail", [])])


def test_the_run_is_the_root(known):
    root = known.one("main")
    assert known.parent(root) is None
    python = [short(child) for child in known.children(root) if child["category"] == "user" and short(child) != "Shop"]
    assert python == ["branch", "factorial", "swallow", "sell"]  # calling Shop itself is seen by sys.monitoring alone


def test_qualified_names(known):
    sell, inner = known.one("sell"), known.one("inner")
    assert known.parent(inner) is sell
    if sys.version_info >= (3, 11):  # older code objects have no qualified name
        assert sell["function"] == "Shop.sell" and inner["function"] == "Shop.sell.<locals>.inner"


def test_counts_agree(record, calls, info):
    run = record(KNOWN)
    listed, said = calls(run.trace), info(run.trace)
    assert said["calls"] == len(listed)
    assert said["functions"] >= len({call["function"] for call in listed})
    assert said["complete"] is True and said["damaged_blocks"] == 0
    assert said["lanes"] == 1 and said["bytes"] == run.trace.stat().st_size
    assert said["format_version"] == 3
    assert said["events"] >= 2 * said["calls"]


def test_ids_are_in_start_order_and_lines_in_end_order(record, calls):
    listed = calls(record(KNOWN).trace)
    first = min(call["id"] for call in listed)
    assert sorted(call["id"] for call in listed) == list(range(first, first + len(listed)))
    starts = [call["start_ns"] for call in sorted(listed, key=lambda call: call["id"])]
    ends = [call["end_ns"] for call in listed]
    assert starts == sorted(starts)
    assert ends == sorted(ends)


def test_times_add_up(known):
    for call in known.calls:
        wall = call["end_ns"] - call["start_ns"]
        inside = sum(child["end_ns"] - child["start_ns"] for child in known.children(call))
        assert wall >= 0
        assert call["self_ns"] == wall - inside
        assert call["running_ns"] == wall and call["suspended_ns"] == 0
        for child in known.children(call):
            assert call["start_ns"] <= child["start_ns"] <= child["end_ns"] <= call["end_ns"]


def test_waiting_is_seen(known):
    sleep = known.one("sleep")
    assert sleep["end_ns"] - sleep["start_ns"] >= 9_000_000


def test_outcomes(known):
    assert known.one("fail")["outcome"] == "raised"
    assert known.one("swallow")["outcome"] == "returned"
    assert known.one("main")["outcome"] == "returned"


def test_source_places(known):
    leaf = known.named("leaf")[0]
    assert leaf["file"].endswith("program.py")
    assert leaf["line"] == 1 + KNOWN.splitlines().index("    def leaf(n):")
    assert leaf["module"] == "__main__"


def test_a_run_that_raises(record, tree):
    run = record(
        """
        from callprofiler import profile

        def inner():
            {}["missing"]

        @profile
        def main():
            inner()

        main()
        """,
        ok=False,
    )
    assert run.returncode == 1 and "KeyError: 'missing'" in run.stderr
    assert "Trace saved to" in run.stderr
    found = tree(run.trace)
    assert found.one("inner")["outcome"] == found.one("main")["outcome"] == "raised"


def test_c_function_that_raises(record, tree):
    run = record(
        """
        from callprofiler import profile

        @profile(quiet=True)
        def main():
            try:
                ord("too long")
            except TypeError:
                return len("a")

        main()
        """
    )
    found = tree(run.trace)
    assert found.one("ord")["outcome"] == "raised"
    assert found.one("len")["outcome"] == "returned"
    assert found.parent(found.one("len")) is found.one("main")


GENERATOR = """
    import time
    from callprofiler import profile

    def numbers():
        for number in range(5):
            yield number

    @profile(quiet=True)
    def main():
        total = 0
        for number in numbers():
            time.sleep(0.004)
            total += number
        return total

    main()
"""


def test_generator_is_one_call_with_slices(record, tree):
    found = tree(record(GENERATOR).trace)
    numbers = found.one("numbers")
    wall = numbers["end_ns"] - numbers["start_ns"]
    assert numbers["outcome"] == "returned"
    assert numbers["running_ns"] + numbers["suspended_ns"] == wall
    sleeps = found.named("sleep")
    assert len(sleeps) == 5
    assert all(found.parent(sleep) is found.one("main") for sleep in sleeps)
    slept_ns = sum(sleep["end_ns"] - sleep["start_ns"] for sleep in sleeps)
    assert numbers["suspended_ns"] > slept_ns >= 20_000_000


def test_delegating_generators(record, tree):
    run = record(
        """
        from callprofiler import profile

        def inner():
            got = yield 1
            try:
                yield got
            except KeyError:
                yield "caught"

        def outer():
            yield from inner()

        @profile(quiet=True)
        def main():
            running = outer()
            print(next(running), running.send(2), running.throw(KeyError("x")), list(running))

        main()
        """
    )
    assert run.stdout == "1 2 caught []\n"
    found = tree(run.trace)
    assert found.parent(found.one("inner")) is found.one("outer")
    assert found.one("inner")["outcome"] == found.one("outer")["outcome"] == "returned"


COROUTINES = """
    import asyncio
    from callprofiler import profile

    async def wait(seconds):
        await asyncio.sleep(seconds)

    async def work(number):
        await wait(0.02)
        await wait(0.02)
        return number

    @profile(quiet=True)
    async def main():
        return await asyncio.gather(*(work(number) for number in range(3)))

    assert asyncio.run(main()) == [0, 1, 2]
"""


def test_coroutine_is_one_call_with_suspended_time(record, tree):
    found = tree(record(COROUTINES).trace)
    root = found.one("main")
    assert root["suspended_ns"] >= 30_000_000
    assert root["running_ns"] + root["suspended_ns"] == root["end_ns"] - root["start_ns"]
    assert root["outcome"] == "returned"


def test_awaits_nest(record, tree):
    run = record(
        """
        import asyncio
        from callprofiler import profile

        async def deepest():
            await asyncio.sleep(0.01)
            return 1

        async def middle():
            return await deepest() + await deepest()

        @profile(quiet=True)
        async def main():
            return await middle()

        assert asyncio.run(main()) == 2
        """
    )
    found = tree(run.trace)
    middle = found.one("middle")
    assert found.parent(middle) is found.one("main")
    assert len(found.named("deepest")) == 2
    for call in found.named("deepest"):
        assert found.parent(call) is middle
        assert call["suspended_ns"] >= 8_000_000
        assert call["outcome"] == "returned"


def test_nothing_of_other_tasks_is_recorded_while_suspended(record, tree):
    run = record(
        """
        import asyncio
        from callprofiler import profile

        def elsewhere():
            return 1

        async def other():
            for _ in range(5):
                elsewhere()
                await asyncio.sleep(0.002)

        @profile(quiet=True)
        async def main():
            await asyncio.sleep(0.02)

        async def everything():
            await asyncio.gather(other(), main())

        asyncio.run(everything())
        """
    )
    found = tree(run.trace)
    assert found.named("elsewhere") == [] and found.named("other") == []
    assert found.one("main")["outcome"] == "returned"


def test_async_generator_is_one_call(record, tree):
    run = record(
        """
        import asyncio
        from callprofiler import profile

        async def numbers():
            for number in range(3):
                await asyncio.sleep(0.005)
                yield number

        @profile(quiet=True)
        async def main():
            return [number async for number in numbers()]

        assert asyncio.run(main()) == [0, 1, 2]
        """
    )
    found = tree(run.trace)
    numbers = found.one("numbers")
    assert numbers["suspended_ns"] >= 12_000_000
    assert numbers["outcome"] == "returned"


def test_profiled_generator(record, tree):
    run = record(
        """
        from callprofiler import profile

        def step(number):
            return number

        def elsewhere():
            return 1

        @profile(quiet=True)
        def numbers():
            for number in range(4):
                yield step(number)

        for number in numbers():
            elsewhere()
        """
    )
    found = tree(run.trace)
    assert found.one("numbers")["outcome"] == "returned"
    assert len(found.named("step")) == 4
    assert all(found.parent(step) is found.one("numbers") for step in found.named("step"))
    assert found.named("elsewhere") == []


CATEGORIES = """
    import json, time
    from markdown_it import MarkdownIt
    from callprofiler import profile

    @profile(quiet=True)
    def main():
        json.dumps({"a": [1, 2]}, indent=1)
        time.sleep(0)
        MarkdownIt().render("# Title")

    main()
"""


def test_categories(record, tree):
    found = tree(record(CATEGORIES).trace)
    assert found.one("main")["category"] == "user"
    assert found.one("dumps")["category"] == "stdlib"
    assert found.one("dumps")["library"] == "json"
    assert found.one("sleep")["category"] == "builtin"
    render = found.named("render")[0]
    assert render["category"] == "third-party"
    assert render["library"] == "markdown_it"


def test_nested_runs_write_both_files(record, tree):
    run = record(
        """
        from callprofiler import profile

        def leaf():
            return 1

        @profile(quiet=True)
        def inner():
            return leaf()

        @profile(quiet=True)
        def outer():
            return leaf() + inner()

        outer()
        """
    )
    by_name = {trace.name.split("_")[0]: tree(trace) for trace in run.traces}
    assert sorted(by_name) == ["inner", "outer"]
    assert by_name["inner"].outline(by_name["inner"].one("inner")) == ("inner", [("leaf", [])])
    outer = by_name["outer"]
    assert outer.parent(outer.one("inner")) is outer.one("outer")
    assert len(outer.named("leaf")) == 2


def test_runs_in_threads_do_not_mix(record, tree):
    run = record(
        """
        import threading
        from callprofiler import profile

        def leaf(number):
            return number

        @profile(quiet=True)
        def work(number):
            for _ in range(1000):
                leaf(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """
    )
    assert len(run.traces) == 4
    for trace in run.traces:
        found = tree(trace)
        assert len(found.named("leaf")) == 1000
        assert all(found.parent(leaf) is found.one("work") for leaf in found.named("leaf"))


def test_block(record, tree):
    run = record(
        """
        import callprofiler

        def leaf():
            return 1

        def before():
            return 2

        before()
        with callprofiler.block("warm up", quiet=True):
            leaf()
            leaf()
        before()
        """
    )
    found = tree(run.trace)
    assert len(found.named("leaf")) == 2
    assert found.named("before") == []


def test_deep_recursion(record, tree):
    run = record(
        """
        import sys
        from callprofiler import profile

        def down(n):
            return 0 if n == 0 else 1 + down(n - 1)

        @profile(quiet=True)
        def main():
            return down(5000)

        sys.setrecursionlimit(20000)
        print(main())
        """
    )
    assert run.stdout == "5000\n"
    assert len(tree(run.trace).named("down")) == 5001


def test_many_calls_are_all_there(record, info):
    run = record(
        """
        from callprofiler import profile

        def leaf():
            pass

        @profile(quiet=True)
        def main():
            for _ in range(1_000_000):
                leaf()

        main()
        """
    )
    said = info(run.trace)
    assert 1_000_001 <= said["calls"] <= 1_000_010
    assert said["complete"] is True


def test_other_tools_of_the_interpreter_stay(record):
    """A profile or trace function that was there before is there again after."""
    run = record(
        """
        import sys
        from callprofiler import profile

        def tracer(frame, event, argument):
            return None

        @profile(quiet=True)
        def main():
            return 1

        sys.settrace(tracer)
        main()
        print(sys.gettrace() is tracer, sys.getprofile())
        """
    )
    assert run.stdout == "True None\n"


def test_hostile_names_are_carried_whole(record, calls):
    run = record(
        """
        import sys
        from callprofiler import profile

        def hostile():
            return 1

        name = '</script>"' + chr(0x202E) + chr(10) + "end"
        names = {"co_name": name}
        if sys.version_info >= (3, 11):
            names["co_qualname"] = name
        hostile.__code__ = hostile.__code__.replace(**names)

        @profile(quiet=True)
        def main():
            hostile()

        main()
        """
    )
    names = [call["function"] for call in calls(run.trace)]
    assert any(name.endswith('</script>"\u202e\nend') for name in names), names
