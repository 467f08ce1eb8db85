"""A decorated function binds its arguments as it did: the wrapper is made with its very parameters."""

SIGNATURES = """
    import inspect, traceback
    from callprofiler import profile

    marker = object()

    def none(): return ()
    def one(a): return (a,)
    def defaults(a, b=marker, c=None): return (a, b, c)
    def positional_only(a, b=2, /, c=3): return (a, b, c)
    def by_name(a, *, b, c=marker): return (a, b, c)
    def star(a, *rest, b=1): return (a, rest, b)
    def both(*args, **kwargs): return (args, kwargs)
    def all_kinds(a, b=1, /, c=2, *rest, d, e=marker, **more): return (a, b, c, rest, d, e, more)
    def hostile(NAME, PARAMETERS=1, *ARGUMENTS, function=2, passes_over=3, **wrapper): return (NAME, PARAMETERS, ARGUMENTS, function, wrapper)
    def unsafe(_callprofiler_function, b=marker): return (_callprofiler_function, b)
    def NAME(self, args, kwargs=()): return (self, args, kwargs)
    anonymous = lambda a, b=marker: (a, b)
    async def coroutine(a, b=marker, *rest, c=1): return (a, b, rest, c)
    class Odd:
        def method(self, a, b=marker): return (a, b)
    unbound = Odd.method
    renamed = eval("lambda a: (a,)")
    renamed.__name__ = "not a name"

    CALLS = [
        lambda f: f(), lambda f: f(1), lambda f: f(1, 2), lambda f: f(1, 2, 3), lambda f: f(1, 2, 3, 4), lambda f: f(a=1), lambda f: f(1, b=2),
        lambda f: f(1, b=2, c=3), lambda f: f(1, d=4), lambda f: f(1, 2, 3, 4, d=5, x=6), lambda f: f(*range(3), **{"b": 7}),
        lambda f: f(1, unknown=2), lambda f: f(NAME=1, ARGUMENTS=2, wrapper=3), lambda f: f(_callprofiler_function=1),
    ]

    def outcome(function, call):
        try:
            result = call(function)
            if inspect.iscoroutine(result):
                try:
                    result.send(None)
                except StopIteration as stop:
                    result = stop.value
        except TypeError as error:
            return str(error)
        return result

    functions = [none, one, defaults, positional_only, by_name, star, both, all_kinds, hostile, unsafe, NAME, anonymous, coroutine, unbound, renamed]
    for options in ({}, {"every": 1000}):
        for function in functions:
            decorated = profile(quiet=True, **options)(function)
            assert inspect.signature(decorated) == inspect.signature(function)
            assert decorated.__name__ == function.__name__ and decorated.__qualname__ == function.__qualname__
            assert inspect.iscoroutinefunction(decorated) == inspect.iscoroutinefunction(function)
            for n, call in enumerate(CALLS):
                expected, found = outcome(function, call), outcome(decorated, call)
                assert expected == found, (function, n, expected, found)
    """


def test_arguments_are_bound_as_before(record):
    record(SIGNATURES)


def test_tracebacks_show_the_lines_of_the_wrapper(record):
    run = record(
        """
    import traceback
    from callprofiler import profile

    @profile(quiet=True)
    def fails(a, b=1):
        raise ValueError(a)

    @profile(quiet=True, every=2)
    def not_recorded(a):
        fails(a)

    for n in range(2):
        try:
            not_recorded(n)
        except ValueError as error:
            lines = [(frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
            assert lines == [
                ("<module>", "not_recorded(n)"), ("not_recorded", "return function(*args, **kwargs)"), ("not_recorded", "fails(a)"),
                ("fails", "return function(*args, **kwargs)"), ("fails", "raise ValueError(a)"),
            ], lines
    """
    )
    assert len(run.traces_of("fails")) == 2 and len(run.traces_of("not_recorded")) == 1


def test_methods_and_super(record):
    run = record(
        """
    from callprofiler import profile

    class Base:
        def value(self, a, *, b=1): return a + b

    class Derived(Base):
        @profile(quiet=True)
        def value(self, a, *, b=1):
            return super().value(a, b=b) * 10

        @profile(quiet=True)
        @classmethod
        def make(cls, n=3): return cls().value(n)

        @staticmethod
        @profile(quiet=True)
        def twice(n, /): return 2 * n

    assert Derived().value(1, b=2) == 30 and Derived.make() == 40 and Derived.twice(4) == Derived().twice(4) == 8
    """
    )
    assert len(run.traces_of("value")) == 2 and len(run.traces_of("make")) == 1 and len(run.traces_of("twice")) == 2
