"""Which runs are recorded (every, probability) and which are kept (slower_than, keep); what is decorated keeps its kind either way."""

from conftest import Tree, read_calls, read_info

SAMPLED = """
    import asyncio, inspect, random
    from callprofiler import block, profile

    options = dict(quiet=True)
    seen = []

    @profile(every=3, **options)
    def plain(n):
        seen.append(n)
        return n

    @profile(every=3, **options)
    async def coroutine(n):
        await asyncio.sleep(0)
        return n

    @profile(every=3, **options)
    def generator(n):
        got = yield n
        return got

    @profile(every=3, **options)
    async def async_generator(n):
        got = yield n
        yield got

    class Thing:
        @profile(every=3, **options)
        def method(self, n):
            return self, n

        @profile(every=3, **options)
        @classmethod
        def of_class(cls, n):
            return cls, n

        @classmethod
        @profile(every=3, **options)
        def of_class_inside(cls, n):
            return cls, n

        @profile(every=3, **options)
        @staticmethod
        def static(n):
            return n

        @property
        @profile(every=3, **options)
        def attribute(self):
            return 7

    async def drive():
        for n in range(7):
            assert await coroutine(n) == n
            generator_ = async_generator(n)
            assert await generator_.asend(None) == n
            assert await generator_.asend("sent") == "sent"
            try:
                await generator_.asend(None)
            except StopAsyncIteration:
                continue
            raise AssertionError

    def drive_generator(n):
        started = generator(n)
        assert next(started) == n
        try:
            started.send("sent")
        except StopIteration as stop:
            assert stop.value == "sent"
        else:
            raise AssertionError

    assert inspect.isfunction(plain) and not inspect.iscoroutinefunction(plain) and not inspect.isgeneratorfunction(plain)
    assert inspect.iscoroutinefunction(coroutine) and inspect.isgeneratorfunction(generator) and inspect.isasyncgenfunction(async_generator)
    assert plain.__name__ == "plain" and list(inspect.signature(plain).parameters) == ["n"]
    random.seed(7)
    state = random.getstate()
    for n in range(7):
        assert plain(n) == n
        drive_generator(n)
        thing = Thing()
        assert thing.method(n) == (thing, n)
        assert Thing.of_class(n) == Thing.of_class_inside(n) == (Thing, n)
        assert thing.static(n) == Thing.static(n) == n
        assert thing.attribute == 7
    asyncio.run(drive())
    assert seen == list(range(7))
    try:
        for n in (0, "raises"):
            plain(n) if n == 0 else plain()
    except TypeError as error:
        assert "plain" in str(error)
    assert random.getstate() == state, "the program's random numbers are its own"
"""


def test_every_third_run(record):
    run = record(SAMPLED)
    assert run.stderr == ""
    counts = {name: len(run.traces_of(name)) for name in ("coroutine", "generator", "async_generator", "method", "of_class", "of_class_inside")}
    assert counts == dict.fromkeys(counts, 3)  # of 7: the first, the fourth, the seventh
    assert len(run.traces_of("static")) == 5  # of 14
    assert len(run.traces_of("attribute")) == 3
    assert len(run.traces_of("plain")) == 3  # of 8; the call that fails is the ninth
    for trace in run.traces:
        told = read_info(trace)
        assert told["complete"] is True and told["options"] == {"every": "3"}
    assert [short_calls(trace) for trace in run.traces_of("plain")] == [["plain"]] * 3
    assert [short_calls(trace) for trace in run.traces_of("generator")] == [["generator"]] * 3


def short_calls(trace):
    return [name for name, _ in Tree(read_calls(trace)).python_calls()]


def test_every_counts_each_function_for_itself_and_recursion_is_one_run(record):
    run = record(
        """
        import threading
        from callprofiler import block, profile

        @profile(every=2, quiet=True)
        def first(): pass
        @profile(every=2, quiet=True)
        def second(): pass
        @profile(every=1, quiet=True)
        def always(): pass
        @profile(every=5000, quiet=True)
        def seldom(): pass
        @profile(every=1000, quiet=True)
        def shared(): pass

        for n in range(4):
            first()
        second()
        for n in range(3):
            always()
        for n in range(5001):
            seldom()
        threads = [threading.Thread(target=lambda: [shared() for n in range(1000)]) for n in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """
    )
    counts = {name: len(run.traces_of(name)) for name in ("first", "second", "always", "seldom", "shared")}
    assert counts == {"first": 2, "second": 1, "always": 3, "seldom": 2, "shared": 4}


def test_every_third_block(record):
    run = record(
        """
        import callprofiler

        def leaf(): pass

        for n in range(6):
            with callprofiler.block("block", every=3, quiet=True) as run:
                leaf()
                assert run.labels is not None and run.label("a", "b") is None
        with callprofiler.block("never", probability=0, quiet=True) as run:
            leaf()
        print(run.path)
        """
    )
    assert run.stdout == "None\n" and run.traces_of("never") == []
    assert len(run.traces_of("block")) == 2


