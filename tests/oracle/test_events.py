"""Events blocks that were encoded by hand: what the oracle reads in them, and each error that SPEC.md 4.3 knows of their new parts."""

import random
import struct
import zlib

import pytest

import cptrace_oracle
from events_encoder import AsTold, Coded, Plain, callee, contexts_of, events_body, varint, written_lengths, zigzag
from hexdump import coded_column, contexts_told

PLAIN, ACTIVATIONS, LEAVES, RESERVED = range(4)
RETURN, UNWIND, SUSPEND, RESUME, REOPEN, THROW, MARK, CALL = 0, 1, 2, 3, 4, 6, 9, 16
CALLEES = callee(0, PLAIN) + callee(1, ACTIVATIONS) + callee(2, LEAVES)
START, LEAF = CALL + 1, CALL + 2


def header(version):
    fields = b"\x89cptrace" + struct.pack("<HHI16sQQQQI", version, 0, 7, bytes(16), 1 << 32, 0, 0, 0, 0)
    return struct.pack("<II", 0x184D2A5C, 72) + fields + struct.pack("<I", zlib.crc32(fields))


def read(body, version=3):
    """The block, in a file with three functions and a lane."""
    trace = cptrace_oracle.Trace(header(version))
    trace.functions, trace.lanes, block = [None] * 3, [None], {"lane": None}
    cursor = cptrace_oracle.Cursor(body)
    trace.read_events(cursor, block)
    cursor.end()
    return block


def names_and_ticks(block):
    return [event[:2] for event in block["events"]]


def deltas_read(block):
    ticks = [block["first"], *(event[1] for event in block["events"])]
    return [after - before for before, after in zip(ticks, ticks[1:])]


# What is right


def test_the_coded_column_of_section_9():
    """0, 1 and 5 have the codes 0, 10 and 11; of 5 deltas the streams hold 2, 2, 1 and none."""
    assert coded_column() == (bytes.fromhex("01 01 01 00  0d 02 22 00"), bytes([0b01000000, 0b11000000, 0b10000000]))
    block = read(events_body(bytes([CALL, LEAF, LEAF]), [AsTold([0, 1, 5, 0, 1], *coded_column())], CALLEES, first=7))
    assert names_and_ticks(block) == [("call", 7), ("call", 8), ("return", 13), ("call", 13), ("return", 14)]
    assert [event[2] for event in block["events"]] == [0, 2, None, 2, None]
    assert block["functions"] == {0, 1, 2}


def test_contexts_of_section_9():
    """Of its block 2: three calls, one left, a leaf's call and return, and so on."""
    moves = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (3, 0), (3, 1), (0, 1)]
    assert contexts_of(moves) == contexts_told()


def test_deltas_stand_where_their_contexts_say():
    """The second call of the leaf has the context of the first one, as only the three last events count, and so has its return."""
    ops = bytes([CALL] * 3 + [LEAF] + [CALL] * 3 + [LEAF])
    columns = [Plain([0, 1, 2, 3, 4, 5]), Coded([30, 31], {30: 1, 31: 1}), Plain([7, 8])]
    block = read(events_body(ops, columns, CALLEES, contexts=bytes([0, 0, 0, 1, 2, 0, 0])))
    assert deltas_read(block) == [0, 1, 2, 30, 7, 3, 4, 5, 31, 8]


def test_throws_and_annotations_have_contexts():
    ops = bytes([CALL, SUSPEND, RESUME, THROW, MARK, UNWIND])
    deltas = [Coded([7, 8], {7: 1, 8: 2, 9: 2}), Plain([0, 1, 2, 3])]
    block = read(events_body(ops, deltas, callee(1, ACTIVATIONS), starts=b"\0", resumes=b"\0", notes=b"\1x", contexts=b"\1\1\1\0\0\1"))
    assert names_and_ticks(block) == [("start", 1000), ("suspend", 1001), ("resume", 1003), ("throw", 1010), ("mark", 1018), ("unwind", 1021)]


def test_open_calls_and_reopens_are_of_kinds_0_and_1():
    opened = bytes([0, 10]) + bytes([1, 5, 3])
    ops = bytes([RETURN, REOPEN, RETURN, RETURN])
    block = read(events_body(ops, [Plain(bytes(4))], CALLEES, opened=opened, open_count=2, reopens=zigzag(4) + b"\1" + zigzag(-1)))
    assert block["open"] == [(0, 990, -1), (1, 995, 3)]
    assert block["events"][1] == ("reopen", 1000, 1, 4, 999)


