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
