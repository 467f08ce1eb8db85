"""Builds and loads null_hook.c for the Python that runs: once, into build/bench of the source tree."""

import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"

# As backend_monitoring.c has them; C_RETURN and C_RAISE come with CALL.
PYTHON_EVENTS = ("PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD", "PY_UNWIND")
C_EVENTS = ("CALL", "C_RETURN", "C_RAISE")
# The record hook is one for each kind of event; the others take them all.
RECORD_HOOKS = {
    **dict.fromkeys(("PY_START", "PY_RESUME", "PY_THROW"), "record_enter"),
    **dict.fromkeys(("PY_RETURN", "PY_YIELD", "PY_UNWIND"), "record_leave"),
    **dict.fromkeys(("C_RETURN", "C_RAISE"), "record_c_end"),
    "CALL": "record_c_call",
}
TOOL_ID = 4


def _compile(module):
    import shlex
    import subprocess

    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[:1]
    includes = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    shared = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    unfinished = module.with_name(f"{module.name}.{os.getpid()}")
    command = [*compiler, "-O2", "-g", "-fPIC", *shared, *(f"-I{path}" for path in includes), str(SOURCE), "-o", str(unfinished)]
    subprocess.run(command, check=True)
    unfinished.replace(module)


def load():
    """The extension module; with the hooks `null`, `clock`, `store` and `record_…` on 3.12 and later, with start(name of the hook) and stop() before."""
    module = FOLDER / f"null_hook{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not module.exists() or module.stat().st_mtime < SOURCE.stat().st_mtime:
        FOLDER.mkdir(parents=True, exist_ok=True)
        _compile(module)
    spec = importlib.util.spec_from_loader("null_hook", importlib.machinery.ExtensionFileLoader("null_hook", str(module)))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class NullHook:
    """On between start() and stop(), for Python and C calls or for Python calls only; `kind`: null, clock, store or record."""

    def __init__(self, c_calls=True, kind="null"):
        self.module = load()
        self.c_calls, self.kind = c_calls, kind

    def start(self):
        if hasattr(self.module, "start"):
            self.module.start(self.kind)
            return
        self.module.set_recorded(self.kind == "record")
        monitoring = sys.monitoring
        monitoring.use_tool_id(TOOL_ID, "null hook")
        wanted = PYTHON_EVENTS + (C_EVENTS if self.c_calls else ())
        for name in wanted:
            hook = RECORD_HOOKS[name] if self.kind == "record" else self.kind
            monitoring.register_callback(TOOL_ID, getattr(monitoring.events, name), getattr(self.module, hook))
        wanted_bits = (getattr(monitoring.events, name) for name in wanted if name not in ("C_RETURN", "C_RAISE"))
        monitoring.set_events(TOOL_ID, sum(wanted_bits))

    def stop(self):
        if hasattr(self.module, "start"):
            self.module.stop()
            return
        sys.monitoring.set_events(TOOL_ID, 0)
        sys.monitoring.free_tool_id(TOOL_ID)