def test_a_coded_255_has_more_in_wide():
    deltas = Coded([0, 255, 3, 255], {0: 2, 3: 2, 255: 1})
    block = read(events_body(bytes([LEAF, LEAF]), [deltas], CALLEES, wides=varint(0) + varint(1000), elapsed=255 + 3 + 1255))
    assert deltas_read(block) == [0, 255, 3, 1255]


@pytest.mark.parametrize("count", range(1, 18))
def test_streams_of_few_deltas(count):
    deltas = [0, 2, 1, 2, 2, 7, 1, 0, 7, 7, 7, 2, 1, 1, 0, 0, 7][:count]
    column = Coded(deltas, {0: 1, 1: 2, 2: 3, 7: 3})
    assert deltas_read(read(events_body(bytes([MARK]) * count, [column], b"", notes=bytes(count)))) == deltas


@pytest.mark.parametrize(
    "lengths",
    [
        {0: 1, 255: 1},
        {delta: 8 for delta in range(256)},
        {**{delta: 1 + delta for delta in range(12)}, 12: 12},
        {**{200 - delta: 1 + delta for delta in range(12)}, 0: 12},
        {0: 7, **{delta: 8 for delta in range(1, 254)}, 254: 9, 255: 9},
    ],
    ids=["two far apart", "all of them", "up to 12 bits", "falling", "three lengths"],
)
def test_codes(lengths):
    deltas = [0, *lengths, *reversed(lengths)]
    column = Coded(deltas, lengths)
    wides = bytes(deltas.count(255))
    assert deltas_read(read(events_body(bytes([MARK]) * len(deltas), [column], b"", notes=bytes(len(deltas)), wides=wides))) == deltas


def random_lengths(choose):
    """A complete code: a tree whose leaves are split at random, of 0 and of other deltas."""
    leaves = [1, 1]
    for _ in range(choose.randrange(60)):
        at = choose.randrange(len(leaves))
        if leaves[at] < 12:
            leaves[at] += 1
            leaves.append(leaves[at])
    return dict(zip([0, *choose.sample(range(1, 255), len(leaves) - 1)], leaves))


def random_moves(choose, callee_count):
    """Ops of plain calls and their returns, and what they move: of callees 0, 2, 4 ... plain calls, of the others leaves."""
    ops, moves, stack = [], [], []
    for _ in range(choose.randrange(2, 400)):
        if stack and choose.randrange(2):
            ops.append(RETURN)
            moves.append((stack.pop(), 1))
            continue
        number = choose.randrange(callee_count)
        ops.append(CALL + number)
        moves.append((number, 0))
        if number % 2:
            moves.append((number, 1))
        else:
            stack.append(number)
    return bytes(ops), moves


def random_block(seed):
    """A body, and its deltas."""
    choose = random.Random(seed)
    callee_count = 1 + choose.randrange(40)
    ops, moves = random_moves(choose, callee_count)
    alphabets = [random_lengths(choose) for _ in range(1 + choose.randrange(64))]
    columns, contexts, column_of, deltas = [[] for _ in alphabets], [], {}, []
    for context in contexts_of(moves):
        if context not in column_of:
            column_of[context] = choose.randrange(len(columns))
            contexts.append(column_of[context])
        deltas.append(choose.choice(list(alphabets[column_of[context]])) if deltas else 0)
        columns[column_of[context]].append(deltas[-1])
    coded = [Coded(each, lengths) if each and choose.randrange(4) else Plain(each) for each, lengths in zip(columns, alphabets)]
    callees = b"".join(callee(number % 3, LEAVES if number % 2 else PLAIN) for number in range(callee_count))
    return events_body(ops, coded, callees, contexts=bytes(contexts) if len(coded) > 1 else b""), deltas


@pytest.mark.parametrize("seed", range(40))
def test_random_blocks(seed):
    body, deltas = random_block(seed)
    assert deltas_read(read(body)) == deltas


# Version 2 has columns of callees in place of contexts


