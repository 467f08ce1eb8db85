"""The C reader takes the events blocks of test_events.py as the oracle does: the right ones, the wrong ones, and right ones with one byte changed.

Environment: CPTRACE, the program cptrace. The frames are made by the zstd command."""

import os
import random
import shutil
import struct
import subprocess

import pytest

import agreement
import cptrace_oracle
from events_encoder import varint
from test_events import RIGHT, WRONG, header, read

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CPTRACE"), reason="CPTRACE is not set"),
    pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the frames"),
]

DAMAGED, CUT = 3, 4  # exit codes of cptrace check; a trace without end is cut
LANE_COUNT = 100
FUNCTION, LANE = bytes([0, 0, 0, 0, 0, 1, 0]), bytes([1, 0, 0])
DEFINITIONS = b"\1\0" + b"\0\0" + b"\0\3" + FUNCTION * 3 + b"\0" + varint(LANE_COUNT) + LANE * LANE_COUNT + b"\0\0"


def trace_of(bodies, folder):
    """A file with three functions, as those of test_events.py are, and each body on a lane of its own."""
    blocks = [(1, varint(0)), (2, DEFINITIONS)] + [(3, struct.pack("<I", lane) + body[4:]) for lane, body in enumerate(bodies)]
    paths = [folder / str(sequence) for sequence in range(len(blocks))]
    for sequence, (kind, body) in enumerate(blocks):
        paths[sequence].write_bytes(struct.pack("<III", kind, 7, sequence) + body)
    subprocess.run(["zstd", "-q", *map(str, paths)], check=True)
    trace = folder / "events.cptrace"
    trace.write_bytes(header(2) + b"".join(path.with_suffix(".zst").read_bytes() for path in paths))
    return trace


def checked(path):
    process = subprocess.run([os.environ["CPTRACE"], "check", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return process.returncode, process.stdout


@pytest.mark.parametrize("name", RIGHT)
def test_right_blocks(name, tmp_path):
    path = trace_of([RIGHT[name]], tmp_path)
    code, told = checked(path)
    assert code == CUT, told
    assert list(agreement.differences(cptrace_oracle.Trace(path.read_bytes()), path, os.environ["CPTRACE"])) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_blocks(name, tmp_path):
    code, told = checked(trace_of([WRONG[name][0]], tmp_path))
    assert code == DAMAGED, told


def changed(body, choose):
    """One byte behind the fields of fixed size is another, or missing, or one more is there."""
    at, byte, longer = choose.randrange(52, len(body)), choose.choice([0, 1, 2, 16, 17, 18, 255, choose.randrange(256)]), choose.choice([-1, 0, 1])
    return body[:at] + bytes([byte])[: 1 + longer] + body[at + (longer < 1) :]


def oracle_takes(body):
    """None: the C reader may, since a damaged file may have lost what defines the function."""
    try:
        read(body)
    except cptrace_oracle.SpecError as error:
        return None if "function that nothing defines" in str(error) else False
    return True


@pytest.mark.parametrize("seed", range(30))
def test_changed_blocks(seed, tmp_path):
    choose = random.Random(seed)
    small = sorted(body for body in RIGHT.values() if len(body) < 200)
    bodies = [changed(choose.choice(small), choose) for _ in range(LANE_COUNT)]
    words = [os.environ["CPTRACE"], "dump", "--no-events", str(trace_of(bodies, tmp_path))]
    process = subprocess.run(words, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    assert process.returncode == CUT, "damage does not stop a dump"
    lines = [agreement.parse_line(line) for line in process.stdout.splitlines()]
    taken = {fields["lane"] for _, _, kind, fields in lines if kind == "events"}
    assert taken, "the changes leave some blocks right"
    for lane, body in enumerate(bodies):
        assert oracle_takes(body) in (None, lane in taken), (lane, body.hex(" "))
