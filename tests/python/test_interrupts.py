"""An exception that a signal handler raises while callprofiler's own code runs is the program's: it comes through."""

import pytest

PROGRAM = """
    import os, signal, sys
    from callprofiler import profile

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell leaves it ignored

    def interrupt(function):
        def interrupted(*arguments):
            signal.raise_signal(signal.SIGINT)
            return function(*arguments)
        return interrupted

    @profile
    def main():
        return 1

    {interrupt}
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted")
    {restore}
"""
MOMENTS = {
    "while it begins": ("true, os.getcwdb = os.getcwdb, interrupt(os.getcwdb)", "os.getcwdb = true"),
    "while it tells": ("true, sys.stderr.write = sys.stderr.write, interrupt(sys.stderr.write)", "sys.stderr.write = true"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_is_not_swallowed(moment, record):
    interrupt, restore = MOMENTS[moment]
    run = record(PROGRAM.replace("{interrupt}", interrupt).replace("{restore}", restore))
    assert run.stdout == "interrupted\n"


# The signal is raised by C code that calls f next: its handler runs at the very entry of f, and raises there.
AT_ENTRY = """
    import ctypes, functools, signal
    from callprofiler import profile

    class Interrupted(Exception): pass

    def leaf(): pass
    def handled(): pass

    def handler(number, frame):
        raise Interrupted

    raise_signal = ctypes.PyDLL(None)["raise"]

    def recursive(depth, result=None):
        if depth:
            try:
                functools.reduce(recursive, map(raise_signal, [int(signal.SIGUSR1)]), depth - 1)
            except Interrupted:
                handled()
        leaf()

    @profile(quiet=True)
    def main():
        recursive(1)
        leaf()

    signal.signal(signal.SIGUSR1, handler)
    main()
"""


def test_a_function_that_is_interrupted_as_it_begins(record, tree):
    """Some versions tell of its end and not of its beginning: the call that made it must not be taken for it."""
    found = tree(record(AT_ENTRY).trace)
    story = found.story().splitlines()
    assert [line for line in story if line.strip() not in ("recursive raised", "handler raised")] == [
        "main",
        "  recursive",
        "    handled",
        "    leaf",
        "  leaf",
    ]
    assert found.one("handler")["outcome"] == "raised"
