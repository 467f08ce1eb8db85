"""processes=True, for children that are no forks: what they are to record is told by their environment while the run goes on.

`callprofiler.pth`, beside this package, has each Python process look for it when it starts (`_follow.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from . import _recorder

__all__ = ["VARIABLE", "finish_with_multiprocessing", "follow", "told", "unfollow"]

VARIABLE = "CALLPROFILER_PARENT"

_followed: list = []  # (settings, run id) of each run that goes on


def follow(settings, run_id: str) -> None:
    _followed.append((settings, run_id))
    _tell()


def unfollow(settings, run_id: str) -> None:
    if (settings, run_id) in _followed:
        _followed.remove((settings, run_id))
    _tell()


def _tell() -> None:
    """Without a lock, which a forked child could find held: whoever tells last has looked again, and it is true."""
    while True:
        innermost = _followed[-1:]
        if innermost:
            os.environ[VARIABLE] = _described(*innermost[0])
        else:
            with contextlib.suppress(KeyError):  # another thread was just doing the same
                os.environ.pop(VARIABLE, None)
        if innermost == _followed[-1:]:
            return


def _described(settings, run_id: str) -> str:
    options = settings.options
    folder = options.output_dir or os.environ.get("CALLPROFILER_DIR") or ".profile"
    return json.dumps(
        {
            "run": run_id,
            "name": settings.name,
            "output_dir": os.path.abspath(os.fsdecode(folder)),
            "quiet": options.quiet,
            "c_calls": options.c_calls,
            "args": options.args,
            "threads": options.threads,
            "labels": options.labels,
            "max_depth": options.max_depth,
            "include": [os.fsdecode(pattern) for pattern in options.include],
            "exclude": [os.fsdecode(pattern) for pattern in options.exclude],
            "min_call": options.min_call,
            "max_bytes": options.max_bytes,
        }
    )


_prepared_process = 0


def finish_with_multiprocessing() -> None:
    """A process of multiprocessing ends by `os._exit`, after its finalizers: runs that are open then are saved among them."""
    global _prepared_process
    if _prepared_process == os.getpid():
        return
    _prepared_process = os.getpid()
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _recorder.close_all, exitpriority=-100)


def told(text: str) -> dict:
    """What a parent told this process; ValueError when it is not that."""
    described = json.loads(text)
    if not isinstance(described, dict):
        raise ValueError("not an object")
    return described
