"""The traces: each function writes one, hostile.cptrace, into a folder."""

import struct

from trace_maker import (
    CALL, CONTENT_MAX, DEFINITIONS, END, EVENTS, EVENTS_MAX, FALLING, FIRST_APART, FUNCTION, HALVES, HALVES_OF_WIDE, INFO, LEAVES, MARK,
    MIB, OPEN_MAX, REOPEN, RETURN, START, SUSPEND, begin, begin_with, bits_of_ones, blocks, coded, definitions, events, header, lanes,
    more_definitions, stream_lengths, string, varint,
)  # fmt: skip


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


def labels_by_the_million(folder):
    """Each is given at the start and again at the end: the later one counts."""
    count = 1 << 20
    labels = varint(count) + b"".join(string(b"label:%07d" % number) + b"\0" for number in range(count))
    begin_with(folder, labels, (END, struct.pack("<QQQQQQ", 0, 0, 0, 0, 0, 0) + labels))


def string_that_is_too_long(folder):
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, varint(1) + varint(1) + varint(2**62)))


def huge_name(folder):
    name = b"x" * (60 * MIB)
    function = varint(1) + FUNCTION[1:]
    body = definitions((1, 1, string(name)), functions=(0, 1, function), lanes=(0, 1, bytes([1, 0, 0])))
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, body), (EVENTS, events(bytes([CALL, RETURN] * 3), callees=b"\0")))


def huge_values_of_info(folder):
    blocks(folder, (INFO, varint(1) + string(b"name") + string(b"\x01" * (8 * MIB))))


def many_lanes(folder):
    count = 20 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, 1, FUNCTION), lanes=(0, count, bytes([1, 0, 0]) * count))),
           (EVENTS, events(bytes([CALL, RETURN]), callees=b"\0", lane=count - 1)))  # fmt: skip


def many_functions(folder):
    count = 9 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, count, FUNCTION * count), lanes=(0, 1, bytes([1, 0, 0])))),
           (EVENTS, events(bytes([CALL, RETURN]))))  # fmt: skip


def many_tasks(folder):
    count = 20 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(tasks=(0, count, bytes([0, 5, 6]) * count))))


def many_strings(folder):
    count = 60 << 20
    blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions((1, count, bytes(count)))))


def tasks_that_made_each_other(folder):
    tasks = b"".join(bytes([0]) + varint(root) + varint((root + 1) % 100 + 1) for root in range(100))
    begin(folder, (DEFINITIONS, more_definitions(tasks=(0, 100, tasks))), (EVENTS, events(bytes([START, SUSPEND] * 100), starts=bytes(100))))


def numbers_of_nothing(folder):
    name = varint(2**32 - 2)
    begin(
        folder,
        (DEFINITIONS, more_definitions(functions=(2, 1, name + FUNCTION[1:]))),
        (EVENTS, events(bytes([CALL]), callees=varint((2**32 - 4) * 4))),
    )


def gap_in_a_table(folder):
    begin(folder, (DEFINITIONS, more_definitions(functions=((1 << 20) + 2, 1, FUNCTION))))


def gaps_in_all_tables(folder):
    maker = begin(folder)
    for at in range(1, 40):
        maker.sequence += 1  # a block is missing
        first = at << 20
        maker.block(
            DEFINITIONS,
            definitions((first, 1, b"\0"), (first, 1, bytes(4)), (first, 1, FUNCTION), (first, 1, bytes([1, 0, 0])), (first, 1, bytes(3))),
        )


def gap_of_the_most(folder):
    """A block is missing, and with it all the functions that may be."""
    maker = begin(folder)
    maker.sequence += 1
    maker.block(DEFINITIONS, more_definitions(functions=((1 << 20) + 2, 1, FUNCTION)))


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
        opened = bytes(2) * min(at * EVENTS_MAX, OPEN_MAX)
        maker.block(EVENTS, events(bytes([CALL]) * EVENTS_MAX, opened=opened, open_count=len(opened) // 2, first=1000 + at))


def open_calls_at_the_limit(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=bytes(2) * OPEN_MAX, open_count=OPEN_MAX)))


def open_calls_over_the_limit(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=bytes(2) * (OPEN_MAX + 1), open_count=OPEN_MAX + 1)))


def open_calls_without_bytes(folder):
    begin(folder, (EVENTS, events(bytes([RETURN]), opened=b"", open_count=OPEN_MAX)))


