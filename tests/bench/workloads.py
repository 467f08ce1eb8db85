"""What the recorder's bench runs: four micro workloads, and the programs of examples/."""

import asyncio
import importlib.util
import inspect
import os
from pathlib import Path

from micro import MICRO

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# Sizes of some hundred thousand calls.
REAL = {
    "ast": ("ast_roundtrip", 1),
    "json": ("json_pure", 2500),
    "asyncio": ("asyncio_tree", 6),
    "tokenize": ("tokenize_difflib", 800),
}

NAMES = (*MICRO, *REAL)


def _load_example(name):
    """The example's module; its @profile leaves main as it is."""
    before = os.environ.get("CALLPROFILER")
    os.environ["CALLPROFILER"] = "0"
    try:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del os.environ["CALLPROFILER"]
        if before is not None:
            os.environ["CALLPROFILER"] = before
    getattr(module, "use_python_implementation", lambda: None)()
    return module


def load(name):
    """A function without parameters that runs the workload once."""
    if name in MICRO:
        return MICRO[name]
    example, size = REAL[name]
    module = _load_example(example)
    if inspect.iscoroutinefunction(module.main):
        return lambda: asyncio.run(module.main(size))
    return lambda: module.main(size)
