"""The ways in which the bench runs a workload: plain, under the null hook, recorded, and under other profilers that are installed.

Each mode is an object with start(), stop() and clear(); what happens in clear() is not measured. None of the others writes its result to disk
here, except trace0, which cannot but do so.
"""

import cProfile
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import callprofiler

from null_hook import NullHook

CPTRACE = Path(sys.executable).with_name("cptrace")


class Mode:
    sees_c_calls = True

    def __init__(self, folder):
        self.folder = folder

    def start(self):
        pass

    def stop(self):
        pass

    def clear(self):
        pass


class Plain(Mode):
    pass


class Null(Mode):
    kind = "null"

    def start(self):
        self.hook = NullHook(self.sees_c_calls, self.kind)
        self.hook.start()

    def stop(self):
        self.hook.stop()


class NullClock(Null):
    kind = "clock"


class NullStore(Null):
    kind = "store"


class NullRecord(Null):
    kind = "record"


class NullPython(Null):
    sees_c_calls = False


class Callprofiler(Mode):
    options = {}
    info = None  # of the last trace

    def start(self):
        self.run = callprofiler.block("bench", output_dir=self.folder, quiet=True, **self.options)
        self.run.__enter__()

    def stop(self):
        self.run.__exit__(None, None, None)

    def clear(self):
        self.info = read_info(self.run.path)
        self.path = self.run.path + ".last"
        os.replace(self.run.path, self.path)


class CallprofilerPython(Callprofiler):
    sees_c_calls = False
    options = {"c_calls": False}

    @staticmethod
    def is_possible():
        return "c_calls" in inspect.signature(callprofiler.block).parameters


class CProfile(Mode):
    def start(self):
        self.profiler = cProfile.Profile()
        self.profiler.enable()

    def stop(self):
        self.profiler.disable()


class Viztracer(Mode):
    def __init__(self, folder):
        from viztracer import VizTracer

        super().__init__(folder)
        self.tracer = VizTracer(verbose=0, tracer_entries=3_000_000)

    def start(self):
        self.tracer.start()

    def stop(self):
        self.tracer.stop()

    def clear(self):
        self.tracer.clear()


class Yappi(Mode):
    def start(self):
        import yappi

        yappi.set_clock_type("wall")
        yappi.start(builtins=True)

    def stop(self):
        import yappi

        yappi.stop()

    def clear(self):
        import yappi

        yappi.clear_stats()


class Trace0(Mode):
    sees_c_calls = False

    def start(self):
        from trace0 import Tracer

        self.path = os.path.join(self.folder, "trace0.pb")
        self.tracer = Tracer(self.path, trace_subprocesses=False)
        self.tracer.__enter__()

    def stop(self):
        self.tracer.__exit__(None, None, None)

    def clear(self):
        self.bytes = os.path.getsize(self.path)
        os.remove(self.path)


MODES = {
    "plain": Plain,
    "null": Null,
    "null_clock": NullClock,
    "null_store": NullStore,
    "null_record": NullRecord,
    "callprofiler": Callprofiler,
    "null_python": NullPython,
    "callprofiler_python": CallprofilerPython,
    "cProfile": CProfile,
    "viztracer": Viztracer,
    "yappi": Yappi,
    "trace0": Trace0,
}
REMARKS = {
    "null_clock": "a hook that reads the clock and does nothing else",
    "null_store": "a hook that stores the clock in a ring of 2 MiB, unasked and unread",
    "null_record": "one that also asks whether the thread is recorded, for the number of the function, and whether there is room",
    "viztracer": "its buffer holds all calls, in memory; writing them out is not measured",
    "yappi": "wall clock, with builtins; sums only, in memory",
    "trace0": "Python calls only, and figures are per Python call; set against our c_calls=False, where that is possible",
}
PEERS = ("cProfile", "viztracer", "yappi", "trace0")


def available(folder):
    """The modes that this interpreter and environment have, by name."""
    modes = {}
    for name, kind in MODES.items():
        if name in ("null_python", "callprofiler_python") and not CallprofilerPython.is_possible():
            continue
        try:
            modes[name] = kind(folder)
            modes[name].start()  # imports what it needs
            modes[name].stop()
            modes[name].clear()
        except ImportError:
            modes.pop(name, None)
    return modes


def read_info(path):
    """What `cptrace info` tells of a trace."""
    return json.loads(subprocess.run([CPTRACE, "info", "--json", path], stdout=subprocess.PIPE, check=True).stdout)
