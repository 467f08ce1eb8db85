"""Records small programs in processes of their own, and reads the traces back with the tools that are shipped."""

import functools
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]


def tool(name):
    path = BIN / name
    return str(path) if path.exists() else name


def clean_environment(**extra):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLPROFILER")}
    environment.update(PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="utf-8", **extra)
    return environment


def run_process(command, cwd, env=None, timeout=120):
    return subprocess.run(
        [str(word) for word in command],
        cwd=str(cwd),
        env=clean_environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
    )


def run_name(trace):
    """The name of the run that a trace file is named after."""
    return re.sub(r"_\d{8}_\d{6}(_\d+)?\.cptrace$", "", Path(trace).name)


class Recorded:
    """A finished program and the traces that it left."""

    def __init__(self, process, folder):
        self.folder = Path(folder)
        self.stdout, self.stderr, self.returncode = process.stdout, process.stderr, process.returncode

    @property
    def traces(self):
        return sorted(self.folder.rglob("*.cptrace"))

    @property
    def trace(self):
        assert len(self.traces) == 1, f"one trace expected, found {self.traces}; stderr: {self.stderr}"
        return self.traces[0]

    def traces_of(self, name):
        """Of the runs of that name, oldest first."""
        return [trace for trace in self.traces if re.match(re.escape(name) + r"_\d{8}_\d{6}", trace.name)]

    def trace_of(self, name):
        traces = self.traces_of(name)
        assert len(traces) == 1, f"one trace of {name} expected, found {traces} of {self.traces}; stderr: {self.stderr}"
        return traces[0]

    def tree_of(self, name):
        return Tree(read_calls(self.trace_of(name)))


def record_program(folder, source, env=None, arguments=(), ok=True, timeout=120):
    (folder / "program.py").write_text(textwrap.dedent(source), encoding="utf-8")
    process = run_process([sys.executable, "program.py", *arguments], folder, env, timeout)
    if ok:
        assert process.returncode == 0, process.stderr
    return Recorded(process, folder)


@pytest.fixture
def record(tmp_path):
    """record(source, env={...}, ok=True): runs source as program.py in an empty folder."""
    return functools.partial(record_program, tmp_path)


@pytest.fixture(scope="module")
def record_once(tmp_path_factory):
    """The same for a program that several tests of a file look at; each has a folder of its own."""
    return lambda source, **options: record_program(tmp_path_factory.mktemp("program"), source, **options)


def read_lines(trace):
    process = run_process([tool("cptrace"), "calls", trace], Path(trace).parent)
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def read_calls(trace):
    return [line for line in read_lines(trace) if "id" in line]


def read_moments(trace):
    """Marks and counters, in the order in which they were set."""
    return sorted((line for line in read_lines(trace) if "id" not in line), key=lambda moment: moment["time_ns"])


def read_info(trace):
    process = run_process([tool("cptrace"), "info", "--json", trace], Path(trace).parent)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.fixture
def calls():
    """calls(trace): what `cptrace calls` says, one dict per call, in the order in which calls ended."""
    return read_calls


@pytest.fixture
def info():
    """info(trace): what `cptrace info --json` says."""
    return read_info


@pytest.fixture
def command(tmp_path):
    """command(name, arguments...): runs a shipped command in the test's folder."""

    def run(name, *arguments, env=None, cwd=None):
        return run_process([tool(name), *arguments], cwd or tmp_path, env)

    return run


def short(call):
    """Its plain name; None for no call."""
    return call and call["function"].rpartition(".")[2]


class Tree:
    """Calls with their parents, asked by name."""

    def __init__(self, calls):
        self.by_id = {call["id"]: call for call in calls}
        self.calls = sorted(calls, key=lambda call: call["id"])
        self.below = {}
        for call in self.calls:
            self.below.setdefault(call["parent"], []).append(call)

    def named(self, name):
        """By plain name: Python 3.9 and 3.10 keep no qualified names in their code objects."""
        return [call for call in self.calls if short(call) == name]

    def one(self, name):
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} calls of {name}; there are {sorted({short(call) for call in self.calls})}"
        return found[0]

    def parent(self, call):
        return self.by_id.get(call["parent"])

    def children(self, call):
        return self.below.get(call["id"], [])

    def outline(self, call):
        """The call and all below it as nested (name, [children]), without builtins: which of them are calls of their own
        (a type that is called, for one) differs between the interpreter's two interfaces."""
        below = [self.outline(child) for child in self.children(call) if child["category"] != "builtin"]
        return (short(call), below)

    def story(self, module=None):
        """The program's own Python calls (or those of one module) as an indented tree: each call below the nearest such call
        that it was made in, in the order in which they began. How a call ended is said when it did not return."""
        shown, below = {None}, {}
        for call in self.calls:
            if call["category"] != "user" or not call["file"] or module not in (None, call["module"]):
                continue
            shown.add(call["id"])
            caller = call["parent"]
            while caller not in shown:
                caller = self.by_id[caller]["parent"]
            below.setdefault(caller, []).append(call)
        lines, waiting = [], [(0, call) for call in reversed(below.get(None, []))]
        while waiting:
            level, call = waiting.pop()
            lines.append("  " * level + short(call) + ("" if call["outcome"] == "returned" else " " + call["outcome"]))
            waiting += [(level + 1, child) for child in reversed(below.get(call["id"], []))]
        return "\n".join(lines)

    def python_calls(self):
        """(name, name of the nearest Python caller or None) of each Python call, in start order: the same with and without C calls."""
        return [(short(call), short(self.python_parent(call))) for call in self.calls if call["file"]]

    def python_parent(self, call):
        parent = self.parent(call)
        while parent is not None and not parent["file"]:
            parent = self.parent(parent)
        return parent


@pytest.fixture
def tree():
    """tree(trace): the calls of a trace as a Tree."""
    return lambda trace: Tree(read_calls(trace))
