"""Traces whose checksums are right and whose numbers are absurd: each tool ends with an error or tells of a gap, within a bounded memory.

The frames are made with the zstd command; all else is written by hand, after format/SPEC.md."""

import os
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the frames"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory"),
]

BIN = Path(sys.executable).parent
FILE_ID = 7
MIB = 1 << 20
CONTENT_MAX = 64 * MIB
# What a system may give them: within it each ends by itself, with "no memory" if need be. A file of some kilobytes can want more: 16 Mi calls
# open at once, or 64 MiB decoded on each of many lanes.
ADDRESS_SPACE_MAX = 1 << 30
EVENTS_MAX, OPEN_MAX = 4 << 20, 16 << 20
INFO, DEFINITIONS, EVENTS, END = 1, 2, 3, 4
CALL, RETURN, START, SUSPEND, RESUME = 16, 0, 5, 2, 3


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def string(text):
    return varint(len(text)) + text


def header():
    fields = b"\x89cptrace" + struct.pack("<HHI16sQQQQI", 1, 0, FILE_ID, bytes(16), 1 << 32, 0, 0, 0, 0)
    return struct.pack("<II", 0x184D2A5C, 72) + fields + struct.pack("<I", zlib.crc32(fields))


def definitions(strings=(0, 0, b""), files=(0, 0, b""), functions=(0, 0, b""), lanes=(0, 0, b""), tasks=(0, 0, b"")):
    """Each table: first number, count, entries."""
    strings = (strings[0] or 1,) + tuple(strings[1:])
    return b"".join(varint(first) + varint(count) + entries for first, count, entries in (strings, files, functions, lanes, tasks))


FUNCTION = bytes([0, 0, 0, 0, 0, 1, 0])  # no name, no file, user
GENERATOR = bytes([0, 0, 0, 0, 0, 1, 2])
ONE_FUNCTION = definitions(functions=(0, 2, FUNCTION + GENERATOR), lanes=(0, 1, bytes([1, 0, 0])))


def events(ops, deltas=None, operands=b"", opened=b"", open_count=0, count=None, lane=0, first=1000):
    """ops: one byte each."""
    deltas = bytes(len(ops)) if deltas is None else deltas
    count = len(ops) if count is None else count
    point = struct.pack("<QQQ", first, first, first)
    return (
        struct.pack("<IIQQ", lane, count, first, first + sum(deltas))
        + point
        + struct.pack("<IIIII", open_count, len(opened), len(ops), len(deltas), len(operands))
        + opened
        + ops
        + deltas
        + operands
    )


class Maker:
    def __init__(self, folder):
        self.folder, self.sequence = folder, 0
        self.path = folder / "hostile.cptrace"
        self.path.write_bytes(header())

    def block(self, kind, body):
        raw = self.folder / "content"
        raw.write_bytes(bytes([kind, 0, 0, 0]) + struct.pack("<II", FILE_ID, self.sequence) + body)
        self.sequence += 1
        self.raw(subprocess.run(["zstd", "-q", "-1", "-c", str(raw)], capture_output=True, check=True).stdout)
        raw.unlink()
        return self

    def raw(self, content):
        with self.path.open("ab") as file:
            file.write(content)
        return self


def blocks(folder, *pairs):
    maker = Maker(folder)
    for kind, body in pairs:
        maker.block(kind, body)
    return maker


def begin(folder, *more):
    return blocks(folder, (INFO, varint(0)), (DEFINITIONS, ONE_FUNCTION), *more)


def bomb_of_unknown_blocks(folder):
    maker = begin(folder)
    for _ in range(8):
        maker.block(200, bytes(CONTENT_MAX - 12))


def content_of_one_byte_too_many(folder):
    begin(folder).block(200, bytes(CONTENT_MAX - 11))


def frame_that_claims_the_most(folder):
    """A frame header with a content of 2^64 - 1 bytes."""
    begin(folder).raw(b"\x28\xb5\x2f\xfd\xc4\x00" + b"\xff" * 8 + b"\x01\x00\x00")


def frame_without_a_size(folder):
    begin(folder).raw(b"\x28\xb5\x2f\xfd\x04\x58" + (b"\x02\xff\xff" + b"\x00") * 3000)


def definitions_without_bytes(folder):
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, varint(1) + varint(2**40)))


def info_pairs_without_bytes(folder):
    blocks(folder, (INFO, varint(2**63)))


def many_info_pairs(folder):
    blocks(folder, (INFO, varint(30 << 20) + bytes(60 << 20)))


def string_that_is_too_long(folder):
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, varint(1) + varint(1) + varint(2**62)))


