"""Reads what `valgrind --tool=callgrind` writes: the cost of each function, alone and with all that it calls, and of each source line."""

import re
from collections import Counter

_NAME = re.compile(r"\((\d+)\)(?: (.*))?$")
_POSITION = re.compile(r"([+-]?)(\d+)$")


class CallgrindFile:
    """One thread of one process. Costs are instructions."""

    def __init__(self, path):
        self.total = 0
        self.of_function = Counter()  # alone
        self.with_callees = Counter()
        self.of_line = Counter()  # (file, line), inlined code where it is written
        self._names = {}
        self._read(path)

    def _name(self, kind, text):
        """Names are told once, then by number; files and functions are numbered apart."""
        number, name = _NAME.match(text).groups()
        if name is not None:
            self._names[kind, number] = name
        return self._names[kind, number]

    def _read(self, path):
        function = file = None
        line = 0
        is_call = False
        with open(path, encoding="utf-8", errors="replace") as lines:
            for text in lines:
                text = text.rstrip("\n")
                if not text or text[0] == "#":
                    continue
                key, equals, value = text.partition("=")
                if equals and key in ("fl", "fi", "fe"):
                    file = self._name("file", value)
                elif equals and key in ("cfi", "cfl"):
                    self._name("file", value)
                elif equals and key == "fn":
                    function = self._name("function", value)
                elif equals and key == "cfn":
                    self._name("function", value)
                elif equals and key in ("ob", "cob"):
                    self._name("object", value)
                elif equals and key == "calls":
                    is_call = True
                elif text[0] in "+-*0123456789":
                    position, cost = (text.split() + ["0"])[:2]
                    line = self._line(line, position)
                    self._add(function, file, line, int(cost), is_call)
                    is_call = False

    @staticmethod
    def _line(before, position):
        if position == "*":
            return before
        sign, number = _POSITION.match(position).groups()
        return before + int(number) if sign == "+" else before - int(number) if sign == "-" else int(number)

    def _add(self, function, file, line, cost, is_call):
        self.with_callees[function] += cost
        if not is_call:
            self.of_function[function] += cost
            self.of_line[file, line] += cost
            self.total += cost
