"""Generators, async generators and context managers: programs whose calls are known, with the calls beside them.

Each generator is one call below the one that started it, however often it yields; what it calls while it runs is below it."""

import pytest

from known_programs import CLOSED, KnownPrograms

PROGRAMS = KnownPrograms()

PROGRAMS.add(
    "send_and_return",
    """
    def step(n): return n

    def numbers():
        got = yield step(1)
        while got:
            got = yield step(got)
        return step(0)

    def outer():
        return (yield from numbers())

    def main():
        running = outer()
        assert next(running) == 1 and running.send(5) == 5 and running.send(6) == 6
        try:
            running.send(None)
        except StopIteration as stop:
            assert stop.value == 0
    """,
    """
    main
      outer
        numbers
          step
          step
          step
          step
    """,
)

PROGRAMS.add(
    "throw_is_caught",
    """
    def caught(): pass

    def numbers():
        while True:
            try:
                yield 1
            except KeyError:
                caught()

    def main():
        running = numbers()
        next(running)
        for _ in range(3):
            running.throw(KeyError())
        try:
            running.throw(ValueError())
        except ValueError:
            pass
    """,
    """
    main
      numbers raised
        caught
        caught
        caught
    """,
)

PROGRAMS.add(
    "throw_through_delegation",
    """
    def inner_caught(): pass
    def outer_caught(): pass

    def inner():
        try:
            yield 1
        except KeyError:
            inner_caught()
            yield 2
        yield 3

    def outer():
        try:
            yield from inner()
        except ValueError:
            outer_caught()
            yield 4

    def main():
        running = outer()
        assert next(running) == 1
        assert running.throw(KeyError()) == 2
        assert next(running) == 3
        assert running.throw(ValueError()) == 4
        assert next(running, "end") == "end"
    """,
    """
    main
      outer
        inner raised
          inner_caught
        outer_caught
    """,
)

PROGRAMS.add(
    "throw_before_start",
    """
    def numbers():
        yield 1

    def after(): pass

    def main():
        try:
            numbers().throw(KeyError())
        except KeyError:
            after()
        numbers().close()
        after()
    """,
    """
    main
      numbers raised
      after
      numbers raised  # until 3.11
      after
    """,
)

PROGRAMS.add(
    "close",
    """
    def cleanup(): pass

    def guarded():
        try:
            yield 1
        finally:
            cleanup()

    def stopping():
        try:
            yield 1
        except GeneratorExit:
            cleanup()

    def plain():
        yield 1

    def main():
        for function in (guarded, stopping, plain):
            running = function()
            next(running)
            running.close()
            running.close()
    """,
    """
    main
      guarded raised
        cleanup
      stopping
        cleanup
      plain CLOSED
    """.replace("CLOSED", CLOSED),
)

PROGRAMS.add(
    "close_through_delegation",
    """
    def cleanup(): pass

    def inner():
        try:
            yield 1
        finally:
            cleanup()

    def outer():
        try:
            yield from inner()
        finally:
            cleanup()

    def main():
        running = outer()
        next(running)
        running.close()
    """,
    """
    main
      outer raised
        inner raised
          cleanup
        cleanup
    """,
)

PROGRAMS.add(
    "ignores_generator_exit",
    """
    def ignored(): pass

    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            ignored()
            yield 2

    def main():
        running = stubborn()
        next(running)
        try:
            running.close()
        except RuntimeError:
            pass
        else:
            raise AssertionError
        assert next(running, "end") == "end"
    """,
    """
    main
      stubborn
        ignored
    """,
)

PROGRAMS.add(
    "dropped",
    """
    kept = []

    def cleanup(): pass

    def guarded(n):
        try:
            yield n
        finally:
            cleanup()

    def never(): yield 1

    def first():
        for n in guarded(1):
            return n

    def keeps():
        kept.append(guarded(2))
        next(kept[0])

    def main():
        never()
        first()
        keeps()
        first()
    """,
    """
    main
      never raised  # until 3.11
      first
        guarded raised
          cleanup
      keeps
        guarded unfinished
      first
        guarded raised
          cleanup
    """,
)

PROGRAMS.add(
    "many_dropped_frames_of_one_address",
    """
    def numbers():
        yield 1
        yield 2

    def main():
        for _ in range(3):
            next(numbers())
            list(numbers())
    """,
    """
    main
      numbers CLOSED
      numbers
      numbers CLOSED
      numbers
      numbers CLOSED
      numbers
    """.replace("CLOSED", CLOSED),
)

PROGRAMS.add(
    "began_before_the_run",
    """
    def step(n): pass

    def numbers(n):
        for i in range(4):
            step(n)
            yield i

    one, other, left = numbers(1), numbers(2), numbers(3)
    next(one), next(other), next(left)

    def main():
        next(one)
        next(other)
        next(left)
        for _ in one: pass
        for _ in other: pass
        for _ in numbers(4): pass
    """,
    """
    main
      numbers
        step
        step
        step
      numbers
        step
        step
        step
      numbers unfinished
        step
      numbers
        step
        step
        step
        step
    """,
)

PROGRAMS.add(
    "interleaved",
    """
    def left(n): pass
    def right(n): pass

    def lefts():
        for n in range(3):
            left(n)
            yield n

    def rights():
        for n in range(3):
            right(n)
            yield n

    def pairs(one, other):
        for pair in zip(one, other):
            yield pair

    def main():
        for pair in pairs(lefts(), rights()):
            left(pair)
    """,
    """
    main
      pairs
        lefts
          left
          left
          left
        rights CLOSED
          right
          right
          right
      left
      left
      left
    """.replace("CLOSED", CLOSED),
)

PROGRAMS.add(
    "raises_in_the_middle",
    """
    def fails(): raise LookupError

    def numbers():
        yield 1
        fails()

    def expression(numbers): return (n for n in numbers)

    def main():
        try:
            list(expression(numbers()))
        except LookupError:
            pass
        bad = iter([1])
        def stops():
            yield next(bad)
            yield next(bad)
        try:
            list(stops())
        except RuntimeError:
            pass
    """,
    """
    main
      expression
      <genexpr> raised
        numbers raised
          fails raised
      stops raised
    """,
)

@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return PROGRAMS.record(tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_every_call_has_its_place_and_ending(name, recorded):
    assert recorded[name].story(module=name) == PROGRAMS.stories[name]


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_times_of_resumed_calls_add_up(name, recorded):
    for call in recorded[name].calls:
        if call["end_ns"] is not None:
            assert call["running_ns"] + call["suspended_ns"] == call["end_ns"] - call["start_ns"], call
