"""The process that instructions.py counts: MODE WORKLOAD SIZE FOLDER. Imports as little as it can."""

import sys

import micro

RUNS = {"fib": micro.fib, "empty": micro.run_empty, "c_call": micro.run_c_call}


def main(mode, run, size, folder):
    run(3)
    if mode == "null":
        from null_hook import NullHook

        hook = NullHook()
        hook.start()
        run(size)
        hook.stop()
    elif mode == "callprofiler":
        import callprofiler

        with callprofiler.block("bench", output_dir=folder, quiet=True):
            run(size)
    else:
        run(size)


main(sys.argv[1], RUNS[sys.argv[2]], int(sys.argv[3]), sys.argv[4])