def test_probability(record):
    run = record(
        """
        import random
        from callprofiler import profile

        random.seed(7)
        state = random.getstate()

        def made(probability, every=None):
            @profile(probability=probability, every=every, quiet=True, name="p%d_%s" % (probability * 100, every), keep=lambda run: counts.append(1))
            def function():
                pass
            return function

        for probability, every in ((0, None), (1, None), (0.25, None), (0.5, 4), (1, 4), (0, 4)):
            counts = []
            function = made(probability, every)
            for n in range(4000):
                function()
            print(probability, every, len(counts))
        assert random.getstate() == state, "the program's random numbers are its own"
        """,
        env={"PYTHONHASHSEED": "0"},
    )
    rows = [line.split() for line in run.stdout.splitlines()]
    counts = {(row[0], row[1]): int(row[2]) for row in rows}
    assert counts["0", "None"] == counts["0", "4"] == 0
    assert counts["1", "None"] == 4000 and counts["1", "4"] == 1000
    # Ten standard deviations from the mean: once in 10^23 runs.
    assert abs(counts["0.25", "None"] - 1000) < 10 * (4000 * 0.25 * 0.75) ** 0.5
    assert abs(counts["0.5", "4"] - 500) < 10 * (1000 * 0.5 * 0.5) ** 0.5
    assert run.traces == []  # keep said None each time


VERDICTS = """
    import os, time, warnings
    import callprofiler
    from callprofiler import block, profile

    def nap(seconds):
        time.sleep(seconds)

    @profile(slower_than=0.05, quiet=True)
    def by_time(seconds):
        nap(seconds)

    for seconds in (0, 0.06, 0.001):
        by_time(seconds)
    for limit in (0, 3600):
        with block("limit_%d" % limit, slower_than=limit, quiet=True):
            nap(0)

    asked = []

    def failed(run):
        asked.append((type(run.exception).__name__, run.wall_ns, run.labels))
        return run.exception is not None

    @profile(keep=failed, quiet=True)
    def by_exception(error):
        callprofiler.label("error", str(error))
        nap(0.02)
        if error:
            raise error

    by_exception(None)
    for error in (LookupError("one"), KeyboardInterrupt("two"), SystemExit("three")):
        try:
            by_exception(error)
        except BaseException as caught:
            assert caught is error
    print([row[0] for row in asked], [row[2]["error"] for row in asked])
    assert all(15_000_000 < row[1] < 5_000_000_000 for row in asked), asked

    def asks_both(run):
        asked.append("both")
        return True

    with block("fast_both", slower_than=3600, keep=asks_both, quiet=True):
        pass
    with block("slow_both", slower_than=0, keep=asks_both, quiet=True):
        nap(0.001)
    assert asked[-1] == "both"

    def raises(run):
        raise ZeroDivisionError("of keep")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with block("keep_raises", keep=raises, quiet=True) as run:
            pass
        print([(warning.category.__name__, "of keep" in str(warning.message)) for warning in caught])
    assert run.path and os.path.exists(run.path)

    for answer in (0, "", None, [], 1, "yes"):
        with block("answer_%s" % bool(answer), keep=lambda run: answer, quiet=True) as run:
            nap(0)
        assert bool(run.path) == bool(answer)

    saved = []
    with block("discarded", keep=lambda run: False, on_saved=saved.append, html=True) as run:  # not quiet: nothing is said all the same
        for n in range(200_000):
            pass
        nap(0)
    assert run.path is None and saved == []
    with block("discarded_large", keep=lambda run: False, quiet=True) as run:
        def leaf(): pass
        for n in range(400_000):
            leaf()
    print(sorted(name for name in os.listdir(".profile") if not name.endswith((".cptrace", ".ring"))))

    async def coroutine():
        nap(0)

    for kept in (True, False):
        wrapped = profile(coroutine, keep=lambda run: kept, quiet=True, name="coroutine_%s" % kept)
        try:
            wrapped().send(None)
        except StopIteration:
            pass

    def keep_profiles(run):
        with block("within_keep", quiet=True):
            nap(0)
        return True

    with block("around_keep", keep=keep_profiles, quiet=True):
        nap(0)
"""


def test_verdicts(record):
    run = record(VERDICTS)
    assert run.stderr == ""
    kinds, warned, left = run.stdout.splitlines()
    assert kinds == "['NoneType', 'LookupError', 'KeyboardInterrupt', 'SystemExit'] ['None', 'one', 'two', 'three']"
    assert warned == "[('RuntimeWarning', True)]"
    assert left == "[]"  # no .part of a run that nobody wants
    assert len(run.traces_of("by_time")) == 1 and read_info(run.trace_of("by_time"))["wall_ns"] >= 50_000_000
    assert len(run.traces_of("limit_0")) == 1 and run.traces_of("limit_3600") == []
    assert len(run.traces_of("by_exception")) == 3
    assert all(read_info(trace)["end"]["outcome"] == "raised" for trace in run.traces_of("by_exception"))
    assert run.traces_of("fast_both") == [] and len(run.traces_of("slow_both")) == 1
    assert len(run.traces_of("keep_raises")) == 1
    assert len(run.traces_of("answer_True")) == 2 and run.traces_of("answer_False") == []
    assert run.traces_of("discarded") == run.traces_of("discarded_large") == []
    assert len(run.traces_of("coroutine_True")) == 1 and run.traces_of("coroutine_False") == []
    assert short_calls(run.trace_of("around_keep")) == ["nap"]
    assert short_calls(run.trace_of("within_keep")) == ["nap"]
    folder = run.traces[0].parent
    assert [path.name for path in folder.iterdir() if path.suffix != ".cptrace"] == []
