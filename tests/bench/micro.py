"""The micro workloads: nothing but calls. Imports nothing, so that a process under valgrind starts soon."""


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def empty():
    pass


class Point:
    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x


def run_fib():
    fib(26)


def run_empty(count=500_000):
    for _ in range(count):
        empty()


def run_c_call(count=1_000_000):
    length, value = len, ()
    for _ in range(count):
        length(value)


def run_mixed(count=100_000):
    values = []
    for number in range(count):
        point = Point(number)
        values.append(point.get())
        isinstance(point, Point)
        max(number, 3)


MICRO = {"fib": run_fib, "empty": run_empty, "c_call": run_c_call, "mixed": run_mixed}
