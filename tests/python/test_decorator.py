"""The decorated function stays itself."""

import inspect

import pytest

import callprofiler


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALLPROFILER_QUIET", "1")


def traces(tmp_path):
    return sorted(tmp_path.rglob("*.cptrace"))


@callprofiler.profile
def plain(a, b=2, *, c: int = 3) -> int:
    """What it does."""
    return a + b + c


@callprofiler.profile
def generator(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                yield got
    finally:
        closed.append(True)
    return "done"


@callprofiler.profile
async def coroutine(value):
    return value


@callprofiler.profile
async def async_generator(n):
    for i in range(n):
        try:
            got = yield i
        except KeyError:
            got = "caught"
        if got:
            yield got


closed = []


def finish(awaitable):
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def test_looks_like_the_function():
    assert plain.__name__ == "plain" and plain.__doc__ == "What it does."
    assert plain.__module__ == __name__ and plain.__wrapped__
    assert list(inspect.signature(plain).parameters) == ["a", "b", "c"]


def test_result_and_trace(tmp_path):
    assert plain(1, c=4) == 7
    assert len(traces(tmp_path)) == 1


def test_kinds_are_kept():
    assert inspect.isfunction(plain)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isasyncgenfunction(async_generator)
    assert not inspect.iscoroutinefunction(plain) and not inspect.isgeneratorfunction(plain)


def test_generator_send_and_return_value(tmp_path):
    running = generator(2)
    assert next(running) == 0
    assert running.send("sent") == "sent"
    assert next(running) == 1
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == "done"
    assert len(traces(tmp_path)) == 1


def test_generator_throw():
    running = generator(2)
    next(running)
    error = KeyError("thrown")
    with pytest.raises(KeyError) as caught:
        running.throw(error)
    assert caught.value is error


def test_generator_close(tmp_path):
    closed.clear()
    running = generator(2)
    next(running)
    running.close()
    assert closed == [True]
    assert len(traces(tmp_path)) == 1


def test_generator_never_started_leaves_no_damage(tmp_path):
    generator(2)
    assert plain(1) == 6


def test_coroutine(tmp_path):
    assert finish(coroutine("value")) == "value"
    assert len(traces(tmp_path)) == 1


def test_async_generator(tmp_path):
    running = async_generator(2)
    assert finish(running.__anext__()) == 0
    assert finish(running.asend("sent")) == "sent"
    assert finish(running.__anext__()) == 1
    assert finish(running.athrow(KeyError("thrown"))) == "caught"
    with pytest.raises(StopAsyncIteration):
        finish(running.__anext__())
    assert len(traces(tmp_path)) == 1


class Account:
    rate = 2

    @callprofiler.profile
    def method(self, amount):
        return amount * self.rate

    @classmethod
    @callprofiler.profile
    def class_method(cls, amount):
        return amount * cls.rate

    @staticmethod
    @callprofiler.profile
    def static_method(amount):
        return amount

    @callprofiler.profile
    @classmethod
    def outer_class_method(cls, amount):
        return amount * cls.rate

    @callprofiler.profile
    @staticmethod
    def outer_static_method(amount):
        return amount


@pytest.mark.parametrize(
    "name, expected",
    [("method", 6), ("class_method", 6), ("static_method", 3), ("outer_class_method", 6), ("outer_static_method", 3)],
)
def test_methods(tmp_path, name, expected):
    assert getattr(Account(), name)(3) == expected
    assert len(traces(tmp_path)) == 1


@pytest.mark.parametrize("name", ["class_method", "static_method", "outer_class_method", "outer_static_method"])
def test_methods_of_the_class(name):
    assert getattr(Account, name)(3)


def test_exception_comes_through_identical(tmp_path):
    error = ValueError("mine")
    cause = KeyError("cause")

    @callprofiler.profile
    def failing():
        raise error from cause

    with pytest.raises(ValueError) as caught:
        failing()
    assert caught.value is error and caught.value.__cause__ is cause and caught.value.__context__ is None
    assert caught.traceback[-1].name == "failing"
    assert len(traces(tmp_path)) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exceptions_come_through(tmp_path, kind):
    @callprofiler.profile
    def failing():
        raise kind()

    with pytest.raises(kind):
        failing()
    assert len(traces(tmp_path)) == 1


def test_block(tmp_path):
    with callprofiler.block("warm up"):
        plain.__wrapped__(1)
    assert len(traces(tmp_path)) == 1


def test_block_lets_exceptions_through(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with callprofiler.block("failing"):
            1 / 0
    assert len(traces(tmp_path)) == 1


def test_nested_runs(tmp_path):
    @callprofiler.profile
    def outer():
        return plain(1) + plain(2)

    assert outer() == 13
    assert len([path for path in traces(tmp_path) if path.name.startswith("outer_")]) == 1
