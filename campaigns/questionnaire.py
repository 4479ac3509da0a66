"""Questionnaires as plain text: what staff write, what members are asked, what answers have to be.

Pure: no database, no clock. A question is a line; what follows says how it is answered:

    How often do you cook at home?
    - daily
    - once a week
    What do you buy most? (optional)
    * vegetables
    * bread
    How likely is it that you recommend us?
    0-10
    What would you like to find in our shop?

``-`` begins a choice of which one is taken, ``*`` one of which several may be, two numbers are a
scale, and nothing is a text. Empty lines do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

Kind = Literal["one", "many", "scale", "text"]
Answers = dict[str, Any]

QUESTIONS_MAX: Final = 30
CHOICES_MAX: Final = 30
TEXT_MAX: Final = 500
LINE_MAX: Final = 300
SCALE: Final = re.compile(r"(\d{1,2})\s*-\s*(\d{1,2})")
OPTIONAL: Final = "(optional)"
# The lowest of those who recommend, and of those who neither recommend nor warn.
PROMOTER, PASSIVE = 9, 7


class NotAQuestionnaire(ValueError):
    """A line is not what it has to be; ``line`` counts from 1."""

    def __init__(self, line: int, expected: str) -> None:
        super().__init__(f"Line {line}: {expected}")
        self.line = line
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Question:
    """One question; ``low`` and ``high`` are the ends of a scale, both included."""

    code: str
    text: str
    kind: Kind
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    is_optional: bool = False

    @property
    def is_recommendation(self) -> bool:
        """Return whether it is asked on the scale of the Net Promoter Score, 0 to 10."""
        return self.kind == "scale" and (self.low, self.high) == (0, 10)


def parse(text: str) -> tuple[Question, ...]:
    """Return the questions of a text, coded ``q1``, ``q2`` ... in their order.

    :raises NotAQuestionnaire: a line is none that belongs where it stands.
    """
    found: list[Question] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line:
            continue
        if len(line) > LINE_MAX:
            raise NotAQuestionnaire(number, f"at most {LINE_MAX} characters")
        if line[0] in "-*" or SCALE.fullmatch(line):
            if not found:
                raise NotAQuestionnaire(number, "a question before its answers")
            found[-1] = _with_answer(found[-1], line, number)
        else:
            found.append(_question(line, len(found) + 1))
    if not 1 <= len(found) <= QUESTIONS_MAX:
        raise NotAQuestionnaire(1, f"between 1 and {QUESTIONS_MAX} questions")
    for question in found:
        if question.kind in ("one", "many") and len(question.choices) < 2:
            raise NotAQuestionnaire(1, f"at least two choices for: {question.text}")
    return tuple(found)


def _question(line: str, number: int) -> Question:
    is_optional = line.endswith(OPTIONAL)
    text = line.removesuffix(OPTIONAL).strip()
    return Question(f"q{number}", text, "text", is_optional=is_optional)


def _with_answer(question: Question, line: str, number: int) -> Question:
    scale = SCALE.fullmatch(line)
    if scale:
        if question.kind != "text":
            raise NotAQuestionnaire(number, "either choices or one scale")
        low, high = int(scale[1]), int(scale[2])
        if not low < high <= 10:
            raise NotAQuestionnaire(number, "a scale that rises and ends at 10 or below")
        return replace(question, kind="scale", low=low, high=high)
    kind: Kind = "one" if line[0] == "-" else "many"
    choice = line[1:].strip()
    if not choice or choice in question.choices:
        raise NotAQuestionnaire(number, "a choice of its own after the sign")
    if question.kind not in ("text", kind):
        raise NotAQuestionnaire(number, f"choices that all begin with {_sign(question)}")
    if len(question.choices) == CHOICES_MAX:
        raise NotAQuestionnaire(number, f"at most {CHOICES_MAX} choices")
    return replace(question, kind=kind, choices=(*question.choices, choice))


def _sign(question: Question) -> str:
    return {"one": "-", "many": "*"}.get(question.kind, "the scale's two numbers")


def cleaned(
    questions: Sequence[Question], answers: Mapping[str, Any]
) -> tuple[Answers, dict[str, str]]:
    """Return the answers in the form in which they are kept, and what is wrong by question.

    A choice is its text, several are a list in the order of the question, a scale is a whole
    number. An optional question that was not answered is left out.
    """
    kept: Answers = {}
    wrong: dict[str, str] = {}
    for question in questions:
        given = answers.get(question.code)
        if given in (None, "", []):
            if not question.is_optional:
                wrong[question.code] = "required"
            continue
        value = _value(question, given)
        if value is None:
            wrong[question.code] = "invalid"
        else:
            kept[question.code] = value
    for code in answers.keys() - {question.code for question in questions}:
        wrong[str(code)] = "unknown"
    return kept, wrong


def _value(question: Question, given: Any) -> Any:
    if question.kind == "one":
        return given if given in question.choices else None
    if question.kind == "many":
        chosen = given if isinstance(given, list) else [given]
        if not all(isinstance(each, str) and each in question.choices for each in chosen):
            return None
        return [choice for choice in question.choices if choice in chosen]
    if question.kind == "scale":
        is_number = isinstance(given, int) and not isinstance(given, bool)
        if not is_number and not (isinstance(given, str) and given.isascii() and given.isdigit()):
            return None
        return int(given) if question.low <= int(given) <= question.high else None
    if not isinstance(given, str) or len(given) > TEXT_MAX:
        return None
    return given.strip() or None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was answered to one question.

    ``counts`` are by choice or figure, in order; ``mean`` of a scale has two digits; ``score``
    is the Net Promoter Score of a 0-10 scale: the share of 9 and 10 less the share of 0 to 6,
    in whole per cent, rounded half away from zero.
    """

    question: Question
    answered: int
    counts: tuple[tuple[str, int], ...] = ()
    mean: str = ""
    score: int | None = None
    texts: tuple[str, ...] = ()


def summary(question: Question, answers: Sequence[Mapping[str, Any]], texts: int = 20) -> Summary:
    """Return what the answers, the newest first, say to one question."""
    given = [each[question.code] for each in answers if question.code in each]
    if question.kind == "text":
        return Summary(question, len(given), texts=tuple(given[:texts]))
    if question.kind == "scale":
        figures = range(question.low, question.high + 1)
        counts = tuple((str(figure), given.count(figure)) for figure in figures)
        score = _score(given) if question.is_recommendation and given else None
        return Summary(question, len(given), counts, _mean(given), score)
    taken = [each for one in given for each in (one if isinstance(one, list) else [one])]
    counts = tuple((choice, taken.count(choice)) for choice in question.choices)
    return Summary(question, len(given), counts)


def _mean(figures: Sequence[int]) -> str:
    if not figures:
        return ""
    hundredths = (200 * sum(figures) + len(figures)) // (2 * len(figures))
    return f"{hundredths // 100}.{hundredths % 100:02}"


def _score(figures: Sequence[int]) -> int:
    promoters = sum(figure >= PROMOTER for figure in figures)
    detractors = sum(figure < PASSIVE for figure in figures)
    balance, total = 100 * (promoters - detractors), len(figures)
    rounded = (2 * abs(balance) + total) // (2 * total)
    return rounded if balance >= 0 else -rounded
