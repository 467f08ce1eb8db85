"""`@profile` and `block`: a run per call. The wrappers keep the kind of the function; their own frames never show in a trace."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import types

from . import _classification as _classification  # configures the recorder
from . import _recorder
from ._options import Options
from ._settings import Settings
from ._signature import with_parameters_of

__all__ = ["block", "profile"]

_Run = _recorder.Run
_quietly = _recorder.quietly
_CALL, _DRIVEN, _BLOCK = _recorder.CALL, _recorder.DRIVEN, _recorder.BLOCK

atexit.register(_recorder.close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_recorder.before_fork, after_in_parent=_recorder.after_fork_in_parent, after_in_child=_recorder.follow_fork
    )


def is_off() -> bool:
    return os.environ.get("CALLPROFILER", "").lower() in ("0", "off", "false", "no")


def profile(function=None, **options):
    """Records every run of the function: `@profile` or `@profile(slower_than=0.5, …)`.

    Works on functions, methods, static and class methods, coroutine functions, generators and async generators; each stays what it is.
    A recursive call within a run belongs to that run.
    """
    return _quietly(_profile, function, options)


def _profile(function, options):
    checked = Options(**options)  # tells of a mistake here, where it was made
    if function is None:
        return functools.partial(profile, **options)
    if is_off():
        return function
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_profile(function.__func__, options))
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"@profile needs a function, not {function!r}")
    shown = getattr(function, "__qualname__", None) or type(function).__qualname__
    settings = Settings(checked.name or getattr(function, "__name__", None) or shown, "function", checked, function=shown)
    wrapper = _wrapper_for(function)(function, checked.gate(settings).passes_over, settings)
    return functools.wraps(function)(wrapper)


def block(name, **options):
    """Records what happens in a `with` statement: `with callprofiler.block("load"): …`, with the options of `profile`.

    `as run` gives the run: `run.path` is the trace, once it is saved.
    """
    return _quietly(_block, name, options)


def _block(name, options):
    name, checked = str(name), Options(**options)
    if is_off() or not _is_block_chosen(name, checked):
        return _NothingRecorded()
    return _Run(Settings(name, "block", checked), _BLOCK, True)


_BLOCK_NAMES_MAX = 4096
_block_gates: dict = {}  # what every= counts: the blocks of a name. Names made anew each time begin from the first again


def _is_block_chosen(name, options):
    if options.every is None and options.probability is None:
        return True
    key = (name, options.every, options.probability)
    if key not in _block_gates and len(_block_gates) >= _BLOCK_NAMES_MAX:
        _block_gates.clear()
    return not _block_gates.setdefault(key, options.gate(None)).passes_over()


def _with_options(first):
    """The signature that help() and editors show: `first`, then the options by name."""
    by_name = [option for option in inspect.signature(Options).parameters.values() if option.name != first.name]
    return inspect.Signature([first, *by_name])


profile.__doc__ += "\n".join(Options.__doc__.splitlines()[1:])
profile.__signature__ = _with_options(inspect.Parameter("function", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None))
block.__signature__ = _with_options(inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD))


class _NothingRecorded:
    """What `block` gives when callprofiler is off."""

    path = None
    labels: dict = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def label(self, key, value):
        return None


def _wrapper_for(function):
    if inspect.iscoroutinefunction(function):
        return _wrap_coroutine_function
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator_function
    if inspect.isgeneratorfunction(function):
        is_coroutine = function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE if hasattr(function, "__code__") else False
        return _wrap_generator_coroutine if is_coroutine else _wrap_generator_function
    return _wrap_function


def _wrap_function(function, passes_over, settings):
    def wrapper(*args, **kwargs):
        if passes_over():
            return function(*args, **kwargs)
        with _Run(settings, _CALL, True):
            return function(*args, **kwargs)

    source = """
def NAME(PARAMETERS):
    if $passes_over():
        return $function(ARGUMENTS)
    with $Run($settings, $CALL, True):
        return $function(ARGUMENTS)
"""
    values = {"function": function, "passes_over": passes_over, "settings": settings, "Run": _Run, "CALL": _CALL}
    return with_parameters_of(function, wrapper, source, values)


def _wrap_coroutine_function(function, passes_over, settings):
    async def wrapper(*args, **kwargs):
        if passes_over():
            return await function(*args, **kwargs)
        with _Run(settings, _DRIVEN, True) as run:
            return await run.drive(function(*args, **kwargs))

    source = """
async def NAME(PARAMETERS):
    if $passes_over():
        return await $function(ARGUMENTS)
    with $Run($settings, $DRIVEN, True) as $run:
        return await $run.drive($function(ARGUMENTS))
"""
    values = {"function": function, "passes_over": passes_over, "settings": settings, "Run": _Run, "DRIVEN": _DRIVEN}
    return with_parameters_of(function, wrapper, source, values)


def _wrap_generator_function(function, passes_over, settings):
    def wrapper(*args, **kwargs):
        if passes_over():
            return (yield from function(*args, **kwargs))
        with _Run(settings, _DRIVEN, False) as run:
            return (yield from run.drive(function(*args, **kwargs)))

    return wrapper


def _wrap_generator_coroutine(function, passes_over, settings):
    """Of `types.coroutine`: it can be awaited."""
    return types.coroutine(_wrap_generator_function(function, passes_over, settings))


def _wrap_async_generator_function(function, passes_over, settings):
    async def wrapper(*args, **kwargs):
        generator = function(*args, **kwargs)
        run = _NothingDriven() if passes_over() else _Run(settings, _DRIVEN, False)
        with run:
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


class _NothingDriven(_NothingRecorded):
    """A run that is not recorded, for what is driven step by step."""

    @staticmethod
    def drive(step):
        return step