def test_a_leaf_takes_its_deltas_from_its_own_columns_in_version_2():
    callees = callee(0, PLAIN, (0, 1, 2, 3)) + callee(2, LEAVES, (4, 5, 6, 7))
    columns = [Plain([0]), Plain([]), Plain([]), Plain([9]), Plain([20]), Coded([30, 31], {30: 1, 31: 1}), Plain([50, 51, 52]), Plain([])]
    block = read(events_body(bytes([CALL, CALL + 1, CALL + 1, RETURN, CALL + 1]), columns, callees, version=2), version=2)
    assert deltas_read(block) == [0, 20, 50, 30, 51, 9, 31, 52]


def test_throws_and_annotations_take_theirs_from_the_first_column_in_version_2():
    callees = callee(1, ACTIVATIONS, (1, 1, 1, 1))
    ops = bytes([CALL, SUSPEND, RESUME, THROW, MARK, UNWIND])
    deltas = [Coded([7, 8], {7: 1, 8: 2, 9: 2}), Plain([0, 1, 2, 3])]
    block = read(events_body(ops, deltas, callees, starts=b"\0", resumes=b"\0", notes=b"\1x", version=2), version=2)
    assert names_and_ticks(block) == [("start", 1000), ("suspend", 1001), ("resume", 1003), ("throw", 1010), ("mark", 1018), ("unwind", 1021)]


def random_block_of_version_2(seed):
    """A body, and its deltas."""
    choose = random.Random(seed)
    columns = []
    for number in range(1 + choose.randrange(16)):
        lengths = random_lengths(choose)
        deltas = choose.choices(sorted(lengths), k=choose.randrange(200))
        columns.append(Coded(deltas, lengths) if deltas and choose.randrange(4) else Plain(deltas))
    columns[0] = Plain([0, *columns[0].deltas])
    callees = b"".join(callee(number % 3, PLAIN, [number] * 4 if len(columns) > 1 else None) for number in range(len(columns)))
    order = [number for number, column in enumerate(columns) for _ in column.deltas]
    choose.shuffle(order)
    order.remove(0)
    left = [iter(column.deltas) for column in columns]
    ops = bytes(CALL + number for number in [0, *order])
    return events_body(ops, columns, callees, version=2), [next(left[number]) for number in [0, *order]]


@pytest.mark.parametrize("seed", range(40))
def test_random_blocks_of_version_2(seed):
    body, deltas = random_block_of_version_2(seed)
    assert deltas_read(read(body, version=2)) == deltas


def test_version_1_has_no_code_and_no_leaves():
    callees = varint(0 * 2) + varint(1 * 2 + 1) + varint(2 * 2)
    ops = bytes([CALL, CALL + 2, RETURN, START, SUSPEND])
    body = events_body(ops, [Plain([0, 1, 255, 3, 4])], callees, starts=b"\0", wides=b"\2", elapsed=265, version=1)
    block = read(body, version=1)
    assert names_and_ticks(block) == [("call", 1000), ("call", 1001), ("return", 1258), ("start", 1261), ("suspend", 1265)]
    assert [event[2] for event in block["events"]] == [0, 2, None, 1, None]
    with pytest.raises(cptrace_oracle.SpecError):
        read(body)


def test_version_4_is_newer():
    with pytest.raises(cptrace_oracle.SpecError, match="newer version"):
        cptrace_oracle.Trace(header(4))


# What is wrong

MARKS = bytes([MARK]) * 4
HALVES = {0: 1, 1: 1}  # its code: 0 and 1 of one bit each
STREAMS = b"\1\1\1\1"
LENGTHS = written_lengths(HALVES)


def marks(code, bits, deltas=bytes(4)):
    """Four of them with one column of deltas."""
    return events_body(MARKS, [AsTold(deltas, code, bits)], b"", notes=bytes(4))


def plain_block(ops, callees=CALLEES, **more):
    return events_body(ops, [Plain(bytes(len(ops)))], callees, **more)


def two_columns(contexts):
    """Of a call each: two events with a context each."""
    return events_body(bytes([CALL, CALL]), [Plain([0]), Plain([0])], CALLEES, contexts=contexts)


def two_columns_of_version_2(numbers):
    return events_body(bytes([CALL]), [Plain([0]), Plain([])], callee(0, PLAIN, numbers), version=2)