def full_blocks_on_many_lanes(folder):
    """All lanes are active at once: each has a decoded block."""
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(16)))
    deltas = b"\0" + b"\x01" * (EVENTS_MAX - 1)
    for lane in range(16):
        maker.block(EVENTS, events(bytes([CALL, RETURN]) * (EVENTS_MAX // 2), deltas, lane=lane))


def activations_without_end(folder):
    begin(folder, (EVENTS, events(bytes([START, SUSPEND]) * (EVENTS_MAX // 2), starts=bytes(EVENTS_MAX // 2))))


def one_mark_of_sixty_mebibytes(folder):
    text = b"m" * (60 * MIB)
    begin(folder, (EVENTS, events(bytes([MARK]), notes=string(text))))


def marks_on_many_lanes(folder):
    text = b"m" * (60 * MIB)
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(16)))
    for lane in range(16):
        maker.block(EVENTS, events(bytes([MARK, MARK]), b"\0\x7f", notes=string(text) + string(b""), lane=lane))


def open_calls_on_many_lanes(folder):
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(16)))
    for lane in range(16):
        maker.block(EVENTS, events(bytes([RETURN]), opened=bytes(2) * OPEN_MAX, open_count=OPEN_MAX, lane=lane))


def ten_thousand_lanes_at_once(folder):
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(10_000)))
    maker.many(EVENTS, [events(bytes([CALL, RETURN, CALL]), b"\0\x64\x64", lane=lane, first=1000 + lane % 100) for lane in range(10_000)])


def marks_without_text(folder):
    begin(folder, *[(EVENTS, events(bytes([MARK]) * EVENTS_MAX, notes=bytes(EVENTS_MAX)))] * 6)


def counters_without_name(folder):
    begin(folder, (EVENTS, events(bytes([10]) * EVENTS_MAX, notes=(b"\x08" + bytes(8)) * EVENTS_MAX)))


def arguments_of_calls_in_calls(folder):
    count = EVENTS_MAX // 4
    begin(folder, (EVENTS, events(bytes([CALL, 11]) * count, notes=bytes(count))))


def calls_just_below_the_limit(folder):
    """Of the replay: 2 Mi open calls."""
    begin(folder, (EVENTS, events(bytes([CALL]) * ((2 << 20) - 2))))


def calls_in_calls_that_return(folder):
    begin(folder, (EVENTS, events(bytes([CALL]) * ((2 << 20) - 2) + bytes([RETURN]) * ((2 << 20) - 2))))


def points_over_a_deep_stack(folder, first_of_points=None):
    """A thousand calibration points of one lane, between the events of another on which 1 Mi calls are open."""
    depth, points, ticks = 1 << 20, 1000, 100
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(2)))
    maker.block(EVENTS, events(bytes([CALL]) * depth + bytes([CALL, RETURN]) * points, bytes(depth) + bytes([ticks, 0]) * points))
    bodies = []
    for number in range(points):
        at = 1050 + number * ticks
        body = bytearray(events(bytes([CALL, RETURN]), lane=1, first=first_of_points or at))
        struct.pack_into("<QQQ", body, 24, at, at, at)
        bodies.append(bytes(body))
    maker.many(EVENTS, bodies)


def points_of_other_times(folder):
    """The same, but the lane's events are all at the start."""
    points_over_a_deep_stack(folder, 1000)


def paths_without_end(folder):
    """Each of 16 functions calls each of 65 thousand."""
    count = 1 << 16
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, definitions(functions=(0, count, FUNCTION * count), lanes=(0, 1, bytes([1, 0, 0])))))
    callees = b"".join(varint(function * 4) for function in range(count))
    below = b"".join(varint(CALL + function) + bytes([RETURN]) for function in range(count))
    for part in range(4):
        ops = b"".join(varint(CALL + part * 16 + above) + below + bytes([RETURN]) for above in range(16))
        event_count = 16 * (2 * count + 2)
        maker.block(EVENTS, events(ops, bytes(event_count), callees=callees, count=event_count, first=1000 + part))


def reopened_without_end(folder):
    """Generators that began before the run, each suspended at once."""
    count = EVENTS_MAX // 4
    begin(folder, (EVENTS, events(bytes([REOPEN, SUSPEND]) * count, reopens=bytes([2, 1, 0]) * count)))


def code_that_never_completes(folder):
    """Lengths of 12 bits without end: those of 256 deltas are a 16th of a code."""
    code = bytes([1, 1, 0, 0, 8]) + bytes(60 * MIB)
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), code=code, bits=bytes(2))))


