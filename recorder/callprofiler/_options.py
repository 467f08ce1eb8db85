"""What `profile`, `block` and `callprofiler run` can be told, checked once, when the decorator is applied."""

from __future__ import annotations

import os

from . import _recorder

__all__ = ["Options"]

_UINT32_MAX = 2**32 - 1
_NO_LIMIT = 0


class Options:
    """The options of one decoration.

    output_dir: folder of the traces, made when missing (default: `CALLPROFILER_DIR`, else `.profile`).
    quiet: no line on stderr when a trace is saved (default: `CALLPROFILER_QUIET`).
    name: of the run and its file (default: the function's name).

    What is recorded:
    c_calls: calls of C code too (builtins, methods of C types, C extensions). Without them recording costs less.
    args: the arguments of each Python call, as text of at most 500 characters. Costs microseconds a call, and calls `repr`.
    threads: threads that the run starts, and those that they start.
    processes: child processes record too, into files of their own that carry this run's id.
    labels: dict of facts that the trace carries, such as {"git": "3f2a91c"}.

    What is left out, counted and summed up in the trace:
    max_depth: calls deeper than this.
    include, exclude: modules ("json" takes in json.decoder) or files ("*/migrations/*.py"); a pattern, or several. What an included
        function below an excluded one does is recorded.
    min_call: calls shorter than so many seconds, of plain functions.
    max_bytes: the trace stops when it is so large, and says so.

    Which runs are recorded, decided when they begin (the function then runs as if it were not decorated):
    every: each Nth call of the function, or block of that name, beginning with the first.
    probability: each call with this probability, from 0 to 1.

    Which runs are kept, decided when they end (the others leave no file):
    slower_than: those that took longer than so many seconds.
    keep: those for which keep(run) is true; run has `wall_ns`, `exception` (or None), `labels`.

    What comes after:
    on_saved: called with the path of the saved trace.
    html: renders the trace with `cp2html`, as a page beside it.
    """

    __slots__ = (
        "output_dir", "quiet", "name", "c_calls", "args", "threads", "processes", "labels", "max_depth", "include", "exclude", "min_call",
        "max_bytes", "every", "probability", "slower_than", "keep", "on_saved", "html",
    )  # fmt: skip

    def __init__(
        self, *, output_dir=None, quiet=None, name=None, c_calls=True, args=False, threads=False, processes=False, labels=None,
        max_depth=None, include=(), exclude=(), min_call=None, max_bytes=None, every=None, probability=None, slower_than=None, keep=None,
        on_saved=None, html=False,
    ):  # fmt: skip
        self.output_dir = _folder("output_dir", output_dir)
        self.quiet = quiet
        self.name = None if name is None else str(name)
        self.c_calls = bool(c_calls)
        self.args = bool(args)
        self.threads = bool(threads)
        self.processes = bool(processes)
        self.labels = _labels(labels)
        self.max_depth = _whole_number("max_depth", max_depth, _UINT32_MAX)
        self.include = _patterns("include", include)
        self.exclude = _patterns("exclude", exclude)
        self.min_call = _seconds("min_call", min_call)
        self.max_bytes = _whole_number("max_bytes", max_bytes, 2**63)
        self.every = _whole_number("every", every, 2**63)
        self.probability = _probability(probability)
        self.slower_than = _seconds("slower_than", slower_than)
        self.keep = _callable("keep", keep)
        self.on_saved = _callable("on_saved", on_saved)
        self.html = bool(html)

    @property
    def wants(self) -> tuple:
        """As the recorder takes them: run_object.c, take_wants."""
        return (
            self.c_calls,
            self.threads,
            self.processes,
            self.args,
            self.max_depth or _NO_LIMIT,
            _nanoseconds(self.min_call),
            self.max_bytes or _NO_LIMIT,
            self.include,
            self.exclude,
        )

    def gate(self, settings):
        """What decides, call by call, whether a run begins."""
        return _recorder.Gate(settings, self.every or 1, 1.0 if self.probability is None else float(self.probability))


def _whole_number(name, value, limit):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if not 1 <= value <= limit:
        raise ValueError(f"{name} must be from 1 to {limit}, not {value!r}")
    return value


def _seconds(name, value):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 <= value < 2**31:
        raise ValueError(f"{name} must be a number of seconds from 0 on, not {value!r}")
    return value


def _nanoseconds(seconds):
    return 0 if seconds is None else round(seconds * 1e9)


def _probability(value):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"probability must be a number, not {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"probability must be from 0 to 1, not {value!r}")
    return value


def _folder(name, value):
    if value is not None and not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {value!r}")
    return None if value is None else os.fspath(value)


def _labels(value) -> dict[str, str]:
    if value is None:
        return {}
    try:
        return {str(key): str(text) for key, text in dict(value).items()}
    except (TypeError, ValueError):
        raise TypeError(f"labels must be a dict, not {value!r}") from None


def _patterns(name, value) -> tuple[bytes, ...]:
    several = isinstance(value, (tuple, list, set, frozenset))
    return tuple(_pattern(name, pattern) for pattern in (value if several else (value,)))


def _pattern(name, value) -> bytes:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a pattern of modules or files, or several, not {value!r}")
    pattern = os.fsencode(value)
    if not pattern or b"\0" in pattern:
        raise ValueError(f"{name} must be a pattern of modules or files, not {value!r}")
    return pattern


def _callable(name, value):
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {value!r}")
    return value