WRONG = {
    "callee of kind 3": (plain_block(bytes([CALL]), callee(0, RESERVED)), "reserved kind of callee"),
    "callee of no function": (plain_block(bytes([CALL]), callee(3, PLAIN)), "function that nothing defines"),
    "context with a column too many": (two_columns(b"\0\2"), "delta column that is not there"),
    "context without a column": (two_columns(b"\0"), "cut short"),
    "column of no context": (two_columns(b"\0\1\1"), "column context: bytes are left over"),
    "contexts of one column": (plain_block(bytes([CALL]), contexts=b"\0"), "column context: bytes are left over"),
    "call of no callee": (plain_block(bytes([CALL + 3])), "callee that is not there"),
    "open call of no callee": (plain_block(bytes([RETURN]), opened=b"\3\0", open_count=1), "callee that is not there"),
    "open call of a leaf": (plain_block(bytes([RETURN]), opened=b"\2\0", open_count=1), "open call of a leaf"),
    "reopen of no callee": (plain_block(bytes([REOPEN]), reopens=b"\0\3\0"), "callee that is not there"),
    "reopen of a leaf": (plain_block(bytes([REOPEN]), reopens=b"\0\2\0"), "reopen of a callee without activations"),
    "reopen of a plain call": (plain_block(bytes([REOPEN]), reopens=b"\0\0\0"), "reopen of a callee without activations"),
    "suspend behind a leaf": (events_body(bytes([CALL, LEAF, SUSPEND]), [Plain(bytes(4))], CALLEES), "suspend of a plain call"),
    "return behind a leaf": (events_body(bytes([LEAF, RETURN]), [Plain(bytes(3))], CALLEES), "pop of nothing"),
    "leaf without a return": (events_body(bytes([LEAF]), [Plain(bytes(1))], CALLEES), "a leaf whose return is not in the event count"),
    "op behind the events": (events_body(bytes([LEAF, RETURN]), [Plain(bytes(2))], CALLEES), "column op: bytes are left over"),
    "fewer ops than events": (events_body(bytes([LEAF]), [Plain(bytes(3))], CALLEES), "cut short"),
    "no events": (events_body(b"", [Plain([])], CALLEES), "events header"),
    "open calls over the limit": (plain_block(bytes([CALL]), open_count=(16 << 20) + 1), "events header"),
    "open call before tick 0": (plain_block(bytes([RETURN]), opened=b"\0" + varint(1001), open_count=1), "open call"),
    "activation of an open call": (plain_block(bytes([RETURN]), opened=b"\1\0" + varint(2**32 - 1), open_count=1), "open call"),
    "resume of nothing": (plain_block(bytes([RESUME]), resumes=b"\0"), "resume of nothing"),
    "resume from before the block": (plain_block(bytes([START, SUSPEND, RESUME]), starts=b"\0", resumes=b"\2"), "resume of nothing"),
    "resume of a resumed call": (
        plain_block(bytes([START, START, SUSPEND, SUSPEND, RESUME, RESUME]), starts=b"\0\0", resumes=b"\1\1"),
        "resume of a call that was resumed",
    ),
    "activation of a reopen": (plain_block(bytes([REOPEN]), reopens=zigzag(-1) + b"\1\0"), "reopen"),
    "reopen before it starts": (plain_block(bytes([REOPEN]), reopens=b"\0\1" + zigzag(1)), "a call that starts later"),
    "activation of a start": (plain_block(bytes([START]), starts=zigzag(-1)), "start"),
    "throw into nothing": (plain_block(bytes([THROW])), "throw into nothing"),
    "arguments of nothing": (plain_block(bytes([11]), notes=b"\0"), "arguments of nothing"),
    "op 5": (plain_block(bytes([5])), "reserved op"),
    "op 7": (plain_block(bytes([7])), "reserved op"),
    "no delta column": (events_body(bytes([CALL]), [], CALLEES, count=1), "number of delta columns"),
    "65 delta columns": (events_body(bytes([CALL]), [Plain([0]), *[Plain([])] * 64], CALLEES, contexts=b"\0"), "number of delta columns"),
    "fewer deltas than events": (plain_block(bytes([CALL]), count=2), "deltas of all columns"),
    "counts of deltas that wrap": (plain_block(bytes([CALL]), count=1, delta_counts=[2**63, 2**63, 1]), "deltas of all columns"),
    "deltas in another column": (two_columns(b"\1\1"), "cut short"),
    "first delta": (marks(STREAMS + LENGTHS, b"\x80\0\0\0", b"\1\0\0\0"), "the first delta"),
    "last tick": (marks(STREAMS + LENGTHS, b"\0\0\0\x80"), "last tick"),
    "last tick too late": (plain_block(bytes([CALL]), elapsed=1), "last tick"),
    "ticks that wrap": (events_body(MARKS, [Plain([0, 0, 255, 255])], b"", notes=bytes(4), wides=varint(2**64 - 1) * 2, elapsed=508), "last tick"),
    "wide is missing": (events_body(MARKS, [Coded([0, 0, 0, 255], {0: 1, 255: 1})], b"", notes=bytes(4)), "cut short"),
    "wide is left over": (events_body(MARKS, [Coded(bytes(4), HALVES)], b"", notes=bytes(4), wides=b"\0"), "column wide: bytes are left over"),
    "no code": (marks(b"", bytes(4)), "cut short"),
    "code is left over": (marks(b"\0\0", bytes(4)), "column code: bytes are left over"),
    "code that goes on when it is complete": (marks(STREAMS + LENGTHS + b"\0", bytes(4)), "column code: bytes are left over"),
    "length of 0 bits": (marks(STREAMS + zigzag(0 - 8), bytes(4)), "length of a code"),
    "length of 13 bits": (marks(STREAMS + zigzag(13 - 8), bytes(4)), "length of a code"),
    "length below 1 by a difference": (marks(STREAMS + zigzag(2 - 8) + zigzag(-2), bytes(4)), "length of a code"),
    "incomplete code": (marks(STREAMS + LENGTHS[:1], bytes(4)), "cut short"),
    "over-complete code": (marks(STREAMS + written_lengths({0: 1, 1: 2, 2: 1}), bytes(4)), "over-complete"),
    "257 codes": (marks(STREAMS + written_lengths({delta: 12 for delta in range(257)}), bytes(4)), "more than 256 deltas"),
    "code behind 255": (marks(STREAMS + written_lengths({0: 1, 256: 1}), bytes(4)), "more than 256 deltas"),
    "no codes up to 256": (marks(STREAMS + b"\xff\xff", bytes(4)), "more than 256 deltas"),
    "first stream too short": (marks(b"\1\1\1\0" + written_lengths({0: 1, 1: 2, 2: 2}), bytes(3)), "too short"),
    "stream too short by a bit": (events_body(bytes([MARK]) * 36, [AsTold(bytes(36), b"\2\1\2\2" + LENGTHS, bytes(7))], b"", notes=bytes(36)), "too short"),
    "stream too long": (marks(b"\1\2\1\1" + LENGTHS, bytes(5)), "too long"),
    "stream of none": (events_body(bytes([MARK]) * 3, [AsTold(bytes(3), STREAMS + LENGTHS, bytes(4))], b"", notes=bytes(3)), "too long"),
    "coded column of none": (
        events_body(bytes([CALL]), [Plain([0]), AsTold([], b"\1\0\0\0" + LENGTHS, b"\0")], CALLEES, contexts=b"\0"),
        "too long",
    ),
    "stream beyond the block": (marks(b"\1\1\1\2" + LENGTHS, bytes(4)), "cut short"),
    "stream of 2^64 - 1": (marks(varint(2**64 - 1) + b"\1\1\1" + LENGTHS, bytes(4)), "cut short"),
    "streams that wrap": (marks(varint(2**63) * 2 + b"\2\2" + LENGTHS, bytes(4)), "cut short"),
    "plain column beyond the block": (marks(b"\0", bytes(3)), "cut short"),
    "bit behind a stream": (marks(STREAMS + LENGTHS, b"\0\0\x01\0"), "bits behind a stream"),
    "bits are left over": (marks(STREAMS + LENGTHS, bytes(5)), "bytes are left over"),
    "bits behind a plain column": (marks(b"\0", bytes(5)), "bytes are left over"),
}  # fmt: skip


