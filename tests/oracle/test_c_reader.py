"""The C reader takes the events blocks of test_events.py as the oracle does: the right ones and the wrong ones.

Environment: CPTRACE, the program cptrace. The frames are made by the zstd command."""

import os
import shutil
import struct
import subprocess

import pytest

import agreement
import cptrace_oracle
from events_encoder import varint
from test_events import RIGHT, WRONG, header

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CPTRACE"), reason="CPTRACE is not set"),
    pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the frames"),
]

DAMAGED, CUT = 3, 4  # exit codes of cptrace check; a trace without end is cut
FUNCTION, LANE = bytes([0, 0, 0, 0, 0, 1, 0]), bytes([1, 0, 0])
DEFINITIONS = b"\1\0" + b"\0\0" + b"\0\3" + FUNCTION * 3 + b"\0\1" + LANE + b"\0\0"


def trace_of(events, folder):
    """A file with three functions and a lane, as those of test_events.py are."""
    data = header(2)
    for sequence, (kind, body) in enumerate(((1, varint(0)), (2, DEFINITIONS), (3, events))):
        content = folder / str(sequence)
        content.write_bytes(struct.pack("<III", kind, 7, sequence) + body)
        subprocess.run(["zstd", "-q", str(content)], check=True)
        data += content.with_suffix(".zst").read_bytes()
    path = folder / "events.cptrace"
    path.write_bytes(data)
    return path


def checked(path):
    process = subprocess.run([os.environ["CPTRACE"], "check", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return process.returncode, process.stdout


@pytest.mark.parametrize("name", RIGHT)
def test_right_blocks(name, tmp_path):
    path = trace_of(RIGHT[name], tmp_path)
    code, told = checked(path)
    assert code == CUT, told
    assert list(agreement.differences(cptrace_oracle.Trace(path.read_bytes()), path, os.environ["CPTRACE"])) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_blocks(name, tmp_path):
    code, told = checked(trace_of(WRONG[name][0], tmp_path))
    assert code == DAMAGED, told
