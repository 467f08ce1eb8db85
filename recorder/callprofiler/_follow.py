"""Imported by `callprofiler.pth` in a process whose parent records with processes=True: records this process until it ends."""

from __future__ import annotations

import os
import sys

from . import _recorder
from ._children import VARIABLE, told
from ._decorator import is_off
from ._options import Options
from ._settings import Settings

_HELPERS = ("multiprocessing.resource_tracker",)  # of the interpreter's own; they outlive the program


def start() -> None:
    if is_off() or any(helper in word for helper in _HELPERS for word in getattr(sys, "orig_argv", ())):
        return
    try:
        described = told(os.environ[VARIABLE])
        run_id, name = str(described.pop("run")), str(described.pop("name"))
        settings = Settings(name, "process", Options(processes=True, **described), parent_run=run_id)
    except (ValueError, TypeError, KeyError) as error:  # of another version, or somebody's own
        print(f"callprofiler: {VARIABLE} is not understood, this process is not recorded: {error}", file=sys.stderr)
        return
    global run  # it ends with the process
    run = _recorder.Run(settings, _recorder.CALL, True)
    run.__enter__()


start()
