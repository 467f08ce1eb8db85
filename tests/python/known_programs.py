"""Programs whose calls are known in advance, written beside them; recorded all in one process, each a module and a trace of its own."""

import sys
import textwrap

from conftest import Tree, read_calls, run_process


def is_heard_closing():
    """Whether the interpreter runs a generator that is closed where nothing can catch it: 3.13.0 and its like only mark it."""
    events = []

    def plain():
        yield

    running = plain()
    next(running)
    sys.setprofile(lambda frame, event, argument: events.append((frame.f_code.co_name, event)))
    running.close()
    sys.setprofile(None)
    return ("plain", "return") in events


# The ending of such a generator.
CLOSED = "raised" if is_heard_closing() else "unfinished"

RECORD_EACH = """
    import asyncio, importlib, inspect, os, sys, traceback
    from callprofiler import profile

    if os.environ.get("LOOP") == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    for name in sys.argv[1:]:
        main = importlib.import_module(name).main
        try:
            run = profile(main, name=name, quiet=True)()
            if inspect.iscoroutine(run):
                asyncio.run(run)
        except BaseException:
            print("in", name, file=sys.stderr)
            traceback.print_exc()
"""


def is_line_of_this_version(line):
    """`name  # since 3.12` and `name  # until 3.11` are what the interpreter tells in those versions only."""
    word, _, version = line.partition("  # ")[2].partition(" ")
    if not word:
        return True
    version = tuple(int(number) for number in version.split("."))
    return {"since": sys.version_info[:2] >= version, "until": sys.version_info[:2] <= version}[word]


class KnownPrograms:
    """add(name, source, story): main() of the source makes the calls of the story, in the form of Tree.story(); since=(3, 11)
    where older Pythons cannot run it."""

    def __init__(self):
        self.sources, self.stories = {}, {}

    def add(self, name, source, story, since=(3, 9)):
        if sys.version_info < since:
            return
        self.sources[name] = textwrap.dedent(source)
        lines = [line for line in textwrap.dedent(story).strip("\n").splitlines() if is_line_of_this_version(line)]
        self.stories[name] = "\n".join(line.partition("  # ")[0] for line in lines)

    def record(self, folder, names=None, **env):
        """{name: Tree}"""
        names = names or list(self.sources)
        for name, source in {**self.sources, "record_each": textwrap.dedent(RECORD_EACH)}.items():
            (folder / f"{name}.py").write_text(source, encoding="utf-8")
        ignored = ["-W", "ignore::SyntaxWarning", "-W", "ignore::DeprecationWarning"]
        process = run_process([sys.executable, *ignored, "-X", "faulthandler", "record_each.py", *names], folder, env)
        assert process.returncode == 0 and process.stderr == "", process.stderr
        return {name: Tree(read_calls(next((folder / ".profile").glob(f"{name}_2*.cptrace")))) for name in names}
