"""Traces made by hand, after format/SPEC.md: whatever numbers are asked for, with the right checksums. The zstd command makes the frames."""

import struct
import subprocess
import zlib

FILE_ID = 7
MIB = 1 << 20
CONTENT_MAX = 64 * MIB
EVENTS_MAX, OPEN_MAX = 4 << 20, 16 << 20
INFO, DEFINITIONS, EVENTS, END = 1, 2, 3, 4
CALL, START, RETURN, SUSPEND, REOPEN, MARK = 16, 17, 0, 2, 4, 9


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def string(text):
    return varint(len(text)) + text


def header(run_id=bytes(16)):
    fields = b"\x89cptrace" + struct.pack("<HHI16sQQQQI", 3, 0, FILE_ID, run_id, 1 << 32, 0, 0, 0, 0)
    return struct.pack("<II", 0x184D2A5C, 72) + fields + struct.pack("<I", zlib.crc32(fields))


def definitions(strings=(0, 0, b""), files=(0, 0, b""), functions=(0, 0, b""), lanes=(0, 0, b""), tasks=(0, 0, b"")):
    """Each table: first number, count, entries."""
    strings = (strings[0] or 1,) + tuple(strings[1:])
    return b"".join(varint(first) + varint(count) + entries for first, count, entries in (strings, files, functions, lanes, tasks))


FUNCTION = bytes([0, 0, 0, 0, 0, 1, 0])  # no name, no file, user
GENERATOR = bytes([0, 0, 0, 0, 0, 1, 2])
TWO_FUNCTIONS = definitions(functions=(0, 2, FUNCTION + GENERATOR), lanes=(0, 1, bytes([1, 0, 0])))


CALLEES = bytes([0, 5])  # 0: plain calls of function 0; 1: activations of function 1
LEAVES = bytes([2])  # 0: leaves of function 0
# Two columns, of calls and returns in turn: the first context has 0, the three behind it, which are all, have 1.
FIRST_APART = bytes([0, 1, 1, 1])


def events(ops, deltas=None, callees=CALLEES, opened=b"", open_count=0, starts=b"", reopens=b"", notes=b"", wides=b"",
           count=None, lane=0, first=1000, code=b"\0", contexts=b"", bits=None, delta_counts=None):  # fmt: skip
    """ops: one byte each, if there is no count. The deltas are a column that is not coded, if there are no code and bits of them."""
    deltas = bytes(len(ops)) if deltas is None else deltas
    count = len(ops) if count is None else count
    delta_counts = [len(deltas)] if delta_counts is None else delta_counts
    point = struct.pack("<QQQ", first, first, first)
    columns = callees, opened, ops, starts, b"", reopens, notes, wides, code, contexts
    return (
        struct.pack("<IIQQ", lane, count, first, first + sum(deltas))
        + point
        + struct.pack("<I", open_count)
        + b"".join(varint(len(column)) for column in columns)
        + varint(len(delta_counts))
        + b"".join(map(varint, delta_counts))
        + b"".join(columns)
        + (deltas if bits is None else bits)
    )


# Lengths of codes. The zigzag of a first length of 1 is 13, that of 12 is 8.
HALVES = bytes([13, 0])  # 0 and 1: a bit each
HALVES_OF_WIDE = bytes([13, 255, 61, 0])  # 0 and 255: a bit each
FALLING = bytes([13] + [2] * 11 + [0])  # 0 to 12: from 1 to 12 bits; only zeros are 0 only, only ones are 12 only


def stream_lengths(count, code_bits):
    """Of a column of count deltas with codes of so many bits each, written."""
    each = (count + 3) // 4
    counts = [min(each, max(count - part * each, 0)) for part in range(4)]
    return b"".join(varint((count * code_bits + 7) // 8) for count in counts)


def coded(code_bits, lengths):
    """For FIRST_APART: the code of 4 Mi events."""
    return b"\0" + stream_lengths(EVENTS_MAX - 1, code_bits) + lengths


def bits_of_ones(code_bits, last_byte):
    """For FIRST_APART: all streams are ones, up to the last byte."""
    return b"\0" + b"\xff" * (((EVENTS_MAX - 1) * code_bits + 7) // 8 - 1) + bytes([last_byte])


def more_definitions(**tables):
    """Behind TWO_FUNCTIONS."""
    return definitions(**{"functions": (2, 0, b""), "lanes": (1, 0, b""), **tables})


def lanes(count):
    """With the functions of TWO_FUNCTIONS."""
    return definitions(functions=(0, 2, FUNCTION + GENERATOR), lanes=(0, count, bytes([1, 0, 0]) * count))


class Maker:
    def __init__(self, folder):
        self.folder, self.sequence = folder, 0
        self.path = folder / "hostile.cptrace"
        self.path.write_bytes(header())

    def block(self, kind, body):
        return self.many(kind, [body])

    def many(self, kind, bodies):
        """One frame for each."""
        names = []
        for body in bodies:
            names.append(f"{self.sequence}.content")
            content = bytes([kind, 0, 0, 0]) + struct.pack("<II", FILE_ID, self.sequence) + body
            (self.folder / names[-1]).write_bytes(content)
            self.sequence += 1
        for at in range(0, len(names), 1000):
            subprocess.run(["zstd", "-q", "-1", "--rm", *names[at : at + 1000]], cwd=self.folder, check=True)
        for name in names:
            self.raw((self.folder / f"{name}.zst").read_bytes())
            (self.folder / f"{name}.zst").unlink()
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


def begin_with(folder, info, *more):
    return blocks(folder, (INFO, info), (DEFINITIONS, TWO_FUNCTIONS), *more)


def begin(folder, *more):
    return begin_with(folder, varint(0), *more)