def huge_name(folder):
    name = b"x" * (60 * MIB)
    function = varint(1) + FUNCTION[1:]
    body = definitions((1, 1, string(name)), functions=(0, 1, function), lanes=(0, 1, bytes([1, 0, 0])))
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, body), (EVENTS, events(bytes([CALL, RETURN] * 3))))


def huge_values_of_info(folder):
    blocks(folder, (INFO, varint(1) + string(b"name") + string(b"\x01" * (8 * MIB))))


def many_lanes(folder):
    count = 20 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, 1, FUNCTION), lanes=(0, count, bytes([1, 0, 0]) * count))),
           (EVENTS, events(bytes([CALL, RETURN]), lane=count - 1)))  # fmt: skip


def many_functions(folder):
    count = 9 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, count, FUNCTION * count), lanes=(0, 1, bytes([1, 0, 0])))),
           (EVENTS, events(bytes([CALL, RETURN]))))  # fmt: skip


def many_tasks(folder):
    count = 20 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(tasks=(0, count, bytes([0, 5, 6]) * count))), (EVENTS, events(b"")))


def many_strings(folder):
    count = 60 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions((1, count, bytes(count)))))


def tasks_that_made_each_other(folder):
    tasks = b"".join(bytes([0]) + varint(root) + varint((root + 1) % 100 + 1) for root in range(100))
    operands = b"".join(varint((1 if at else 0) << 1) + varint(1) for at in range(100))
    begin(folder, (DEFINITIONS, definitions(tasks=(0, 100, tasks))), (EVENTS, events(bytes([START, SUSPEND] * 100), operands=operands)))


def numbers_of_nothing(folder):
    name = varint(2**32 - 2)
    begin(
        folder,
        (DEFINITIONS, definitions(functions=(2**32 - 3, 1, name + FUNCTION[1:]))),
        (EVENTS, events(varint(CALL + 2**32 - 4), bytes(1), count=1)),
    )


def gap_in_a_table(folder):
    begin(folder, (DEFINITIONS, definitions(functions=((1 << 20) + 2, 1, FUNCTION))))


def gaps_in_all_tables(folder):
    maker = begin(folder)
    for at in range(1, 40):
        maker.sequence += 1  # a block is missing
        first = at << 20
        maker.block(
            DEFINITIONS,
            definitions((first, 1, b"\0"), (first, 1, bytes(4)), (first, 1, FUNCTION), (first, 1, bytes([1, 0, 0])), (first, 1, bytes(3))),
        )


def overlong_varint(folder):
    begin(folder).block(EVENTS, events(b"\x90\x80\x00", bytes(1), count=1))


def varint_of_eleven_bytes(folder):
    begin(folder).block(EVENTS, events(b"\x90" + b"\x80" * 9 + b"\x01", bytes(1), count=1))


def more_events_than_bytes(folder):
    begin(folder).block(EVENTS, events(bytes([CALL, RETURN]), count=EVENTS_MAX))


def more_events_than_allowed(folder):
    begin(folder).block(EVENTS, events(bytes([CALL, RETURN]) * (EVENTS_MAX // 2) + bytes([CALL])))


def calls_in_calls(folder):
    begin(folder, (EVENTS, events(bytes([CALL]) * EVENTS_MAX)))


def calls_in_calls_of_many_blocks(folder):
    """Each block opens 4 Mi calls more than the one before, until its stack does not fit."""
    maker = begin(folder)
    for at in range(6):
        opened = bytes(3) * min(at * EVENTS_MAX, OPEN_MAX)
        maker.block(EVENTS, events(bytes([CALL]) * EVENTS_MAX, opened=opened, open_count=len(opened) // 3, first=1000 + at))


def open_calls_at_the_limit(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=bytes(3) * OPEN_MAX, open_count=OPEN_MAX)))


def open_calls_over_the_limit(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=bytes(3) * (OPEN_MAX + 1), open_count=OPEN_MAX + 1)))


def open_calls_without_bytes(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=b"", open_count=OPEN_MAX)))


