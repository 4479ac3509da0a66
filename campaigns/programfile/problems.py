"""What is wrong with a program file, every mistake at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_site.lib.errors import DomainError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands and what was expected there."""

    path: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.path or "the file"
        where = f" (line {self.line})" if self.line is not None else ""
        return f"{place}{where}: expected {self.expected}"


class ProgramFileError(DomainError):
    """The program file cannot be applied; nothing of it was."""

    code = "program_file_invalid"
    status = 400
    title = "The program file is not valid"
    cause = "The file has keys or values that a program cannot have."
    remedy = "Mend every path that the answer names and check the file again."

    def __init__(self, problems: Sequence[Problem]) -> None:
        # In the order of the file, so that a person mends it from top to bottom.
        self.problems = tuple(sorted(problems, key=lambda each: each.line or 0))
        super().__init__(
            "\n".join(map(str, self.problems)),
            errors=[
                {"path": each.path, "expected": each.expected, "line": each.line}
                for each in self.problems
            ],
        )
