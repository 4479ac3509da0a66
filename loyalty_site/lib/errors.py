"""The base of every anticipated refusal."""

from __future__ import annotations

from typing import Any, ClassVar

REFUSALS: dict[str, type[DomainError]] = {}


class DomainError(Exception):
    """A refusal that the caller can act upon.

    ``code`` is stable and part of the wire contract, ``status`` the HTTP status
    that the interfaces answer with. The keyword figures (``available``,
    ``required`` ...) travel to the caller beside the sentence.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    title: ClassVar[str] = "The request was refused"
    cause: ClassVar[str] = "A rule of the program does not allow it."
    remedy: ClassVar[str] = "Read the detail of the answer; it names the rule."

    def __init__(self, detail: str = "", **figures: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.figures = figures

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Register the refusal, so that its page of cause and remedy exists."""
        super().__init_subclass__(**kwargs)
        # A subclass that only narrows its parent shares the parent's page.
        REFUSALS.setdefault(cls.code, cls)
