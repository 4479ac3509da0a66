"""The program as one file: read and checked, written out again, tested before it is applied.

Pure: no database and no clock. What ``apply`` does with a document is a service's matter.
"""

from .canonical import canonical, caps_of, definition, dump, live_definitions, stacking_of
from .document import ProgramDocument
from .embedded import CaseOutcome, run_tests
from .parse import from_canonical, parse
from .problems import Problem, ProgramFileError

__all__ = [
    "CaseOutcome",
    "Problem",
    "ProgramDocument",
    "ProgramFileError",
    "canonical",
    "caps_of",
    "definition",
    "dump",
    "from_canonical",
    "live_definitions",
    "parse",
    "run_tests",
    "stacking_of",
]
