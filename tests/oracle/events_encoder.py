"""Bodies of events blocks by hand, after SPEC.md 4.3. Nothing is checked, so that wrong ones can be made too."""

import struct


def varint(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def zigzag(value):
    return varint(value << 1 ^ value >> 63)


def written_lengths(lengths):
    """lengths: {delta: bits of its code}."""
    written, before, following = b"", 8, 0
    for delta, bits in sorted(lengths.items()):
        while following < delta:
            skipped = min(delta - following, 224)
            written += bytes([31 + skipped])
            following += skipped
        written += zigzag(bits - before)
        before, following = bits, delta + 1
    return written


def prefix_codes(lengths):
    """{delta: its code as text of 0 and 1}, as RFC 1951, 3.2.2 makes them."""
    code, codes = 0, {}
    for bits in range(1, 1 + max(lengths.values())):
        code <<= 1
        for delta in sorted(delta for delta in lengths if lengths[delta] == bits):
            codes[delta] = format(code, f"0{bits}b")
            code += 1
    return codes


def stream(deltas, codes):
    text = "".join(codes[delta] for delta in deltas)
    return bytes(int(text[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(text), 8))


class Plain:
    def __init__(self, deltas):
        self.deltas, self.code, self.bits = bytes(deltas), b"\0", bytes(deltas)


class Coded:
    def __init__(self, deltas, lengths):
        codes, each = prefix_codes(lengths), (len(deltas) + 3) // 4
        streams = [stream(deltas[part * each : (part + 1) * each], codes) for part in range(4)]
        self.deltas, self.bits = bytes(deltas), b"".join(streams)
        self.code = b"".join(varint(len(each)) for each in streams) + written_lengths(lengths)


class AsTold:
    """A column whose code and bits need not fit."""

    def __init__(self, deltas, code, bits):
        self.deltas, self.code, self.bits = bytes(deltas), code, bits


def callee(function, kind, columns=None):
    """columns, before version 3: of what is pushed after a push, pushed after a pop, popped after a push, popped after a pop; if there is more than one."""
    number = varint(function * 4 + kind)
    return number + struct.pack("<H", sum(column << 4 * at for at, column in enumerate(columns))) if columns else number


def contexts_of(moves):
    """Of events: (the callee that it pushes or pops, or None; whether it pops)."""
    contexts, before = [], 0
    for callee, pops in moves:
        event = 0 if callee is None else 2 * (callee + 1) + pops
        before = before >> 5 ^ event * 2533 % (1 << 13)
        contexts.append(before)
    return contexts


def events_body(
    ops, deltas, callees, *, opened=b"", open_count=0, starts=b"", resumes=b"", reopens=b"", notes=b"", wides=b"",
    contexts=b"", first=1000, elapsed=None, count=None, delta_counts=None, version=3,
):  # fmt: skip
    """deltas: columns, as above. elapsed: the last tick minus the first, if it is not the sum of the deltas."""
    elapsed = sum(sum(column.deltas) for column in deltas) if elapsed is None else elapsed
    delta_counts = [len(column.deltas) for column in deltas] if delta_counts is None else delta_counts
    columns = [callees, opened, ops, starts, resumes, reopens, notes, wides]
    if version > 1:
        columns.append(b"".join(column.code for column in deltas))
        columns += [contexts] if version == 3 else []
        behind = columns + [column.bits for column in deltas]
    else:
        behind = columns[:-1] + [column.deltas for column in deltas] + columns[-1:]
    return b"".join([
        struct.pack("<IIQQ", 0, sum(delta_counts) if count is None else count, first, first + elapsed),
        struct.pack("<QQQI", 0, 0, 0, open_count),
        *(varint(len(column)) for column in columns),
        varint(len(delta_counts)),
        *map(varint, delta_counts),
        *behind,
    ])  # fmt: skip