WRONG_OF_VERSION_2 = {
    "callee with a column too many": (two_columns_of_version_2((0, 0, 0, 2)), "delta column that is not there"),
    "callee without its columns": (two_columns_of_version_2(None), "cut short"),
    "17 delta columns": (events_body(bytes([CALL]), [Plain([0]), *[Plain([])] * 16], CALLEES, version=2), "number of delta columns"),
    "deltas in another column": (
        events_body(bytes([CALL]), [Plain([]), Plain([0])], callee(0, PLAIN, (0, 0, 0, 0)), version=2),
        "cut short",
    ),
}


@pytest.mark.parametrize("version, name", [(3, name) for name in WRONG] + [(2, name) for name in WRONG_OF_VERSION_2])
def test_errors(version, name):
    body, message = (WRONG if version == 3 else WRONG_OF_VERSION_2)[name]
    with pytest.raises(cptrace_oracle.SpecError, match=message):
        read(body, version)


EVERYTHING = bytes([CALL, START, SUSPEND, RESUME, LEAF, THROW, MARK, UNWIND, LEAF, START, SUSPEND, REOPEN, RETURN])
EVERY_MOVE = [
    (0, 0), (1, 0), (1, 1), (1, 0), (2, 0), (2, 1), (None, 0), (None, 0), (1, 1), (2, 0), (2, 1), (1, 0), (1, 1), (1, 0), (1, 1),
]  # fmt: skip


