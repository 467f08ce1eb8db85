"""Tokenizes two modules of the standard library and compares their tokens: a generator that yields tens of thousands
of times, and tight loops over C functions.

    python examples/tokenize_difflib.py [SIZE]  SIZE: how many lines of each module (default 1500)
"""

import difflib
import io
import itertools
import os
import sys
import tokenize

from callprofiler import profile

LIBRARY = os.path.dirname(os.__file__)


def head(module, lines):
    with open(os.path.join(LIBRARY, module), encoding="utf-8") as file:
        return "".join(itertools.islice(file, lines))


def words(source):
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.string.strip() and token.type != tokenize.COMMENT:
                yield token.string
    except (tokenize.TokenError, SyntaxError):
        return  # the cut stands in the middle of a bracket or a string


def changes(old, new):
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [code for code in matcher.get_opcodes() if code[0] != "equal"]


@profile
def main(size):
    old, new = list(words(head("argparse.py", size))), list(words(head("optparse.py", size)))
    return len(old), len(new), len(changes(old, new))


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    print("%d and %d tokens, %d changes" % main(size))
