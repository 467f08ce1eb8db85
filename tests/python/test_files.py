"""Where traces are written, what they are called, and what is said about it."""

import os
import re

import pytest

NAME = re.compile(r"^main_\d{8}_\d{6}\.cptrace$")
PROGRAM = """
    from callprofiler import profile

    @profile
    def main():
        return len("abc")

    print(main())
"""


def test_trace_is_named_after_function_and_second(record):
    run = record(PROGRAM)
    assert run.stdout == "3\n"
    assert run.trace.parent == run.folder / ".profile"
    assert NAME.match(run.trace.name)


def test_the_trace_tells_which_clock_it_was(record, command):
    text = command("cptrace", "info", record(PROGRAM).trace).stdout
    tick_ns = re.search(r"^clock +(?:tsc|cntvct|monotonic), ([\d.]+) ns a tick$", text, re.MULTILINE)
    assert tick_ns and float(tick_ns[1]) > 3.9, text


def test_the_path_is_said_on_stderr(record):
    run = record(PROGRAM)
    line = run.stderr.strip()
    assert line.startswith("[callprofiler] Trace saved to ")
    assert os.path.realpath(run.folder / line.rpartition(" ")[2]) == os.path.realpath(run.trace)


def test_runs_of_one_second_never_overwrite(record):
    run = record(PROGRAM.replace("print(main())", "for _ in range(5): print(main())"))
    assert len(run.traces) == 5
    assert all(trace.name.startswith("main_") for trace in run.traces)


def test_nothing_but_whole_traces_is_left(record):
    run = record(PROGRAM)
    assert [path.name for path in run.trace.parent.iterdir()] == [run.trace.name]


def test_output_dir(record):
    run = record(PROGRAM.replace("@profile", '@profile(output_dir="custom/deep")'))
    assert run.trace.parent == run.folder / "custom" / "deep"


def test_output_dir_of_the_environment(record, tmp_path):
    run = record(PROGRAM, env={"CALLPROFILER_DIR": str(tmp_path / "elsewhere")})
    assert run.trace.parent == tmp_path / "elsewhere"


def test_name(record):
    run = record(PROGRAM.replace("@profile", '@profile(name="checkout")'))
    assert run.trace.name.startswith("checkout_")


def test_a_hostile_name_stays_in_the_folder(record):
    run = record(PROGRAM.replace("@profile", '@profile(name="../../a b/\\u202e<script>")'))
    assert run.trace.parent == run.folder / ".profile"


@pytest.mark.parametrize("decorator, env", [("@profile(quiet=True)", {}), ("@profile", {"CALLPROFILER_QUIET": "1"})])
def test_quiet(record, decorator, env):
    run = record(PROGRAM.replace("@profile", decorator), env=env)
    assert run.stderr == ""
    assert run.trace


def test_off_returns_the_function_itself(record):
    run = record(
        """
        import callprofiler

        def main():
            return 1

        assert callprofiler.profile(main) is main
        assert callprofiler.profile(quiet=True)(main) is main
        with callprofiler.block("setup"):
            print(main())
        """,
        env={"CALLPROFILER": "0"},
    )
    assert run.stdout == "1\n"
    assert run.traces == [] and run.stderr == ""


UNWRITABLE = """
    import warnings
    from callprofiler import profile

    @profile(output_dir="file/below")
    def main():
        return 42

    @profile(output_dir="file/below")
    def failing():
        raise KeyError("mine")

    open("file", "w").close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(main())
    assert [warning.category for warning in caught] == [RuntimeWarning], caught
    print(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            failing()
        except KeyError as error:
            print("raised", error.args)
"""


def test_unwritable_folder_is_one_warning(record):
    run = record(UNWRITABLE)
    assert run.stdout.startswith("42\n")
    assert "file/below" in run.stdout
    assert run.stdout.endswith("raised ('mine',)\n")
    assert run.traces == []


def test_warnings_as_errors_do_not_replace_the_result(record):
    run = record(
        """
        from callprofiler import profile

        @profile(output_dir="file/below")
        def main():
            return 42

        open("file", "w").close()
        try:
            print(main())
        except RuntimeWarning:
            print("the warning came instead of the result")
        """,
        env={"PYTHONWARNINGS": "error::RuntimeWarning"},
    )
    assert run.stdout == "42\n"
