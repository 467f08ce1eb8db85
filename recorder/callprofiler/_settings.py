"""What is to be recorded, under which name and where, and the facts that every trace carries about its process."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading

from . import _children, _recorder
from ._options import Options

__all__ = ["Settings"]

DEFAULT_DIRECTORY = ".profile"
WRITER = "callprofiler 0.1.0"
_NAME_MAX_BYTES = 150


def _bytes(text: object) -> bytes:
    return os.fsencode(text) if isinstance(text, (str, bytes)) else str(text).encode("utf-8", "replace")


def _file_name(name: str) -> bytes:
    """`name` as a file name on every system: letters, digits, `.`, `_` and `-`, and not too long."""
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._").encode("utf-8", "replace")[:_NAME_MAX_BYTES]
    return plain.decode("utf-8", "ignore").encode() or b"run"


_process_facts_found: list[tuple[bytes, bytes]] = []  # not functools.lru_cache: a child of a fork may find that one's lock held


def _process_facts() -> list[tuple[bytes, bytes]]:
    global _process_facts_found
    if not _process_facts_found:
        _process_facts_found = _find_process_facts()
    return _process_facts_found


def _find_process_facts() -> list[tuple[bytes, bytes]]:
    facts = {
        "writer": WRITER,
        "python": platform.python_version(),
        "python_build": " ".join(platform.python_build()),
        "implementation": sys.implementation.name,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "host": socket.gethostname(),
        "backend": _recorder.backend,
        "clock": _recorder.clock,
    }
    return [(key.encode(), _bytes(value)) for key, value in facts.items()]


class Settings:
    """How one decorated function (or block, or script) is recorded. One object per decoration: it is the identity of its runs."""

    __slots__ = ("name", "kind", "function", "options", "wants", "decides", "parent_run", "_constant_info")

    def __init__(self, name: str, kind: str, options: Options, *, function: str = "", parent_run: str = ""):
        self.name = name
        self.kind = kind
        self.function = function
        self.options = options
        self.parent_run = parent_run
        self.wants = options.wants
        self.decides = options.keep is not None or options.slower_than is not None
        self._constant_info = None

    def begin(self) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], tuple]:
        """Folder, file name and info pairs of a run that starts now, and what it wants. Called by the recorder."""
        _children.finish_with_multiprocessing()
        if self._constant_info is None:
            self._constant_info = self._facts() + _process_facts()
        folder = self.options.output_dir or os.environ.get("CALLPROFILER_DIR") or DEFAULT_DIRECTORY
        now = [(b"pid", b"%d" % os.getpid()), (b"cwd", _current_directory()), (b"thread", _bytes(threading.current_thread().name))]
        argv = [(b"argv", _bytes(argument)) for argument in getattr(sys, "argv", ())]
        return os.path.abspath(os.fsencode(folder)), _file_name(self.name), self._constant_info + now + argv, self.wants

    def _facts(self) -> list[tuple[bytes, bytes]]:
        facts = [(b"name", _bytes(self.name)), (b"kind", self.kind.encode()), (b"function", _bytes(self.function))]
        if self.parent_run:
            facts.append((b"parent_run", self.parent_run.encode()))
        facts += [(b"option:" + name.encode(), value) for name, value in _shown_options(self.options)]
        return facts + [(_bytes(f"label:{key}"), _bytes(value)) for key, value in self.options.labels.items()]

    def keeps(self, run) -> bool:
        """Whether a run that has ended is kept. Called by the recorder, when `decides` is true."""
        if self.options.slower_than is not None and run.wall_ns <= self.options.slower_than * 1e9:
            return False
        return self.options.keep is None or bool(self.options.keep(run))

    def saved(self, run) -> None:
        """A run was saved. Called by the recorder."""
        if not self._is_quiet():
            print(f"[callprofiler] Trace saved to {_shown(run.path)}", file=sys.stderr)
        if self.options.html:
            _render(run.path, self._is_quiet())
        if self.options.on_saved is not None:
            self.options.on_saved(run.path)

    def follows(self, run_id: str, goes_on: bool) -> None:
        """A run that takes in child processes has begun, or is over. Called by the recorder."""
        (_children.follow if goes_on else _children.unfollow)(self, run_id)

    def _is_quiet(self) -> bool:
        if self.options.quiet is not None:
            return self.options.quiet
        return os.environ.get("CALLPROFILER_QUIET", "") not in ("", "0")


_TOLD_OPTIONS = ("c_calls", "args", "threads", "processes", "max_depth", "include", "exclude", "min_call", "max_bytes", "every", "probability")
_DEFAULT_OPTIONS = Options()


def _shown_options(options: Options):
    """What differs from the default, of what changes the trace: a reader must know what was left out."""
    for name in _TOLD_OPTIONS:
        value = getattr(options, name)
        if value == getattr(_DEFAULT_OPTIONS, name):
            continue
        if isinstance(value, tuple):
            for pattern in value:
                yield name, pattern
        else:
            yield name, str(value).encode()


def _shown(path: str) -> str:
    """Relative to the current directory when it lies below it, as the user would type it."""
    try:
        below = os.path.join(os.getcwd(), "")
    except OSError:  # deleted
        return path
    return path[len(below) :] if path.startswith(below) else path


def _render(path: str, is_quiet: bool) -> None:
    """A page beside the trace, by the cp2html that was installed with this package."""
    page = os.path.splitext(path)[0] + ".html"
    subprocess.run([_tool("cp2html"), "-q", path, "-o", page], check=True, stdin=subprocess.DEVNULL)
    if not is_quiet:
        print(f"[callprofiler] Page saved to {_shown(page)}", file=sys.stderr)


def _tool(name: str) -> str:
    beside = os.path.join(sysconfig.get_path("scripts"), name)
    found = beside if os.path.exists(beside) else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not installed beside this Python, nor on PATH")
    return found


def _current_directory() -> bytes:
    try:
        return os.getcwdb()
    except OSError:  # deleted
        return b""
