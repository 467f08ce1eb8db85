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
from test_events import BLOCKS, RIGHT, RIGHT_OF_VERSION_2, WRONG, WRONG_OF_VERSION_2, header, read, right_block

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CPTRACE"), reason="CPTRACE is not set"),
    pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the frames"),
]

DAMAGED, CUT = 3, 4  # exit codes of cptrace check; a trace without end is cut
LANE_COUNT = 100
FUNCTION, LANE = bytes([0, 0, 0, 0, 0, 1, 0]), bytes([1, 0, 0])
DEFINITIONS = b"\1\0" + b"\0\0" + b"\0\3" + FUNCTION * 3 + b"\0" + varint(LANE_COUNT) + LANE * LANE_COUNT + b"\0\0"


def trace_of(bodies, version, folder):
    """A file with three functions, as those of test_events.py are, and each body on a lane of its own."""
    blocks = [(1, varint(0)), (2, DEFINITIONS)] + [(3, struct.pack("<I", lane) + body[4:]) for lane, body in enumerate(bodies)]
    paths = [folder / str(sequence) for sequence in range(len(blocks))]
    for sequence, (kind, body) in enumerate(blocks):
        paths[sequence].write_bytes(struct.pack("<III", kind, 7, sequence) + body)
    subprocess.run(["zstd", "-q", *map(str, paths)], check=True)
    trace = folder / "events.cptrace"
    trace.write_bytes(header(version) + b"".join(path.with_suffix(".zst").read_bytes() for path in paths))
    return trace


def checked(path):
    process = subprocess.run([os.environ["CPTRACE"], "check", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return process.returncode, process.stdout


@pytest.mark.parametrize("version, name", BLOCKS)
def test_right_blocks(version, name, tmp_path):
    path = trace_of([right_block(version, name)], version, tmp_path)
    code, told = checked(path)
    assert code == CUT, told
    assert list(agreement.differences(cptrace_oracle.Trace(path.read_bytes()), path, os.environ["CPTRACE"])) == []


@pytest.mark.parametrize("version, name", [(3, name) for name in WRONG] + [(2, name) for name in WRONG_OF_VERSION_2])
def test_wrong_blocks(version, name, tmp_path):
    body, _ = (WRONG if version == 3 else WRONG_OF_VERSION_2)[name]
    code, told = checked(trace_of([body], version, tmp_path))
    assert code == DAMAGED, told


def changed(body, choose):
    """One byte behind the fields of fixed size is another, or missing, or one more is there."""
    at, byte, longer = choose.randrange(52, len(body)), choose.choice([0, 1, 2, 16, 17, 18, 255, choose.randrange(256)]), choose.choice([-1, 0, 1])
    return body[:at] + bytes([byte])[: 1 + longer] + body[at + (longer < 1) :]


def oracle_takes(body, version):
    """None: the C reader may, since a damaged file may have lost what defines the function."""
    try:
        read(body, version)
    except cptrace_oracle.SpecError as error:
        return None if "function that nothing defines" in str(error) else False
    return True


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("seed", range(30))
def test_changed_blocks(seed, version, tmp_path):
    choose = random.Random(seed)
    small = sorted(body for body in (RIGHT if version == 3 else RIGHT_OF_VERSION_2).values() if len(body) < 250)
    bodies = [changed(choose.choice(small), choose) for _ in range(LANE_COUNT)]
    words = [os.environ["CPTRACE"], "dump", "--no-events", str(trace_of(bodies, version, tmp_path))]
    process = subprocess.run(words, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    assert process.returncode == CUT, "damage does not stop a dump"
    lines = [agreement.parse_line(line) for line in process.stdout.splitlines()]
    taken = {fields["lane"] for _, _, kind, fields in lines if kind == "events"}
    assert taken, "the changes leave some blocks right"
    for lane, body in enumerate(bodies):
        assert oracle_takes(body, version) in (None, lane in taken), (lane, body.hex(" "))
