"""Other interpreters in the process: callprofiler refuses to be imported there, and what runs there is in no trace."""

import sys

import pytest

from conftest import read_info

# What each version calls the module of subinterpreters; run(source) gives what the source printed as its last line.
INTERPRETERS = """
    import os, textwrap
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    def create(kind):
        if hasattr(interpreters, "new_config"):  # 3.13 and later
            return interpreters.create(kind)
        return interpreters.create(isolated=kind == "isolated")

    def run(interpreter, source):
        reading, writing = os.pipe()
        failed = interpreters.run_string(interpreter, f"import os\\nwriting = {writing}\\n" + textwrap.dedent(source))
        os.close(writing)
        with open(reading) as pipe:
            return str(failed or pipe.read())
"""
KINDS = ["legacy", "isolated"]

IMPORTED = (
    INTERPRETERS
    + """
    from callprofiler import profile

    TRY_IMPORT = '''
        try:
            import callprofiler
            said = "imported"
        except ImportError as error:
            said = "ImportError"
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
    '''

    def leaf(): pass

    @profile(quiet=True)
    def main():
        leaf()
        for _ in range(2):
            interpreter = create("{kind}")
            print(run(interpreter, TRY_IMPORT), run(interpreter, TRY_IMPORT))
            interpreters.destroy(interpreter)
        leaf()

    main()
    main()
"""
)


@pytest.mark.parametrize("kind", KINDS)
def test_import_is_refused(kind, record, tree):
    run = record(IMPORTED.replace("{kind}", kind))
    assert run.stdout == 4 * "ImportError ImportError\n"
    assert run.stderr == "" and len(run.traces) == 2
    for trace in run.traces:
        assert len(tree(trace).named("leaf")) == 2 and read_info(trace)["complete"]


FIRST = (
    INTERPRETERS
    + """
    interpreter = create("{kind}")
    run(interpreter, "try:\\n    import callprofiler\\nexcept ImportError: pass\\n")
    interpreters.destroy(interpreter)
    from callprofiler import profile

    def leaf(): pass

    @profile(quiet=True)
    def main():
        leaf()

    main()
"""
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interpreter_that_tried_first_leaves_it_to_the_main_one(kind, record, tree):
    run = record(FIRST.replace("{kind}", kind))
    assert run.stderr == ""
    assert tree(run.trace).story() == "main\n  leaf"


CODE_ELSEWHERE = (
    INTERPRETERS
    + """
    import threading
    from callprofiler import profile

    FOREIGN = '''
        import json

        def foreign(n): return json.dumps([n, len(str(n))])
        def numbers():
            for n in range(10): yield foreign(n)
        for _ in range(100): list(numbers())
        def fails(): raise KeyError
        try: fails()
        except KeyError: pass
        os.write(writing, b"done")
    '''

    def leaf(n): return len(str(n))

    def work(n):
        interpreter = create("{kind}")
        for _ in range(3):
            leaf(n)
            assert run(interpreter, FOREIGN) == "done"
            leaf(n)
        interpreters.destroy(interpreter)

    work(1)
    profile(work, name="main", quiet=True)(1)
    threads = [threading.Thread(target=profile(work, name="thread", quiet=True), args=(n,)) for n in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    work(1)
"""
)


@pytest.mark.parametrize("kind", KINDS)
def test_code_that_runs_in_another_interpreter(kind, record, tree):
    run = record(CODE_ELSEWHERE.replace("{kind}", kind))
    assert run.stderr == "" and len(run.traces) == 4
    for trace in run.traces:
        found = tree(trace)
        story = [line for line in found.story().splitlines() if line.strip() in ("work", "leaf", "foreign", "numbers", "fails")]
        assert story == ["work"] + 6 * ["  leaf"]
        assert {call["outcome"] for call in found.named("leaf") + found.named("len") + found.named("work")} == {"returned"}
        assert read_info(trace)["complete"] and read_info(trace)["end"]["repaired_calls"] == "0"


POOL = """
    from concurrent.futures import InterpreterPoolExecutor
    from callprofiler import profile

    def leaf(n): return n

    @profile(quiet=True)
    def main():
        with InterpreterPoolExecutor(2) as pool:
            assert list(pool.map(abs, [-1, -2, -3])) == [1, 2, 3]
        leaf(1)

    if __name__ == "__main__":
        main()
"""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is there since 3.14")
def test_a_pool_of_interpreters(record, tree):
    run = record(POOL)
    assert run.stderr == ""
    assert tree(run.trace).story(module="__main__") == "main\n  leaf"
