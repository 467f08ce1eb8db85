"""`callprofiler run` behaves as `python` does."""

import sys

import pytest

from conftest import read_calls, run_process, short

SCRIPT = """
import os, sys

def greet():
    print(__name__, os.path.basename(sys.argv[0]), sys.argv[1:], os.path.basename(sys.path[0]))
    print(os.path.basename(__file__), __spec__ is None, __package__)

greet()
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "app"
    (folder / "pkg").mkdir(parents=True)
    (folder / "script.py").write_text(SCRIPT)
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "tool.py").write_text("import pkg\n" + SCRIPT.replace("__spec__ is None", "__spec__.name"))
    (folder / "pkg" / "__main__.py").write_text(SCRIPT.replace("__spec__ is None", "__spec__.name"))
    return folder


def as_python(folder, *arguments):
    return run_process([sys.executable, *arguments], folder)


def traces(folder):
    return sorted(folder.rglob("*.cptrace"))


SAME = [
    ["app/script.py"],
    ["app/script.py", "3", "--flag", "-m", "x"],
    ["-m", "pkg.tool", "4", "-h"],
    ["-m", "pkg", "0"],
    ["-mpkg", "0"],
]


def folder_for(program, arguments):
    return program if arguments[0].startswith("-m") else program.parent


@pytest.mark.parametrize("arguments", SAME, ids=" ".join)
def test_like_python(program, command, arguments):
    folder = folder_for(program, arguments)
    expected = as_python(folder, *arguments)
    run = command("callprofiler", "run", *arguments, cwd=folder)
    assert run.stdout == expected.stdout
    assert run.returncode == expected.returncode
    (trace,) = traces(folder)
    assert "Trace saved to" in run.stderr
    assert "greet" in {short(call) for call in read_calls(trace)}


def test_python_dash_m_callprofiler(program):
    run = as_python(program, "-m", "callprofiler", "run", "script.py", "5")
    assert run.returncode == 5
    assert "__main__ script.py ['5'] app" in run.stdout
    assert len(traces(program)) == 1


def test_an_exception_looks_the_same(program, command):
    (program / "failing.py").write_text("def inner():\n    raise ValueError('mine')\n\ninner()\n")
    expected = as_python(program, "failing.py")
    run = command("callprofiler", "run", "failing.py", cwd=program)
    assert run.returncode == expected.returncode == 1
    assert "ValueError: mine" in run.stderr
    assert "callprofiler/" not in run.stderr.replace("[callprofiler]", "")
    assert len(traces(program)) == 1


def test_sys_exit_with_a_message(program, command):
    (program / "stopping.py").write_text("import sys\nsys.exit('goodbye')\n")
    run = command("callprofiler", "run", "stopping.py", cwd=program)
    assert run.returncode == 1
    assert "goodbye" in run.stderr


@pytest.mark.parametrize("arguments", [["missing.py"], ["-m", "no.such.module"]], ids=" ".join)
def test_missing_program(program, command, arguments):
    run = command("callprofiler", "run", *arguments, cwd=program)
    assert run.returncode != 0
    assert "Traceback" not in run.stderr
    assert arguments[-1].split(".")[0] in run.stderr
    assert traces(program) == []


@pytest.mark.parametrize("arguments", [[], ["run"], ["run", "-m"], ["fly"]], ids=" ".join)
def test_usage_errors(command, arguments):
    run = command("callprofiler", *arguments)
    assert run.returncode == 2
    assert run.stdout == "" and "callprofiler" in run.stderr


def test_options_after_the_module_are_the_programs(command):
    run = command("callprofiler", "run", "-q", "-m", "json.tool", "--help")
    assert run.returncode == 0 and "json" in run.stdout and "callprofiler" not in run.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]], ids=" ".join)
def test_help(command, arguments):
    run = command("callprofiler", *arguments)
    assert run.returncode == 0
    assert "run" in run.stdout and run.stderr == ""


def test_off_still_runs_the_program(program, command):
    run = command("callprofiler", "run", "script.py", "3", cwd=program, env={"CALLPROFILER": "0"})
    assert run.returncode == 3
    assert traces(program) == []


@pytest.mark.parametrize("target", ["app", "app/where.py", "./app/../app/where.py"])
def test_paths_are_as_python_shows_them(program, command, target):
    for name in ("where.py", "__main__.py"):
        (program / name).write_text("import sys\nprint(__file__, sys._getframe().f_code.co_filename, sys.path[0], sys.argv)\n")
    run = command("callprofiler", "run", "-q", target, cwd=program.parent)
    assert run.stdout == as_python(program.parent, target).stdout
