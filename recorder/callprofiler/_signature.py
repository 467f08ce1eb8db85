"""Wrappers that take exactly the parameters of the function that they wrap.

The interpreter binds them as it binds those of any function. To pack all into `*args, **kwargs` and out again costs three times as much: most of
what a decorated function that is not recorded would cost.
"""

from __future__ import annotations

import inspect
import keyword
import re
import types

__all__ = ["with_parameters_of"]

_PREFIX = "_callprofiler_"


def with_parameters_of(function, wrapper, source, values):
    """The wrapper, made anew from source: lines in which NAME, PARAMETERS and ARGUMENTS stand for those of the function, and `$name` for a value.

    They must be the lines that the wrapper was made from, so that a traceback shows the right ones. A function that is not of Python, or whose
    parameters have no proper names, gets the wrapper itself.
    """
    parameters = _parameters_of(function)
    if parameters is None:
        return wrapper
    name = function.__name__ if _is_name(function.__name__) else "wrapper"
    words = {"NAME": name, "PARAMETERS": parameters[0], "ARGUMENTS": parameters[1], "$": _PREFIX}
    text = re.sub("|".join(map(re.escape, words)), lambda word: words[word.group()], source.strip())
    scope = {_PREFIX + key: value for key, value in values.items()}
    code = wrapper.__code__
    exec(compile("\n" * (code.co_firstlineno - 1) + text, code.co_filename, "exec", dont_inherit=True), scope)
    made = scope[name]
    made.__code__ = made.__code__.replace(co_name=function.__code__.co_name)
    made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return made


def _is_name(text):
    return text.isidentifier() and not keyword.iskeyword(text) and not text.startswith(_PREFIX)


def _parameters_of(function):
    """How they are written in a definition and in a call, or None. What a default is does not matter: the wrapper gets the function's own."""
    if type(function) is not types.FunctionType:
        return None
    code = function.__code__
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    rest = iter(code.co_varnames[len(names) :])
    star = next(rest) if code.co_flags & inspect.CO_VARARGS else ""
    star_star = next(rest) if code.co_flags & inspect.CO_VARKEYWORDS else ""
    if not all(_is_name(name) for name in (*names, *filter(None, (star, star_star)))):
        return None
    positional, by_name = names[: code.co_argcount], names[code.co_argcount :]
    defaults_from = len(positional) - len(function.__defaults__ or ())
    defined = [f"{name}=None" if at >= defaults_from else name for at, name in enumerate(positional)]
    if code.co_posonlyargcount:
        defined.insert(code.co_posonlyargcount, "/")
    if star or by_name:
        defined.append(f"*{star}")
    defined += [f"{name}=None" if name in (function.__kwdefaults__ or {}) else name for name in by_name]
    passed = [*positional, *([f"*{star}"] if star else []), *(f"{name}={name}" for name in by_name)]
    if star_star:
        defined.append(f"**{star_star}")
        passed.append(f"**{star_star}")
    return ", ".join(defined), ", ".join(passed)
