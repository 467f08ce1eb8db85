"""Whether the oracle and `cptrace dump` tell the same of a file."""

import codecs
import json
import math
import re
import subprocess

FIELD = re.compile(r' ([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|\S+)')
CUT = 4  # exit code
EVENTS_COMPARED = 200_000  # of a file; the oracle is a thousand times slower than what it checks


def parse_line(line):
    """'00000050+3 call tick=7' -> (offset, 3, 'call', {'tick': 7}); a line of a block has its kind behind some fields."""
    place, _, rest = line.partition(" ")
    offset, _, number = place.partition("+")
    fields = {name: json.loads(value) if value[0] in '"-0123456789' else value for name, value in FIELD.findall(" " + rest)}
    words = [word for word in FIELD.sub("", " " + rest).split() if word]
    return int(offset, 16), int(number) if number else None, words[-1] if words else "", fields


SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def _shown(error):
    """What is not UTF-8, but a surrogate that Python let into a name, is shown as such."""
    found = SURROGATE.match(error.object, error.start)
    return (found.group().decode("utf-8", "surrogatepass"), found.end()) if found else ("\ufffd", error.end)


codecs.register_error("shown", _shown)


def readable(string):
    return string.decode("utf-8", "shown")


def expected_annotation(kind, tick, told):
    fields = {"tick": tick}
    for name, value in told.items():
        fields[name] = readable(value) if isinstance(value, bytes) else value
    if kind == "counter" and not math.isfinite(fields["value"]):
        fields["value"] = "null"
    return kind, fields


def expected_event(event):
    if len(event) == 3:
        return expected_annotation(*event)
    kind, tick, function, activation, start = event
    fields = {"tick": tick}
    if function is not None:
        fields["function"] = function
    if activation is not None:
        fields["activation"] = activation
    if kind == "reopen":
        fields["start_tick"] = start
    return kind, fields


def differences(trace, path, cptrace):
    """Yields what differs, as text; nothing when both agree. path is where trace was read from."""
    event_count = sum(block.get("count", 0) for block in trace.blocks)
    options = ["--no-events"] if event_count > EVENTS_COMPARED else []
    process = subprocess.run([cptrace, "dump", *options, str(path)], stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    if process.returncode != (0 if trace.end else CUT):
        yield f"cptrace dump: exit code {process.returncode}"
    lines = [parse_line(line) for line in process.stdout.splitlines()]
    yield from _header_differences(trace, lines)
    yield from _block_differences(trace, lines)
    yield from _definition_differences(trace, lines)
    if not options:
        yield from _event_differences(trace, lines)


def _header_differences(trace, lines):
    told = lines[0][3]
    expected = {"version": trace.version, "file_id": trace.file_id, "run_id": trace.run_id.hex()}
    expected.update(ns_per_tick_q32=trace.ns_per_tick_q32, start_ticks=trace.start[0])
    expected.update(start_monotonic_ns=trace.start[1], start_utc_ns=trace.start[2])
    if told != expected:
        yield f"header: {told}, expected {expected}"


def _block_differences(trace, lines):
    told = [(offset, fields) for offset, number, _, fields in lines if number is None and "sequence" in fields]
    if len(told) != len(trace.blocks):
        yield f"{len(told)} blocks, expected {len(trace.blocks)}"
    for sequence, (block, (offset, fields)) in enumerate(zip(trace.blocks, told)):
        expected = {"sequence": sequence, "compressed_bytes": len(block["frame"]), "content_bytes": len(block["content"])}
        if block["kind"] == 3:
            ticks, monotonic_ns, utc_ns = block["calibration"]
            expected.update(lane=block["lane"], open=len(block["open"]), first_tick=block["first"], last_tick=block["last"])
            expected.update(events=len(block["events"]), calibration_ticks=ticks, monotonic_ns=monotonic_ns, utc_ns=utc_ns)
        if block["kind"] == 4:
            expected.update(end_tick=trace.end["tick"], events=trace.end["events"], calls=trace.end["calls"])
        wrong = {name: fields.get(name) for name, value in expected.items() if fields.get(name) != value}
        if wrong or offset != block["offset"]:
            yield f"block {sequence} at {offset:#x}: {wrong}, expected {expected} at {block['offset']:#x}"


def expected_task(name, root, creating):
    fields = {"name": readable(name), "root_activation": root}
    return fields if creating < 0 else {**fields, "creating_activation": creating}


def _definition_differences(trace, lines):
    told = {kind: [fields for _, number, word, fields in lines if number is not None and word == kind] for kind in ("file", "function", "lane", "task", "pair")}
    expected = {
        "file": [{"path": readable(path), "size_bytes": size, "mtime_ns": mtime} for path, size, mtime, _ in trace.files],
        "function": [
            {"name": readable(name), "module": readable(module), "library": readable(library), "line": line, "flags": flags}
            for name, module, library, _, line, _, flags in trace.functions
        ],
        "lane": [{"os_thread_id": thread, "name": readable(name)} for thread, name in trace.lanes],
        "task": [expected_task(*task) for task in trace.tasks],
        "pair": [{"key": readable(key), "value": readable(value)} for key, value in trace.info + (trace.end["pairs"] if trace.end else [])],
    }
    for kind in expected:
        if len(told[kind]) != len(expected[kind]):
            yield f"{len(told[kind])} {kind} records, expected {len(expected[kind])}"
        for number, (fields, right) in enumerate(zip(told[kind], expected[kind])):
            if any(fields.get(name) != value for name, value in right.items()):
                yield f"{kind} {number}: {fields}, expected {right}"


def _event_differences(trace, lines):
    kinds = {"return", "unwind", "suspend", "resume", "reopen", "start", "throw", "call"}
    kinds |= {"cpu", "mark", "counter", "arguments", "omitted", "omitted_outer"}
    told = (line for line in lines if line[1] is not None and line[2] in kinds)
    for block in trace.blocks:
        for number, event in enumerate(block.get("events", ())):
            kind, fields = expected_event(event)
            line = next(told, None)
            if line is None or line[:3] != (block["offset"], number, kind) or any(line[3].get(k) != v for k, v in fields.items()):
                yield f"event {number} of the block at {block['offset']:#x}: {line}, expected {kind} {fields}"
                return
    if next(told, None) is not None:
        yield "more events than expected"
