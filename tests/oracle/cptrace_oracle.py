"""A second reader of .cptrace files, laid out in the order of format/SPEC.md and knowing nothing else. Slow, strict, plain:
any contradiction of an undamaged file is a SpecError. The C reader must agree with it."""

import shutil
import struct
import subprocess
import zlib


class SpecError(Exception):
    pass


def check(condition, message):
    if not condition:
        raise SpecError(message)


def _decompressor():
    """Python 3.14+, the package zstandard, or the command zstd, whichever is there."""
    try:
        from compression import zstd

        return zstd.decompress
    except ImportError:
        pass
    try:
        import zstandard

        return lambda frame: zstandard.ZstdDecompressor().decompress(frame)
    except ImportError:
        pass
    if not shutil.which("zstd"):
        raise ImportError("needs Python 3.14, the package zstandard, or the command zstd")
    return lambda frame: subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout


decompress = _decompressor()


# 1. Conventions


class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        check(self.at + count <= len(self.data), "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def fixed(self, layout):
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        check(value < 1 << 64 and shift <= 70 and (byte or shift == 7), "varint: too large or longer than needed")
        return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def string(self):
        return self.take(self.varint())

    def calibration(self):
        return self.fixed("QQQ")

    def end(self):
        check(self.at == len(self.data), "bytes are left over")


# 2. File


def frame_bytes(data, at):
    """Of the zstd frame at `at`, whose header must be as the table says; RFC 8878, 3.1.1."""
    descriptor = data[at + 4]
    single_segment = descriptor >> 5 & 1
    check(descriptor & 0x1F == 4 and (single_segment or descriptor >> 6), "frame without content size or checksum")
    size_at, size_bytes = at + 5 + (not single_segment), (1, 2, 4, 8)[descriptor >> 6]
    end = size_at + size_bytes
    most = end - at + int.from_bytes(data[size_at:end], "little") + (256 if size_bytes == 2 else 0) + 4
    last, block_count = False, 0
    while not last:
        check(end + 3 <= len(data), "frame: cut short")
        block_count += 1
        header = int.from_bytes(data[end : end + 3], "little")
        last = header & 1
        end += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
    check(block_count <= 8192, "frame of too many zstd blocks")
    check(end + 4 - at <= most + 3 * block_count, "frame that is larger than its content")
    return end + 4 - at


COLUMNS_OF_VERSION_1 = ("callee", "open", "op", "start", "resume", "reopen", "annotation", "wide")
COLUMNS = {1: COLUMNS_OF_VERSION_1, 2: (*COLUMNS_OF_VERSION_1, "code"), 3: (*COLUMNS_OF_VERSION_1, "code", "context")}
PLAIN, ACTIVATIONS, LEAVES = range(3)  # kinds of callees


class Trace:
    def __init__(self, data):
        self.data = data
        self.blocks, self.strings = [], [b""]
        self.files, self.functions, self.lanes, self.tasks = [], [], [], []
        self.info = self.end = self.index = None
        self.read_header()
        at = 80
        while at < len(data):
            magic = data[at : at + 4].hex(" ")
            check(self.index is None, "something stands behind the index")
            if magic == "28 b5 2f fd":
                size = frame_bytes(data, at)
                self.read_block(at, data[at : at + size])
            elif magic == "5d 2a 4d 18":
                size = 8 + struct.unpack_from("<I", data, at + 4)[0]
                self.read_index(data[at : at + size])
            else:
                check(magic == "5e 2a 4d 18", "unknown frame " + magic)
                size = 8 + struct.unpack_from("<I", data, at + 4)[0]
                check(not any(data[at + 8 : at + size]), "padding that is not zero")
            at += size
        check(at == len(data), "the last frame is cut")

    # 3. Header

    def read_header(self):
        header = self.data[:80]
        check(len(header) == 80 and header[:4].hex(" ") == "5c 2a 4d 18" and header[8:16] == b"\x89cptrace", "no signature")
        self.version, reserved, self.file_id = struct.unpack_from("<HHI", header, 16)
        check(self.version in COLUMNS, "newer version")
        self.run_id = header[24:40]
        self.ns_per_tick_q32, *start, reserved_2, crc = struct.unpack_from("<QQQQII", header, 40)
        self.start = tuple(start)
        check(header[4:8] == b"\x48\0\0\0" and reserved == reserved_2 == 0 and self.file_id and self.ns_per_tick_q32, "header")
        check(crc == zlib.crc32(header[8:76]), "header crc32")

    # 4. Blocks

    def read_block(self, offset, frame):
        content = decompress(frame)
        cursor = Cursor(content)
        kind, reserved, file_id, sequence = cursor.fixed("B3sII")
        check(reserved == b"\0\0\0" and file_id == self.file_id and sequence == len(self.blocks), "block header")
        check(len(content) <= 64 << 20 and (kind == 1) == (sequence == 0) and self.end is None, "order of blocks")
        block = {"offset": offset, "frame": frame, "content": content, "kind": kind, "lane": None}
        reader = {1: self.read_info, 2: self.read_definitions, 3: self.read_events, 4: self.read_end}.get(kind)
        if reader:
            reader(cursor, block)
            cursor.end()
        self.blocks.append(block)

    # 4.1 Info

    def read_pairs(self, cursor):
        return [(cursor.string(), cursor.string()) for _ in range(cursor.varint())]

    def read_info(self, cursor, block):
        self.info = self.read_pairs(cursor)

    # 4.2 Definitions

    def read_definitions(self, cursor, block):
        def string():
            number = cursor.varint()
            check(number < len(self.strings), "a string that nothing defines")
            return self.strings[number]

        def file():
            entry = string(), cursor.varint(), cursor.varint(), cursor.string()
            check(len(entry[3]) in (0, 32), "hash")
            return entry

        def function():
            entry = string(), string(), string(), cursor.varint() - 1, cursor.varint(), cursor.u8(), cursor.u8()
            check(entry[3] < len(self.files) and 1 <= entry[5] <= 4 and entry[6] <= 16, "function")
            return entry

        def lane():
            check(cursor.u8() == 1, "lane kind")
            return cursor.varint(), string()

        def task():
            return string(), cursor.varint(), cursor.varint() - 1

        tables = (
            (self.strings, cursor.string),
            (self.files, file),
            (self.functions, function),
            (self.lanes, lane),
            (self.tasks, task),
        )
        for table, entry in tables:
            first, count = cursor.varint(), cursor.varint()
            check(count == 0 or first == len(table), "numbers are not dense")
            for _ in range(count):
                table.append(entry())

    # 4.3 Events

    def read_events(self, cursor, block):
        block["lane"], count, first, last = cursor.fixed("IIQQ")
        block["calibration"] = cursor.calibration()
        (open_count,) = cursor.fixed("I")
        block.update(count=count, first=first, last=last)
        check(0 < count <= 4 << 20 and open_count <= 16 << 20 and block["lane"] < len(self.lanes), "events header")
        for earlier in self.blocks:
            check(earlier["lane"] != block["lane"] or earlier["last"] <= first, "a lane goes back in time")
        names = COLUMNS[self.version]
        lengths = {name: cursor.varint() for name in names}
        delta_column_count = cursor.varint()
        check(1 <= delta_column_count <= (64 if self.version == 3 else 16), "number of delta columns")
        delta_counts = [cursor.varint() for _ in range(delta_column_count)]
        check(sum(delta_counts) == count, "deltas of all columns against the event count")
        if self.version > 1:
            columns = {name: Cursor(cursor.take(lengths[name])) for name in names}
            deltas = [Cursor(self.read_deltas(columns["code"], cursor, delta_count)) for delta_count in delta_counts]
        else:
            columns, deltas = self.read_columns_of_version_1(cursor, lengths, delta_counts)
        callees = self.read_callees(columns["callee"], deltas)
        block["functions"] = {callee[0] for callee in callees}
        block["open"], stack = self.read_open(columns["open"], open_count, first, callees)
        block["events"] = list(self.read_event_columns(block, columns, deltas, callees, stack))
        for name, column in (*columns.items(), *(("delta", column) for column in deltas)):
            check(column.at == len(column.data), f"column {name}: bytes are left over")

    def read_callees(self, column, deltas):
        """Per callee: function, kind, its four delta columns (before version 3), number."""
        callees = []
        while column.at < len(column.data):
            function, kind = divmod(column.varint(), 4 if self.version > 1 else 2)
            check(kind in (PLAIN, ACTIVATIONS, LEAVES), "reserved kind of callee")
            check(function < len(self.functions), "callee of a function that nothing defines")
            places = column.fixed("H")[0] if len(deltas) > 1 and self.version < 3 else 0
            places = [places >> shift & 15 for shift in (0, 4, 8, 12)]
            check(max(places) < len(deltas), "callee with a delta column that is not there")
            callees.append((function, kind, [deltas[place] for place in places], len(callees)))
        return callees

    def callee(self, callees, number):
        check(number < len(callees), "a callee that is not there")
        return callees[number]

    def read_open(self, column, count, first, callees):
        """The calls as (function, start tick, activation or -1), and the stack: (callee, activation or -1)."""
        calls, stack = [], []
        for _ in range(count):
            callee, start = self.callee(callees, column.varint()), first - column.varint()
            check(callee[1] != LEAVES, "open call of a leaf")
            activation = column.varint() if callee[1] == ACTIVATIONS else -1
            check(start >= 0 and activation < 2**32 - 1, "open call")
            calls.append((callee[0], start, activation))
            stack.append((callee, activation))
        return calls, stack

    def read_event_columns(self, block, columns, deltas, callees, stack):
        """Yields (name, tick, function or None, activation or None, start tick or None), and (name, tick, fields) for annotations."""
        tick, cpu, after_pop = block["first"], (0, 0), False
        suspensions, latest = [], []  # in order, None once resumed; places of those that were not, and perhaps of others
        started, reopened, reopened_start = -1, 0, block["first"]
        in_leaf, context, column_of = False, 0, {}
        for number in range(block["count"]):
            op, call, name = 0 if in_leaf else columns["op"].varint(), None, None
            in_leaf = False
            check(op not in (5, 7), "reserved op")
            if op <= 2:
                check(stack, "pop of nothing")
                call, name = stack.pop(), ("return", "unwind", "suspend")[op]
                if op == 2:
                    check(call[0][1] == ACTIVATIONS, "suspend of a plain call")
                    latest.append(len(suspensions))
                    suspensions.append(call)
            elif op == 3:
                back = columns["resume"].varint()
                while latest and not suspensions[latest[-1]]:
                    latest.pop()
                check(back <= len(suspensions) and latest, "resume of nothing")
                at = len(suspensions) - back if back else latest[-1]
                call, suspensions[at], name = suspensions[at], None, "resume"
                check(call, "resume of a call that was resumed")
            elif op == 4:
                reopened += columns["reopen"].zigzag()
                callee = self.callee(callees, columns["reopen"].varint())
                reopened_start += columns["reopen"].zigzag()
                check(callee[1] == ACTIVATIONS, "reopen of a callee without activations")
                check(0 <= reopened < 2**32 - 1 and reopened_start >= 0, "reopen")
                call, name = (callee, reopened), "reopen"
            elif op >= 16:
                call, name = (self.callee(callees, op - 16), -1), "call"
                in_leaf = call[0][1] == LEAVES
                if call[0][1] == ACTIVATIONS:
                    started += 1 + columns["start"].zigzag()
                    check(0 <= started < 2**32 - 1, "start")
                    call, name = (call[0], started), "start"
            pops = op <= 2
            if self.version == 3:
                context = self.context(context, call and call[0][3], pops)
                if context not in column_of:
                    column_of[context] = columns["context"].u8() if len(deltas) > 1 else 0
                    check(column_of[context] < len(deltas), "context with a delta column that is not there")
                column = deltas[column_of[context]]
            else:
                column = call[0][2][2 * pops + after_pop] if call else deltas[0]
            delta = column.u8()
            delta += columns["wide"].varint() if delta == 255 else 0
            check(number or delta == 0, "the first delta")
            tick, after_pop = tick + delta, pops
            if op == 6 or 8 <= op <= 15:
                check(stack or op not in (6, 11), "throw into nothing, or arguments of nothing")
                event = self.read_annotation_event(op, tick, columns["annotation"], cpu, len(stack)) if op != 6 else ("throw", tick, None, None, None)
                cpu = (event[2]["cpu_ns"], event[2]["voluntary_switches"]) if op == 8 else cpu
                if event:
                    yield event
                continue
            if not pops:
                stack.append(call)
            (function, *_), activation = call
            start = {"start": tick, "reopen": reopened_start}.get(name)
            check(start is None or start <= tick, "a call that starts later")
            shown = name in ("call", "start", "reopen")
            yield name, tick, function if shown else None, activation if name in ("start", "resume", "reopen") else None, start
        check(not in_leaf, "a leaf whose return is not in the event count")
        check(tick == block["last"], "last tick")

    def context(self, before, callee, pops):
        event = 0 if callee is None else 2 * callee + 2 + pops
        return before // 32 ^ 2533 * event % 8192

    def read_deltas(self, code, bits, count):
        """The `count` deltas of one column, a byte each."""
        stream_lengths = [code.varint()]
        if stream_lengths[0] == 0:
            return bits.take(count)
        stream_lengths += [code.varint() for _ in range(3)]
        table = self.code_table(self.read_code_lengths(code))
        most, deltas = (count + 3) // 4, bytearray()
        for length in stream_lengths:
            deltas += self.read_stream(bits.take(length), min(most, count - len(deltas)), table)
        return bytes(deltas)

    def read_code_lengths(self, code):
        """Of the codes of the deltas 0, 1, 2 ... in bits, 0 where there is none, up to where the code is complete."""
        lengths, last, share = [], 8, 0  # share: the sum of all 2^-length, times 2^12
        while share < 1 << 12:
            byte = code.u8()
            if byte >= 32:
                lengths += [0] * (byte - 31)
            else:
                last += byte >> 1 ^ -(byte & 1)
                check(1 <= last <= 12, "length of a code")
                share += 1 << 12 - last
                lengths.append(last)
            check(len(lengths) <= 256, "codes of more than 256 deltas")
        check(share == 1 << 12, "over-complete code")
        return lengths

    def code_table(self, lengths):
        """(delta, bits of its code) by the next 12 bits of a stream: in the order of the codes, each as often as 12 bits begin with it."""
        coded = sorted((bits, delta) for delta, bits in enumerate(lengths) if bits)
        return [(delta, bits) for bits, delta in coded for _ in range(1 << 12 - bits)]

    def read_stream(self, stream, count, table):
        """Its `count` deltas; at is the bit where the next code begins, within the first of three bytes."""
        deltas, padded, at = bytearray(), stream + b"\0\0", 0
        for _ in range(count):
            three_bytes = int.from_bytes(padded[at >> 3 : (at >> 3) + 3], "big")
            delta, bits = table[three_bytes >> 12 - (at & 7) & 0xFFF]
            deltas.append(delta)
            at += bits
        check(at <= 8 * len(stream), "stream that is too short")
        check(at > 8 * len(stream) - 8, "stream that is too long")
        check(at % 8 == 0 or stream[-1] & 0xFF >> at % 8 == 0, "bits behind a stream that are not 0")
        return deltas

    def read_annotation_event(self, op, tick, column, cpu, depth):
        """(name, tick, fields), or None for one that is reserved."""
        payload = Cursor(column.string())
        if op == 8:
            cpu = cpu[0] + payload.zigzag(), cpu[1] + payload.zigzag()
        fields = self.read_annotation(op, payload, cpu)
        check(op != 13 or 1 <= fields[1]["levels"] <= depth, "omitted outer")
        return (fields[0], tick, fields[1]) if fields else None

    def read_annotation(self, op, payload, cpu):
        """(name, fields), or None for those that are reserved."""
        if op >= 14:
            return None
        if op == 8:
            check(0 <= cpu[0] < 1 << 63 and 0 <= cpu[1] < 1 << 63, "cpu")
            fields = {"cpu_ns": cpu[0], "voluntary_switches": cpu[1]}
        elif op == 10:
            fields = {"value": payload.fixed("d")[0], "name": payload.take(len(payload.data) - 8)}
        elif op in (12, 13):
            fields = {"levels": payload.varint()} if op == 13 else {}
            fields.update(count=payload.varint(), ticks=payload.varint())
        else:
            fields = {"text": payload.take(len(payload.data))}
        payload.end()
        return ("cpu", "mark", "counter", "arguments", "omitted", "omitted_outer")[op - 8], fields

    # 4.4 End

    def read_end(self, cursor, block):
        calibration = cursor.calibration()
        end_tick, events, calls = cursor.fixed("QQQ")
        self.end = {"calibration": calibration, "tick": end_tick, "events": events, "calls": calls}
        self.end["pairs"] = self.read_pairs(cursor)
        kinds = [event[0] for each in self.blocks for event in each.get("events", ())]
        check(calls == kinds.count("call") + kinds.count("start"), "calls in the file")
        check(events == sum(each["count"] for each in self.blocks if each["kind"] == 3), "events in the file")

    # 5. Index

    def read_index(self, frame):
        check(frame[8:16] == b"cptindex" and frame[-8:] == b"cptend\r\n", "index signatures")
        crc, size = struct.unpack("<II", frame[-16:-8])
        check(crc == zlib.crc32(frame[8:-16]) and size == len(frame), "index crc32 or size")
        cursor = Cursor(frame[:-16], 16)
        end, first, point = 80, self.start[0], self.start
        check(cursor.varint() == len(self.blocks), "index: block count")
        for block in self.blocks:
            told = end + cursor.varint(), cursor.varint(), *cursor.fixed("IB")
            check(told == (block["offset"], len(block["frame"]), zlib.crc32(block["frame"]), block["kind"]), "index: block")
            end = told[0] + told[1]
            if block["kind"] == 3:
                told = cursor.varint(), cursor.varint(), first + cursor.zigzag(), cursor.varint()
                first = block["first"]
                check(told == (block["lane"], block["count"], first, block["last"] - first), "index: events")
                if cursor.u8():
                    point = tuple(value + cursor.zigzag() for value in point)
                check(point == block["calibration"], "index: calibration")
                self.read_functions(Cursor(cursor.string()), block)
        self.index = [cursor.varint() for _ in range(5)]
        cursor.end()
        counts = len(self.functions), len(self.files), len(self.lanes)
        check(self.index == [self.end["events"], self.end["calls"], *counts], "index: totals")

    def read_functions(self, cursor, block):
        told, end = set(), 0
        while cursor.at < len(cursor.data):
            gap = cursor.varint()
            check(gap or not told, "index: runs that touch")
            begin, end = end + gap, end + gap + cursor.varint() + 1
            told.update(range(begin, end))
        check(told == block["functions"], "index: functions")

    # 11. Versions

    def read_columns_of_version_1(self, cursor, lengths, delta_counts):
        columns = {name: Cursor(cursor.take(lengths[name])) for name in COLUMNS_OF_VERSION_1[:-1]}
        deltas = [Cursor(cursor.take(delta_count)) for delta_count in delta_counts]
        columns["wide"] = Cursor(cursor.take(lengths["wide"]))
        return columns, deltas


# 8. Time


def monotonic_ns(points, ns_per_tick_q32, tick):
    """points: calibration points, sorted; exact, where the C reader rounds down."""
    segments = [(a, b) for a, b in zip(points, points[1:]) if b[0] > a[0]]
    for (t0, m0, _), (t1, m1, _) in segments:
        if t0 <= tick <= t1:
            return m0 + (tick - t0) * (m1 - m0) / (t1 - t0)
    nearest = points[0] if tick < points[0][0] else points[-1]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in segments if b[1] - a[1] >= 10_000_000]
    slope = (slopes[0] if tick < points[0][0] else slopes[-1]) if slopes else ns_per_tick_q32 / 2**32
    return nearest[1] + (tick - nearest[0]) * slope
