#!/usr/bin/env python3
"""The annotated hexdump of SPEC.md 9 as a file. `hexdump.py PROGRAM`: compares it with what PROGRAM (tests/c/spec_example.c) writes."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cptrace_oracle

SPEC = Path(__file__).resolve().parents[2] / "format" / "SPEC.md"
LINE = re.compile(r"^(\+?)([0-9a-f]{8})  ((?:[0-9a-f]{2} ?)+)(?:  |$)", re.M)
CONTEXT_LINE = re.compile(r"^context of .* xor \d+ *= (\d+)$", re.M)
CODED_LINE = re.compile(r"^(code|bits)  ((?:[0-9a-f]{2} ?)+) ", re.M)


def section_9():
    return SPEC.read_text(encoding="utf-8").split("## 9.")[1].split("## 10.")[0]


def coded_column():
    """The code and bits at the end of section 9."""
    lines = CODED_LINE.findall(section_9())
    return tuple(b"".join(bytes.fromhex(digits) for name, digits in lines if name == wanted) for wanted in ("code", "bits"))


def contexts_told():
    """Those of the events of block 2, in the table at the end of section 9."""
    return [int(number) for number in CONTEXT_LINE.findall(section_9())]


def hexdump():
    """The file of section 9, and the contents of its blocks."""
    data, contents = bytearray(), []
    for plus, offset, digits in LINE.findall(section_9()):
        offset = int(offset, 16)
        if plus and offset == 0:
            contents.append(bytearray())
        to = contents[-1] if plus else data
        assert offset == len(to), f"section 9: offset {offset:#x}, expected {len(to):#x}"
        to += bytes.fromhex(digits)
    return bytes(data), [bytes(content) for content in contents]


def main(program):
    data, contents = hexdump()
    told = cptrace_oracle.Trace(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "example.cptrace")
        subprocess.run([program, str(path)], check=True)
        written = path.read_bytes()
    trace = cptrace_oracle.Trace(written)
    assert [block["content"] for block in told.blocks] == contents, "section 9: a frame and its content differ"
    assert written[:80] == data[:80], "section 9: another header is written"
    # Frames may differ between versions of zstd; contents may not.
    assert [block["content"] for block in trace.blocks] == contents, "section 9: other contents are written"
    print("SPEC.md 9 is what the writer writes" + ("" if written == data else ", compressed by another version of zstd"))


if __name__ == "__main__":
    main(sys.argv[1])
