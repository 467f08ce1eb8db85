"""args=True: the arguments of a call as text. Called by the recorder for each call, muted: nothing of this is in the trace."""

from __future__ import annotations

import reprlib
import sys

__all__ = ["describe"]

_TEXT_MAX = 500
_VALUE_MAX = 120
_VARIADIC = 0x04
_KEYWORDS = 0x08
_LOCALS_ARE_COPIED = sys.version_info < (3, 13)

_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxstring = _short.maxother = _short.maxlong = _VALUE_MAX


def describe(frame) -> bytes:
    """`a=1, b='x', *rest=(2,)` of the frame's arguments, cut at 500 characters."""
    code = frame.f_code
    if not code.co_argcount + code.co_kwonlyargcount and not code.co_flags & (_VARIADIC | _KEYWORDS):
        return b""
    values = frame.f_locals
    try:
        return _described(code, values).encode("utf-8", "replace")
    finally:
        if _LOCALS_ARE_COPIED:
            values.clear()  # the frame keeps the copy: what the program deletes would live on in it


def _described(code, values) -> str:
    parts, length = [], 0
    for prefix, name in _names(code):
        if name not in values:
            continue  # it is in a cell that is empty still
        part = f"{prefix}{name}={_value(values[name])}"
        parts.append(part)
        length += len(part) + 2
        if length > _TEXT_MAX:
            break
    text = ", ".join(parts)
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def _names(code):
    plain = code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[:plain]:
        yield "", name
    if code.co_flags & _VARIADIC:
        yield "*", code.co_varnames[plain]
        plain += 1
    if code.co_flags & _KEYWORDS:
        yield "**", code.co_varnames[plain]


def _value(value) -> str:
    try:
        text = _short.repr(value)
    except Exception as error:  # a repr of the program's: of an object that is still being made, most often
        return f"<{type(value).__qualname__}, its repr raised {type(error).__qualname__}>"
    return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"
