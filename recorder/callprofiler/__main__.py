"""`callprofiler run script.py …` and `callprofiler run -m module …`: records a whole program, which runs as it would without us."""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib.util
import io
import os
import signal
import sys
import types

from . import __version__, _recorder
from ._decorator import is_off
from ._options import Options
from ._settings import Settings


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    own, rest = _split(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(own)
    try:
        options.recording = _recording_options(options) if options.command else None
    except (TypeError, ValueError) as error:
        parser.error(f"run: {_as_typed(str(error))}")
    if options.command is None:
        parser.error("name a command, such as run")
    if options.module is None and not rest:
        parser.error("run: name a script, or a module with -m")
    if options.module is not None:
        return _run_module(options, options.module, rest)
    return _run_script(options, rest[0], rest[1:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="callprofiler", description="Record every call of a Python program.")
    parser.add_argument("--version", action="version", version=f"callprofiler {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser("run", help="run a script or module and record it", description="Run a script or module and record it.")
    run.add_argument("-d", "--output-dir", metavar="DIR", help="folder of the trace (default: CALLPROFILER_DIR, else .profile)")
    run.add_argument("-q", "--quiet", action="store_true", default=None, help="no line on stderr when the trace is saved")
    run.add_argument("-n", "--name", help="name of the run (default: that of the script or module)")
    run.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    _add_recording_options(run)
    run.usage = "callprofiler run [-h] [OPTION ...] (-m MODULE | SCRIPT) [ARGUMENT ...]"
    return parser


def _add_recording_options(run: argparse.ArgumentParser) -> None:
    """Those of `profile` that make sense for a whole program, under the same names."""
    group = run.add_argument_group("what is recorded")
    group.add_argument("--no-c-calls", dest="c_calls", action="store_false", help="no calls of C code: recording costs less")
    group.add_argument("--args", action="store_true", help="the arguments of each Python call, as text")
    group.add_argument("--threads", action="store_true", help="threads that the program starts, too")
    group.add_argument("--processes", action="store_true", help="child processes, too, into files of their own")
    group.add_argument("--label", dest="labels", metavar="KEY=VALUE", action="append", type=_label, help="a fact that the trace carries")
    group = run.add_argument_group("what is left out, counted and summed up in the trace")
    group.add_argument("--max-depth", metavar="N", type=int, help="calls deeper than this")
    group.add_argument("--include", metavar="PATTERN", action="append", help="all but these modules or files")
    group.add_argument("--exclude", metavar="PATTERN", action="append", help="these modules or files")
    group.add_argument("--min-call", metavar="SECONDS", type=float, help="shorter calls of plain functions")
    group.add_argument("--max-bytes", metavar="N", type=int, help="all that comes after the trace has become so large")
    run.add_argument("--html", action="store_true", help="render the trace as a page beside it")


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, found {text!r}")
    return key, value


_RECORDING_OPTIONS = ("output_dir", "quiet", "c_calls", "args", "threads", "processes", "max_depth", "min_call", "max_bytes", "html")


def _recording_options(options: argparse.Namespace) -> Options:
    chosen = {name: getattr(options, name) for name in _RECORDING_OPTIONS}
    return Options(include=options.include or (), exclude=options.exclude or (), labels=dict(options.labels or ()), **chosen)


def _as_typed(message: str) -> str:
    """max_depth must be … is of --max-depth here."""
    name, space, rest = message.partition(" ")
    return "--" + name.replace("_", "-") + space + rest


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and the program's: all from the script on, or after `-m MODULE`, whatever they look like."""
    takes_value = ("-d", "--output-dir", "-n", "--name", "-m", "--label", "--max-depth", "--include", "--exclude", "--min-call", "--max-bytes")
    at = 1 if arguments[:1] == ["run"] else 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        argument = arguments[at]
        at += 2 if argument in takes_value else 1
        if argument.startswith("-m"):
            break
        if argument == "--":
            return arguments[: at - 1], arguments[at:]
    if arguments[:1] != ["run"]:
        return arguments, []
    return arguments[:at], arguments[at:]


def _run_script(options: argparse.Namespace, script: str, arguments: list[str]) -> int:
    target = os.path.join(os.getcwd(), script)  # as python shows it
    path = os.path.join(target, "__main__.py") if os.path.isdir(target) else target
    try:
        with io.open_code(path) as source:
            code = compile(source.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        print(f"callprofiler: error: {script}: {error.strerror}", file=sys.stderr)
        return 2
    sys.argv[:] = [script, *arguments]
    sys.path[0:1] = [target if os.path.isdir(target) else os.path.dirname(os.path.realpath(target))]
    name = options.name or os.path.splitext(os.path.basename(os.path.abspath(target)))[0]
    return _execute(options, name, code, _new_main(__file__=path))


def _run_module(options: argparse.Namespace, module: str, arguments: list[str]) -> int:
    sys.path[0:1] = [os.getcwd()]
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
        code = spec.loader.get_code(spec.name) if spec is not None else None
    except (ImportError, AttributeError, ValueError) as error:
        print(f"callprofiler: error: {module}: {error}", file=sys.stderr)
        return 2
    if code is None:
        print(f"callprofiler: error: no module named {module} that can be run", file=sys.stderr)
        return 2
    sys.argv[:] = [spec.origin or module, *arguments]
    main_module = _new_main(__file__=spec.origin, __spec__=spec, __loader__=spec.loader, __package__=spec.parent, __cached__=spec.cached)
    return _execute(options, options.name or module, code, main_module)


def _new_main(**attributes) -> types.ModuleType:
    """A fresh `__main__`, as the interpreter would make it."""
    module = types.ModuleType("__main__")
    module.__dict__.update({"__builtins__": builtins, "__package__": None, "__cached__": None, **attributes})
    sys.modules["__main__"] = module
    return module


def _execute(options: argparse.Namespace, name: str, code: types.CodeType, module: types.ModuleType) -> int:
    """Runs the code. SystemExit leaves as from any program; another exception is shown without our own frames."""
    settings = Settings(name, "script", options.recording, function="<module>")
    recording = contextlib.nullcontext() if is_off() else _recorder.Run(settings, _recorder.CALL, True)
    try:
        with recording:
            _recorder.execute(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        return _show_uncaught(error)
    return 0


def _show_uncaught(error: BaseException) -> int:
    """As the interpreter shows what a program does not catch."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


if __name__ == "__main__":
    sys.exit(main())
