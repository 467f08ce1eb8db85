"""Traces whose checksums are right and whose numbers are absurd: each tool ends with an error or tells of a gap, within a bounded memory."""

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import trace_maker
from hostile_traces import (
    HOSTILE, REFUSED, SMALL, activations_without_end, arguments_of_calls_in_calls, calls_in_calls, calls_in_calls_of_many_blocks,
    calls_just_below_the_limit, gap_of_the_most, leaves_at_the_limit, many_lanes, open_calls_at_the_limit, open_calls_on_many_lanes,
    reopened_without_end, ten_thousand_lanes_at_once,
)  # fmt: skip
from trace_maker import CALL, EVENTS, MIB, RETURN, begin_with, events, header, string, varint

pytestmark = [
    pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the frames"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory"),
]

BIN = Path(sys.executable).parent
# What a system may give them: within it each ends by itself, with "no memory" if need be. A file of some kilobytes can want more: 64 MiB
# of definitions, or 64 MiB decoded on each of many lanes.
ADDRESS_SPACE_MAX = 1 << 30
TOOLS = [
    ["cptrace", "info", "--json"],
    ["cptrace", "calls"],
    ["cptrace", "check"],
    ["cptrace", "dump"],
    ["cptrace", "strip", "--force", "-o", "copy.cptrace"],
    ["cptrace", "merge", "--force", "-o", "merged.cptrace", "other.cptrace"],
    ["cp2html", "-o", "page.html"],
]


@pytest.fixture(scope="module", params=HOSTILE, ids=lambda make: make.__name__)
def hostile(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    request.param(folder)
    trace = (folder / "hostile.cptrace").read_bytes()
    (folder / "other.cptrace").write_bytes(header(b"another run, yes") + trace[len(header()) :])
    yield folder / "hostile.cptrace"
    shutil.rmtree(folder)


def limited(words, folder, address_space_bytes):
    """(exit code, stderr, peak resident bytes) under the limit. What it prints is not kept."""
    with open(folder / "stderr", "wb") as errors:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes)),
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, (folder / "stderr").read_text(encoding="utf-8", errors="replace"), usage.ru_maxrss * 1024


@pytest.mark.parametrize("words", TOOLS, ids=" ".join)
def test_tools_end_by_themselves(hostile, words):
    name = hostile.parent.name
    is_small = name.startswith(SMALL)
    if words[1] == "dump" and not is_small:
        words = [*words, "--no-events"]  # a line for each of four million events is no news
    code, told, peak_bytes = limited([BIN / words[0], *words[1:], str(hostile)], hostile.parent, ADDRESS_SPACE_MAX)
    assert code in (0, 1, 3, 4), (code, told)
    if words[1] not in ("check", "dump"):  # those tell on stdout
        assert code == 0 or told, "an exit without a reason"
    if code == 1:
        assert "memory" in told, told
    if words[1] == "check":
        assert code == 3 if name.startswith(REFUSED) else code in (1, 4), "a file that is not what its name says"
    assert peak_bytes <= ADDRESS_SPACE_MAX
    if is_small:
        assert code != 1 and peak_bytes < 400 * MIB, peak_bytes


# Without that limit: what they take at most follows from what was decompressed. The calls that are open at once, up to the 2 Mi that the
# replay takes, have a share of their own.
OPEN_CALLS_BYTES = 640 * MIB
BYTES_PER_CONTENT_BYTE = 64
FOLLOWING = [
    calls_in_calls,
    calls_in_calls_of_many_blocks,
    calls_just_below_the_limit,
    arguments_of_calls_in_calls,
    activations_without_end,
    reopened_without_end,
    open_calls_at_the_limit,
    open_calls_on_many_lanes,
    leaves_at_the_limit,
    ten_thousand_lanes_at_once,
    gap_of_the_most,
]


READING = (
    ["cptrace", "info"],
    ["cptrace", "check", "-q"],
    ["cp2html", "-q", "-o", "page.html"],
    ["cptrace", "strip", "-q", "-o", "copy.cptrace"],
)


@pytest.fixture
def measured(monkeypatch):
    """Counts the content of what is made."""

    class Measuring(trace_maker.Maker):
        content_bytes = 0

        def many(self, kind, bodies):
            Measuring.content_bytes += sum(map(len, bodies))
            return super().many(kind, bodies)

    monkeypatch.setattr(trace_maker, "Maker", Measuring)
    return Measuring


@pytest.mark.parametrize("make", FOLLOWING, ids=lambda make: make.__name__)
def test_memory_follows_the_content(make, tmp_path, measured):
    make(tmp_path)
    for words in READING:
        code, told, peak_bytes = limited([BIN / words[0], *words[1:], "hostile.cptrace"], tmp_path, 4 * ADDRESS_SPACE_MAX)
        assert code in (1, 3, 4), (code, told)
        assert code != 1 or "calls that are open at once" in told, told
        assert peak_bytes <= min(OPEN_CALLS_BYTES + BYTES_PER_CONTENT_BYTE * measured.content_bytes, ADDRESS_SPACE_MAX), (words, peak_bytes / MIB)


# Without calls that are open there is no such share, but that of the process that forked.
PROGRAM_BYTES = 128 * MIB


@pytest.mark.parametrize("make", [many_lanes, ten_thousand_lanes_at_once], ids=lambda make: make.__name__)
def test_memory_of_lanes_follows_the_content(make, tmp_path, measured):
    make(tmp_path)
    for words in READING:
        code, told, peak_bytes = limited([BIN / words[0], *words[1:], "hostile.cptrace"], tmp_path, 4 * ADDRESS_SPACE_MAX)
        assert code == 4, (code, told)
        assert peak_bytes <= PROGRAM_BYTES + BYTES_PER_CONTENT_BYTE * measured.content_bytes, (words, peak_bytes / MIB)


def test_thousands_of_traces_are_merged(tmp_path):
    """Of strangers, so that each is compared with each, and more than may be open at once unless it asks."""
    count = 3000
    begin_with(tmp_path, varint(1) + string(b"parent_run") + string(b"f" * 32), (EVENTS, events(bytes([CALL, RETURN]))))
    trace = (tmp_path / "hostile.cptrace").read_bytes()
    names = [f"{number}.cptrace" for number in range(count)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(header(struct.pack("<QQ", number, 0)) + trace[len(header()) :])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        pytest.skip(f"no more than {hard} files may be open here")
    few_at_once = f"ulimit -Sn 256 && exec '{BIN}/cptrace' merge -q -o merged.cptrace \"$@\""
    merged = subprocess.run(["sh", "-c", few_at_once, "sh", *names], cwd=tmp_path, capture_output=True, check=False)
    assert merged.returncode == 4, merged.stderr
    info = subprocess.run([BIN / "cptrace", "info", "--json", "merged.cptrace"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(info.stdout)["calls"] == count