def full_blocks_on_many_lanes(folder):
    """All lanes are active at once: each has a decoded block."""
    lanes = 16
    maker = blocks(
        folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, 2, FUNCTION + GENERATOR), lanes=(0, lanes, bytes([1, 0, 0]) * lanes)))
    )
    deltas = b"\0" + b"\x01" * (EVENTS_MAX - 1)
    for lane in range(lanes):
        maker.block(EVENTS, events(bytes([CALL, RETURN]) * (EVENTS_MAX // 2), deltas, lane=lane))


def activations_without_end(folder):
    operands = b"".join(varint(2 if at else 0) + varint(1) for at in range(EVENTS_MAX // 2))
    begin(folder, (EVENTS, events(bytes([START, SUSPEND]) * (EVENTS_MAX // 2), operands=operands)))


def one_mark_of_sixty_mebibytes(folder):
    text = b"m" * (60 * MIB)
    begin(folder, (EVENTS, events(bytes([9]), operands=varint(len(text)) + text)))


def marks_on_many_lanes(folder):
    lanes, text = 16, b"m" * (60 * MIB)
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, 1, FUNCTION), lanes=(0, lanes, bytes([1, 0, 0]) * lanes))))
    for lane in range(lanes):
        maker.block(EVENTS, events(bytes([9, 9]), b"\0\x7f", operands=varint(len(text)) + text + varint(0), lane=lane))


def absurd_times(folder):
    body = bytearray(events(bytes([CALL, RETURN])))
    struct.pack_into("<QQ", body, 8, 2**64 - 1, 2**64 - 1)
    begin(folder, (EVENTS, bytes(body)), (END, struct.pack("<QQQQQQ", 2**64 - 1, 0, 0, 0, 2**64 - 1, 2**64 - 1) + varint(0)))


def blocks_of_nothing(folder):
    """A hundred thousand frames: the table of blocks grows, and no more."""
    maker = begin(folder)
    start = maker.path.stat().st_size
    maker.block(200, b"")
    maker.raw(maker.path.read_bytes()[start:] * 100_000)


def padding_of_four_gibibytes(folder):
    begin(folder).raw(struct.pack("<II", 0x184D2A5E, 2**32 - 1))


def garbage_of_frame_starts(folder):
    begin(folder).raw(b"\x28\xb5\x2f\xfd" * 500_000)


HOSTILE = [
    bomb_of_unknown_blocks,
    content_of_one_byte_too_many,
    frame_that_claims_the_most,
    frame_without_a_size,
    definitions_without_bytes,
    info_pairs_without_bytes,
    many_info_pairs,
    string_that_is_too_long,
    huge_name,
    huge_values_of_info,
    many_lanes,
    many_functions,
    many_tasks,
    many_strings,
    tasks_that_made_each_other,
    numbers_of_nothing,
    gap_in_a_table,
    gaps_in_all_tables,
    overlong_varint,
    varint_of_eleven_bytes,
    more_events_than_bytes,
    more_events_than_allowed,
    calls_in_calls,
    calls_in_calls_of_many_blocks,
    open_calls_at_the_limit,
    open_calls_over_the_limit,
    open_calls_without_bytes,
    full_blocks_on_many_lanes,
    activations_without_end,
    one_mark_of_sixty_mebibytes,
    marks_on_many_lanes,
    absurd_times,
    blocks_of_nothing,
    padding_of_four_gibibytes,
    garbage_of_frame_starts,
]
TOOLS = [
    ["cptrace", "info", "--json"],
    ["cptrace", "calls"],
    ["cptrace", "check"],
    ["cptrace", "dump"],
    ["cp2html", "-o", "page.html"],
]


@pytest.fixture(scope="module", params=HOSTILE, ids=lambda make: make.__name__)
def hostile(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    request.param(folder)
    yield folder / "hostile.cptrace"
    shutil.rmtree(folder)


def limited(words, folder):
    """(exit code, stderr, peak resident bytes) under the limit. What it prints is not kept."""
    with open(folder / "stderr", "wb") as errors:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX)),
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, (folder / "stderr").read_text(encoding="utf-8", errors="replace"), usage.ru_maxrss * 1024


@pytest.mark.parametrize("words", TOOLS, ids=" ".join)
def test_tools_end_by_themselves(hostile, words):
    is_small = hostile.parent.name.startswith(SMALL)
    if words[1] == "dump" and not is_small:
        words = [*words, "--no-events"]  # a line for each of four million events is no news
    code, told, peak_bytes = limited([BIN / words[0], *words[1:], str(hostile)], hostile.parent)
    assert code in (0, 1, 3, 4), (code, told)
    if words[1] not in ("check", "dump"):  # those tell on stdout
        assert code == 0 or told, "an exit without a reason"
    if code == 1:
        assert "memory" in told, told
    assert peak_bytes <= ADDRESS_SPACE_MAX
    if is_small:
        assert code != 1 and peak_bytes < 400 * MIB, peak_bytes


# What is refused or lost before it is stored costs no more than the block that it stands in.
SMALL = (
    "bomb_of_unknown_blocks",
    "content_of_one_byte_too_many",
    "frame_",
    "definitions_without_bytes",
    "info_pairs_without_bytes",
    "string_that_is_too_long",
    "tasks_that_made_each_other",
    "numbers_of_nothing",
    "gap",
    "overlong_varint",
    "varint_of_eleven_bytes",
    "more_events_than",
    "open_calls_over_the_limit",
    "open_calls_without_bytes",
    "absurd_times",
    "blocks_of_nothing",
    "padding_of_four_gibibytes",
)
