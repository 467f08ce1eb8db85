"""callprofiler records every call of a run of a Python function into one compact `.cptrace` file.

    from callprofiler import profile

    @profile
    def main(): ...

Each run of `main` writes `.profile/main_<date>_<time>.cptrace`, to be rendered later, anywhere, with `cp2html`.

Environment: `CALLPROFILER=0` turns all off, `CALLPROFILER_DIR` sets the folder, `CALLPROFILER_QUIET=1` silences the line on stderr.
"""

from ._decorator import block, profile
from ._recorder import counter, label, mark, span

__version__ = "0.1.0"
__all__ = ["block", "counter", "label", "mark", "profile", "span"]
