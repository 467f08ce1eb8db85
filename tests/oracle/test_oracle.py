"""SPEC.md 9 is what the writer writes and what the oracle reads; the oracle and the C reader agree; the oracle sees damage.

Environment: SPEC_EXAMPLE, the program of tests/c that writes the file of section 9; CPTRACE, the program cptrace; TRACES, more
traces to compare, separated by spaces. Tests whose program is not given are skipped."""

import os
import subprocess
from pathlib import Path

import pytest

import agreement
import cptrace_oracle
from hexdump import hexdump

@pytest.fixture(scope="module")
def example():
    return hexdump()[0]


@pytest.fixture
def written(tmp_path):
    program = os.environ.get("SPEC_EXAMPLE")
    if not program:
        pytest.skip("SPEC_EXAMPLE is not set")
    path = tmp_path / "example.cptrace"
    subprocess.run([program, str(path)], check=True)
    return path


def test_the_hexdump_is_a_trace():
    data, contents = hexdump()
    trace = cptrace_oracle.Trace(data)
    assert [block["content"] for block in trace.blocks] == contents
    assert [event[:2] for event in trace.blocks[2]["events"]] == [
        ("call", 1010), ("call", 1015), ("unwind", 1315), ("call", 1316), ("return", 1318), ("start", 1320),
        ("suspend", 1324), ("resume", 1330), ("suspend", 1333), ("return", 1340),
    ]  # fmt: skip
    assert trace.end["events"] == 10 and trace.index == [10, 4, 3, 1, 1]


def test_the_hexdump_is_what_the_writer_writes(written):
    data, contents = hexdump()
    trace = cptrace_oracle.Trace(written.read_bytes())
    assert written.read_bytes()[:80] == data[:80]
    # Frames may differ between versions of zstd; contents may not.
    assert [block["content"] for block in trace.blocks] == contents


def test_cptrace_agrees_with_the_oracle(written):
    cptrace = os.environ.get("CPTRACE")
    if not cptrace:
        pytest.skip("CPTRACE is not set")
    for path in [written, *map(Path, os.environ.get("TRACES", "").split())]:
        assert list(agreement.differences(cptrace_oracle.Trace(path.read_bytes()), path, cptrace)) == []


def test_every_cut_is_seen(example):
    for length in range(len(example)):
        if length in (80, 123, 224, 318, 394):
            continue  # between blocks: a cut file
        with pytest.raises(Exception):
            cptrace_oracle.Trace(example[:length])


@pytest.mark.parametrize("part", range(8))
def test_a_flipped_bit_is_seen(example, part):
    for byte in range(part, len(example), 8):
        flipped = bytearray(example)
        flipped[byte] ^= 1 << byte % 8
        with pytest.raises(Exception):
            cptrace_oracle.Trace(bytes(flipped))


def test_frames_that_zstd_would_not_make():
    head, last_block, checksum = b"\x28\xb5\x2f\xfd\x24\x02", b"\x11\0\0ab", bytes(4)
    of_blocks = [head + bytes(3) * count + last_block + checksum for count in (0, 8191, 8192)]
    assert [cptrace_oracle.frame_bytes(frame, 0) for frame in of_blocks[:2]] == [len(frame) for frame in of_blocks[:2]]
    with pytest.raises(cptrace_oracle.SpecError, match="too many zstd blocks"):
        cptrace_oracle.frame_bytes(of_blocks[2], 0)
    with pytest.raises(cptrace_oracle.SpecError, match="larger than its content"):
        cptrace_oracle.frame_bytes(head + b"\x08\0\0c" + last_block + checksum, 0)


def test_varint_is_the_shortest_form():
    assert cptrace_oracle.Cursor(bytes.fromhex("ac02")).varint() == 300
    assert cptrace_oracle.Cursor(b"\xff" * 9 + b"\x01").varint() == 2**64 - 1
    for wrong in ("8000", "ffffffffffffffffff02", "80"):
        with pytest.raises(cptrace_oracle.SpecError):
            cptrace_oracle.Cursor(bytes.fromhex(wrong)).varint()


def test_time_is_linear_between_points():
    points = [(1000, 5000, 0), (1_000_001_000, 4_000_005_000, 0)]
    assert cptrace_oracle.monotonic_ns(points, 8 << 32, 1010) == 5040
    assert cptrace_oracle.monotonic_ns(points, 8 << 32, 1_000_001_010) == 4_000_005_040
    assert cptrace_oracle.monotonic_ns(points[:1], 8 << 32, 1010) == 5080
