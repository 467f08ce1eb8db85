"""Programs that were not written for these tests: the examples, and applications from the package index."""

import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, Recorded, read_calls, read_info, run_process, short, tool

SIZES = {"quickstart": "20", "ast_roundtrip": "1", "json_pure": "300", "asyncio_tree": "3", "tokenize_difflib": "300"}
FUNCTIONS = {
    "quickstart": {"fibonacci", "reserve", "orders"},
    "ast_roundtrip": {"roundtrip", "unparse"},
    "json_pure": {"record"},
    "asyncio_tree": {"crawl", "fetch"},
    "tokenize_difflib": {"words", "changes"},
}


@pytest.fixture(params=sorted(SIZES))
def example(request, tmp_path):
    name = request.param
    process = run_process(
        [sys.executable, ROOT / "examples" / f"{name}.py", SIZES[name]], tmp_path, {"CALLPROFILER_DIR": str(tmp_path / "out")}
    )
    assert process.returncode == 0, process.stderr
    return name, Recorded(process, tmp_path)


def test_every_example_is_tested():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(SIZES)


def test_example(example):
    name, run = example
    calls, info = read_calls(run.trace), read_info(run.trace)
    assert FUNCTIONS[name] <= {short(call) for call in calls}
    assert info["calls"] == len(calls) > 100
    assert info["complete"] is True
    assert all(call["outcome"] in ("returned", "raised", "unfinished") for call in calls)
    assert_balanced(calls)
    assert_verified_by_zstd(run.trace)
    assert_rendered(run)


def assert_balanced(calls):
    by_id = {call["id"]: call for call in calls}
    for call in calls:
        assert call["end_ns"] >= call["start_ns"] and call["running_ns"] >= 0 and call["suspended_ns"] >= 0
        parent = by_id.get(call["parent"])
        assert parent is None or parent["id"] < call["id"]


def assert_verified_by_zstd(trace):
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", "-t", str(trace)], check=True)


def assert_rendered(run):
    page = run.folder / "report.html"
    process = run_process([tool("cp2html"), run.trace, "-o", page], run.folder)
    assert process.returncode == 0, process.stderr
    text = page.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>") and "</html>" in text


def test_check_says_whole(example, command):
    assert command("cptrace", "check", example[1].trace).returncode == 0


MARKDOWN = "\n\n".join(f"# Title {n}\n\nSome *text* with `code` and [a link](http://x.y/{n}).\n\n* one\n* two" for n in range(30))


def test_installed_application_run_as_module(command, tmp_path):
    (tmp_path / "page.md").write_text(MARKDOWN)
    plain = run_process([sys.executable, "-m", "markdown_it.cli.parse", "page.md"], tmp_path)
    run = command("callprofiler", "run", "-m", "markdown_it.cli.parse", "page.md")
    assert run.returncode == plain.returncode == 0, run.stderr
    assert run.stdout == plain.stdout and "<h1>Title 29</h1>" in run.stdout
    (trace,) = sorted(tmp_path.rglob("*.cptrace"))
    calls = read_calls(trace)
    assert len(calls) > 5000
    third_party = {call["library"] for call in calls if call["category"] == "third-party"}
    assert "markdown_it" in third_party
    assert_balanced(calls)


def test_unittest_suite_of_the_standard_kind(record, tree):
    run = record(
        """
        import unittest
        from callprofiler import profile

        class Sums(unittest.TestCase):
            def test_sum(self):
                self.assertEqual(sum([1, 2]), 3)

            def test_failing(self):
                with self.assertRaises(ZeroDivisionError):
                    1 / 0

        @profile(quiet=True)
        def main():
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(Sums)
            result = unittest.TextTestRunner(verbosity=0).run(suite)
            print(result.testsRun, result.wasSuccessful())

        main()
        """
    )
    assert run.stdout == "2 True\n"
    found = tree(run.trace)
    assert found.one("test_sum")["outcome"] == "returned"
