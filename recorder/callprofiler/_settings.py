"""What is to be recorded, under which name and where, and the facts that every trace carries about its process."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
import threading

from . import _recorder

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


def _process_facts() -> list[tuple[bytes, bytes]]:
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

    __slots__ = ("name", "kind", "function", "output_dir", "quiet")

    _facts: list[tuple[bytes, bytes]] | None = None

    def __init__(self, name: str, kind: str, *, function: str = "", output_dir=None, quiet: bool | None = None):
        self.name = name
        self.kind = kind
        self.function = function
        self.output_dir = None if output_dir is None else os.fspath(output_dir)
        self.quiet = quiet

    def begin(self) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
        """Folder, file name and info pairs of a run that starts now. Called by the recorder."""
        if Settings._facts is None:
            Settings._facts = _process_facts()
        folder = self.output_dir or os.environ.get("CALLPROFILER_DIR") or DEFAULT_DIRECTORY
        own = [(b"name", _bytes(self.name)), (b"kind", self.kind.encode()), (b"function", _bytes(self.function))]
        now = [(b"pid", b"%d" % os.getpid()), (b"cwd", _current_directory()), (b"thread", _bytes(threading.current_thread().name))]
        argv = [(b"argv", _bytes(argument)) for argument in getattr(sys, "argv", ())]
        return os.path.abspath(os.fsencode(folder)), _file_name(self.name), own + now + argv + Settings._facts

    def saved(self, path: str) -> None:
        """A run was saved. Called by the recorder."""
        if not self._is_quiet():
            print(f"[callprofiler] Trace saved to {self._shown(path)}", file=sys.stderr)

    def _is_quiet(self) -> bool:
        if self.quiet is not None:
            return self.quiet
        return os.environ.get("CALLPROFILER_QUIET", "") not in ("", "0")

    @staticmethod
    def _shown(path: str) -> str:
        """Relative to the current directory when it lies below it, as the user would type it."""
        below = os.path.join(os.getcwd(), "")
        return path[len(below) :] if path.startswith(below) else path


def _current_directory() -> bytes:
    try:
        return os.getcwdb()
    except OSError:  # deleted
        return b""