def code_that_skips_without_end(folder):
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), code=bytes([1, 1, 0, 0]) + b"\xff" * (60 * MIB), bits=bytes(2))))


def code_that_is_over_complete(folder):
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), code=bytes([1, 1, 0, 0, 13, 2, 1]), bits=bytes(2))))


def code_that_is_cut(folder):
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), code=bytes([1, 1, 0, 0, 13]), bits=bytes(2))))


def code_of_sixteen_columns_that_is_cut(folder):
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), code=b"\0", delta_counts=[2] + [0] * 15, callees=bytes(3))))


def leaves(op_count, event_count=EVENTS_MAX, lane=0):
    """The last event is a tick behind the others. A bit each."""
    deltas = bytes(event_count - 1) + b"\1"
    bits = bytearray((event_count + 7) // 8)
    bits[-1] = 1 << -event_count % 8
    code = stream_lengths(event_count, 1) + HALVES
    return events(bytes([CALL]) * op_count, deltas, callees=LEAVES, count=event_count, code=code, bits=bytes(bits), lane=lane)


def leaves_at_the_limit(folder):
    """4 Mi events, half an op and a bit each."""
    begin(folder, (EVENTS, leaves(EVENTS_MAX // 2)))


def leaves_on_many_lanes(folder):
    maker = blocks(folder, (INFO, varint(0)), (DEFINITIONS, lanes(16)))
    for lane in range(16):
        maker.block(EVENTS, leaves(EVENTS_MAX // 2, lane=lane))


def leaves_without_ops(folder):
    """4 Mi events that ten ops are said to be."""
    begin(folder, (EVENTS, leaves(10)))


def leaf_without_a_return(folder):
    """The return of the last leaf is not in the event count."""
    begin(folder, (EVENTS, leaves(EVENTS_MAX // 2, EVENTS_MAX - 1)))


def open_leaves(folder):
    """As many as the replay would take, were they no leaves."""
    count = (2 << 20) - 2
    begin(folder, (EVENTS, events(bytes([RETURN]), callees=LEAVES, opened=bytes(2) * count, open_count=count)))


def streams_of_zeros(folder):
    ops = bytes([CALL, RETURN]) * (EVENTS_MAX // 2)
    counts = [1, EVENTS_MAX - 1]
    begin(folder, (EVENTS, events(ops, contexts=FIRST_APART, code=coded(1, FALLING), bits=bytes(1 + EVENTS_MAX // 8), delta_counts=counts)))


def streams_of_ones(folder, last_byte=0xF0):
    """Each delta is 12, in 12 bits."""
    ops = bytes([CALL, RETURN]) * (EVENTS_MAX // 2)
    deltas, counts = b"\0" + b"\x0c" * (EVENTS_MAX - 1), [1, EVENTS_MAX - 1]
    bits = bits_of_ones(12, last_byte)
    begin(folder, (EVENTS, events(ops, deltas, contexts=FIRST_APART, code=coded(12, FALLING), bits=bits, delta_counts=counts)))


def streams_of_ones_to_the_last_bit(folder):
    """The bits behind the last code are ones, too."""
    streams_of_ones(folder, last_byte=0xFF)


def wide_deltas(wides):
    """Each delta is 255 or more, in a bit."""
    ops = bytes([CALL, RETURN]) * (EVENTS_MAX // 2)
    deltas, counts = b"\0" + b"\xff" * (EVENTS_MAX - 1), [1, EVENTS_MAX - 1]
    bits = bits_of_ones(1, 0xFE)
    return events(ops, deltas, contexts=FIRST_APART, wides=wides, code=coded(1, HALVES_OF_WIDE), bits=bits, delta_counts=counts)


def wides_of_all_deltas(folder):
    begin(folder, (EVENTS, wide_deltas(bytes(EVENTS_MAX - 1))))


def wides_without_bytes(folder):
    begin(folder, (EVENTS, wide_deltas(b"")))


def few_deltas(*lengths, bits=bytes(4)):
    """Four, in streams that are said to have these lengths."""
    return events(bytes([CALL, RETURN] * 2), code=b"".join(map(varint, lengths)) + HALVES, bits=bits)


def streams_beyond_the_block(folder):
    begin(folder, (EVENTS, few_deltas(1, 1, 1, 2)))


def streams_of_the_most(folder):
    begin(folder, (EVENTS, few_deltas(*[2**64 - 1] * 4)))


def streams_that_wrap(folder):
    """Their lengths are 4, modulo 2^64."""
    begin(folder, (EVENTS, few_deltas(2**63, 2**63, 2, 2)))


def streams_that_are_too_long(folder):
    begin(folder, (EVENTS, few_deltas(1, 60 * MIB, 1, 1, bits=bytes(60 * MIB + 3))))


def streams_without_bytes(folder):
    """4 Mi deltas that four bytes are said to hold."""
    ops = bytes([CALL, RETURN]) * (EVENTS_MAX // 2)
    begin(folder, (EVENTS, events(ops, code=bytes([1, 1, 1, 1]) + HALVES, bits=bytes(4))))


def bits_behind_the_streams(folder):
    begin(folder, (EVENTS, few_deltas(1, 1, 1, 1, bits=bytes(60 * MIB))))


def columns_of_the_most(folder):
    """16, each of which is said to have the deltas of all events."""
    code = (stream_lengths(EVENTS_MAX, 1) + HALVES) * 16
    ops, bits = bytes([CALL, RETURN]) * (EVENTS_MAX // 2), bytes(2 * EVENTS_MAX)
    begin(folder, (EVENTS, events(ops, callees=bytes(3), code=code, bits=bits, delta_counts=[EVENTS_MAX] * 16)))


def columns_of_few_that_claim_the_most(folder):
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), callees=bytes(3), code=bytes(16), delta_counts=[EVENTS_MAX] * 16)))


def columns_that_wrap(folder):
    """Their deltas are 2, modulo 2^64."""
    begin(folder, (EVENTS, events(bytes([CALL, RETURN]), callees=bytes(3), code=bytes(3), delta_counts=[2**63, 2**63, 2])))


def column_lengths_that_wrap(folder):
    """Those of callee and open, which are 2 modulo 2^64."""
    body = events(bytes([CALL, RETURN]))
    begin(folder, (EVENTS, body[:52] + varint(2**63) + varint(2**63 + 2) + body[54:]))


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
    labels_by_the_million,
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
    gap_of_the_most,
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
    open_calls_on_many_lanes,
    ten_thousand_lanes_at_once,
    marks_without_text,
    counters_without_name,
    arguments_of_calls_in_calls,
    calls_just_below_the_limit,
    calls_in_calls_that_return,
    points_over_a_deep_stack,
    points_of_other_times,
    paths_without_end,
    reopened_without_end,
    code_that_never_completes,
    code_that_skips_without_end,
    code_that_is_over_complete,
    code_that_is_cut,
    code_of_sixteen_columns_that_is_cut,
    leaves_at_the_limit,
    leaves_on_many_lanes,
    leaves_without_ops,
    leaf_without_a_return,
    open_leaves,
    streams_of_zeros,
    streams_of_ones,
    streams_of_ones_to_the_last_bit,
    wides_of_all_deltas,
    wides_without_bytes,
    streams_beyond_the_block,
    streams_of_the_most,
    streams_that_wrap,
    streams_that_are_too_long,
    streams_without_bytes,
    bits_behind_the_streams,
    columns_of_the_most,
    columns_of_few_that_claim_the_most,
    columns_that_wrap,
    column_lengths_that_wrap,
    absurd_times,
    blocks_of_nothing,
    padding_of_four_gibibytes,
    garbage_of_frame_starts,
]

# Of these a block is refused, or lost, before anything of it is stored.
REFUSED_EARLY = (
    "content_of_one_byte_too_many",
    "frame_",
    "definitions_without_bytes",
    "info_pairs_without_bytes",
    "string_that_is_too_long",
    "numbers_of_nothing",
    "gap",
    "overlong_varint",
    "varint_of_eleven_bytes",
    "more_events_than",
    "open_calls_over_the_limit",
    "open_calls_without_bytes",
    "code_",
    "leaves_without_ops",
    "leaf_without_a_return",
    "open_leaves",
    "streams_of_ones_to_the_last_bit",
    "streams_of_the_most",
    "streams_beyond_the_block",
    "streams_that",
    "streams_without_bytes",
    "wides_without_bytes",
    "bits_behind_the_streams",
    "column",
    "absurd_times",
    "blocks_of_nothing",
)
# What costs no more than the block that it stands in, and where `cptrace check` tells of a loss.
SMALL = (*REFUSED_EARLY, "bomb_of_unknown_blocks", "tasks_that_made_each_other", "padding_of_four_gibibytes")
REFUSED = (*REFUSED_EARLY, "garbage_of_frame_starts")
