"""`@profile` and `block`: a run per call. The wrappers keep the kind of the function; their own frames never show in a trace."""

from __future__ import annotations

import atexit
import functools
import inspect
import os

from . import _classification as _classification  # configures the recorder
from . import _recorder
from ._settings import Settings

__all__ = ["block", "profile"]

_Run = _recorder.Run
_is_recording = _recorder.is_recording
_CALL, _DRIVEN, _BLOCK = _recorder.CALL, _recorder.DRIVEN, _recorder.BLOCK

atexit.register(_recorder.close_all)


def is_off() -> bool:
    return os.environ.get("CALLPROFILER", "").lower() in ("0", "off", "false", "no")


def profile(function=None, *, output_dir=None, quiet=None, name=None):
    """Records every run of the function: `@profile` or `@profile(output_dir=…)`.

    Works on functions, methods, static and class methods, coroutine functions, generators and async generators; each stays what it is.
    A recursive call within a run belongs to that run.

    output_dir: folder of the traces, made when missing (default: `CALLPROFILER_DIR`, else `.profile`).
    quiet: no line on stderr when a trace is saved (default: `CALLPROFILER_QUIET`).
    name: of the run and its file (default: the function's name).
    """
    if function is None:
        return functools.partial(profile, output_dir=output_dir, quiet=quiet, name=name)
    if is_off():
        return function
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(profile(function.__func__, output_dir=output_dir, quiet=quiet, name=name))
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"@profile needs a function, not {function!r}")
    shown = getattr(function, "__qualname__", None) or type(function).__qualname__
    settings = Settings(
        name or getattr(function, "__name__", None) or shown, "function", function=shown, output_dir=output_dir, quiet=quiet
    )
    return functools.wraps(function)(_wrapper_for(function)(function, settings))


def block(name, *, output_dir=None, quiet=None):
    """Records what happens in a `with` statement: `with callprofiler.block("load"): …`. `as run` gives the run; `run.path` is the trace."""
    if is_off():
        return _NothingRecorded()
    return _Run(Settings(str(name), "block", output_dir=output_dir, quiet=quiet), _BLOCK, True)


class _NothingRecorded:
    """What `block` gives when callprofiler is off."""

    path = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


def _wrapper_for(function):
    if inspect.iscoroutinefunction(function):
        return _wrap_coroutine_function
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator_function
    if inspect.isgeneratorfunction(function):
        return _wrap_generator_function
    return _wrap_function


def _wrap_function(function, settings):
    def wrapper(*args, **kwargs):
        if _is_recording(settings):
            return function(*args, **kwargs)
        with _Run(settings, _CALL, True):
            return function(*args, **kwargs)

    return wrapper


def _wrap_coroutine_function(function, settings):
    async def wrapper(*args, **kwargs):
        if _is_recording(settings):
            return await function(*args, **kwargs)
        with _Run(settings, _DRIVEN, True) as run:
            return await run.drive(function(*args, **kwargs))

    return wrapper


def _wrap_generator_function(function, settings):
    def wrapper(*args, **kwargs):
        if _is_recording(settings):
            return (yield from function(*args, **kwargs))
        with _Run(settings, _DRIVEN, False) as run:
            return (yield from run.drive(function(*args, **kwargs)))

    return wrapper


def _wrap_async_generator_function(function, settings):
    async def wrapper(*args, **kwargs):
        generator = function(*args, **kwargs)
        with _Run(settings, _DRIVEN, False) as run:
            step = generator.asend(None)
            while True:
                try:
                    value = await run.drive(step)
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    await run.drive(generator.aclose())
                    raise
                except BaseException as error:
                    step = generator.athrow(error)
                else:
                    step = generator.asend(sent)

    return wrapper