def context_bytes(columns):
    """So that the events of EVERYTHING have these columns; those of a context that has one already are left out."""
    column_of = {}
    for context, column in zip(contexts_of(EVERY_MOVE), columns):
        assert column_of.setdefault(context, column) == column
    return bytes(column_of.values())


def everything(*deltas, numbers=None, **more):
    """Of each op, with 15 deltas, which are 0 up to the last: then what is changed in the ops moves no last tick."""
    callees = callee(0, PLAIN, numbers) + callee(1, ACTIVATIONS, numbers) + callee(2, LEAVES, numbers)
    return events_body(EVERYTHING, deltas, callees, starts=b"\0\0", resumes=b"\0", notes=b"\1x", reopens=b"\0\1\0", **more)


# The blocks that the wrong ones above were made from, and more.
RIGHT = {
    "coded marks": marks(STREAMS + LENGTHS, bytes(4)),
    "plain marks": marks(b"\0", bytes(4)),
    "call": plain_block(bytes([CALL])),
    "leaf": events_body(bytes([LEAF]), [Plain(bytes(2))], CALLEES),
    "two columns": two_columns(b"\0\1"),
    "64 columns": events_body(bytes([CALL]), [*[Plain([])] * 63, Plain([0])], CALLEES, contexts=b"\x3f"),
    "open call": plain_block(bytes([RETURN]), opened=b"\0\0", open_count=1),
    "reopen": plain_block(bytes([REOPEN]), reopens=b"\0\1\0"),
    "resumes": plain_block(bytes([START, START, SUSPEND, SUSPEND, RESUME, RESUME]), starts=b"\0\0", resumes=b"\1\2"),
    "everything, plain": everything(Plain(bytes(15))),
    "everything, coded": everything(Coded(bytes(15), {0: 1, 1: 2, 2: 2})),
    "everything, wide": everything(Coded([0] * 14 + [255], {0: 1, 255: 1}), wides=b"\7", elapsed=262),
    "everything, in two columns": everything(
        Coded([0] * 2, {0: 1, 3: 1}), Coded([0] * 13, {0: 2, 3: 2, 7: 2, 8: 2}), contexts=context_bytes([1] * 6 + [0] * 2 + [1] * 7)
    ),
    "everything, below open calls": everything(
        Plain([0] * 8), Plain([0] * 7), opened=b"\0\5\1\6\7", open_count=2, contexts=context_bytes([0, 1] * 7 + [0])
    ),
    **{f"random {seed}": random_block(seed)[0] for seed in range(40)},
}

RIGHT_OF_VERSION_2 = {
    "two columns": two_columns_of_version_2((0, 0, 0, 1)),
    "everything, in two columns": everything(
        Coded([0] * 2, {0: 1, 3: 1}), Coded([0] * 13, {0: 2, 3: 2, 7: 2, 8: 2}), numbers=[1] * 4, version=2
    ),
    "everything, below open calls": everything(
        Plain([0] * 2), Plain([0] * 13), numbers=[1] * 4, opened=b"\0\5\1\6\7", open_count=2, version=2
    ),
    **{f"random {seed}": random_block_of_version_2(seed)[0] for seed in range(40)},
}

BLOCKS = [(3, name) for name in RIGHT] + [(2, name) for name in RIGHT_OF_VERSION_2]


def right_block(version, name):
    return (RIGHT if version == 3 else RIGHT_OF_VERSION_2)[name]


@pytest.mark.parametrize("version, name", BLOCKS)
def test_what_is_wrong_is_wrong_by_one_thing(version, name):
    read(right_block(version, name), version)
