"""Parses large modules of the standard library and writes them out again from their syntax trees: deep recursion,
many small methods, a few million calls.

    python examples/ast_roundtrip.py [SIZE]     SIZE: how many modules, largest first (default 6)
"""

import ast
import os
import sys

from callprofiler import profile

LIBRARY = os.path.dirname(os.__file__)


def largest_modules(count):
    modules = [entry for entry in os.scandir(LIBRARY) if entry.name.endswith(".py") and entry.is_file()]
    modules.sort(key=lambda entry: (-entry.stat().st_size, entry.name))
    return [entry.path for entry in modules[:count]]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def roundtrip(source):
    tree = ast.parse(source)
    again = ast.parse(ast.unparse(tree))
    if ast.dump(tree) != ast.dump(again):
        raise AssertionError("the tree changed on its way through text")
    return sum(1 for _ in ast.walk(tree))


@profile
def main(size):
    return sum(roundtrip(read(path)) for path in largest_modules(size))


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    print(f"{main(size)} syntax nodes came through unchanged")
