"""One campaign put into a whole program, and read and written as a text of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import nodes
from .canonical import canonical, dump
from .document import ProgramDocument
from .embedded import ANY_MOMENT
from .parse import checked
from .problems import Problem, ProgramFileError
from .reader import Problems


def with_campaign(
    live: Mapping[str, Any], campaign: object, lines: Mapping[str, int] | None = None
) -> ProgramDocument:
    """Return the program with the campaign in the place of the one of its code, else at the end.

    :raises ProgramFileError: the campaign is not one that the program can have; paths are those
        within the campaign, ``lines`` are of its own text.
    """
    campaigns = list(live.get("campaigns") or ())
    code = campaign.get("code") if isinstance(campaign, Mapping) else None
    places = [index for index, each in enumerate(campaigns) if each["code"] == code]
    place = places[0] if places else len(campaigns)
    campaigns[place : place + 1] = [campaign]
    path = f"campaigns[{place}]"
    placed = {f"{path}.{key}" if key else path: line for key, line in (lines or {}).items()}
    program = {**live, "campaigns": campaigns, "tests": _dated(live)}
    try:
        return checked(program, Problems(placed))
    except ProgramFileError as error:
        raise ProgramFileError([_within(path, each) for each in error.problems]) from None


def _dated(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the embedded tests with a moment each, which a program with a window asks for."""
    at = (live.get("program") or {}).get("effective_from") or ANY_MOMENT.isoformat()
    return [{**case, "at": case.get("at") or at} for case in live.get("tests") or ()]


def _within(path: str, problem: Problem) -> Problem:
    inside = problem.path == path or problem.path.startswith((f"{path}.", f"{path}["))
    return Problem(
        problem.path[len(path) :].lstrip(".") if inside else problem.path,
        problem.expected,
        problem.line,
    )


def campaign_in(document: ProgramDocument, code: str) -> dict[str, Any]:
    """Return a campaign of the document in canonical form, without its state.

    :raises KeyError: the program has no such campaign.
    """
    for each in canonical(document)["campaigns"]:
        if each["code"] == code:
            del each["status"]
            found: dict[str, Any] = each
            return found
    raise KeyError(code)


def read_campaign(live: Mapping[str, Any], text: str, code: str) -> dict[str, Any]:
    """Return the campaign that a YAML text describes, in canonical form.

    :raises ProgramFileError: every mistake with its path within the text, and its line.
    """
    tree = nodes.read(text)
    if tree.problems:
        raise ProgramFileError(tree.problems)
    value = tree.value
    if not isinstance(value, Mapping):
        raise ProgramFileError([Problem("", "a campaign: name, starts_at, ends_at, rules", 1)])
    if value.get("code", code) != code:
        mistake = Problem("code", f"{code}, since a campaign keeps its code", tree.lines["code"])
        raise ProgramFileError([mistake])
    if "status" in value:
        mistake = Problem("status", "no such key: steps change it", tree.lines["status"])
        raise ProgramFileError([mistake])
    document = with_campaign(live, {**value, "code": code, "status": "active"}, tree.lines)
    return campaign_in(document, code)


def campaign_text(body: Mapping[str, Any]) -> str:
    """Return the campaign as the YAML text that ``read_campaign`` reads."""
    return dump({key: value for key, value in body.items() if key != "status"})
