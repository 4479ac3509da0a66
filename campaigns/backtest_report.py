"""The figures of a backtest as rows to be read: what was, what would have been, the change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext as _


class Row(NamedTuple):
    """One figure under both documents; money is a Decimal, everything else whole."""

    label: str
    before: int | Decimal
    after: int | Decimal
    note: str = ""

    @property
    def change(self) -> int | Decimal:
        """Return what the draft adds."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Cell:
    """How many members held one tier at the end and would have held another."""

    members: int
    kind: str


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report in sections; ``money`` is the program's."""

    money: str
    totals: Sequence[Row]
    rules: Sequence[Row]
    months: Sequence[Row]
    grants: Sequence[Row]
    tiers: Sequence[str]
    matrix: Sequence[tuple[str, Sequence[Cell]]]
    figures: Mapping[str, Any]

    @property
    def moved(self) -> int:
        """Return how many members would have held another tier."""
        return sum(
            each["members"]
            for each in self.figures["tier_moves"]
            if each["before"] != each["after"]
        )


def report(figures: Mapping[str, Any], ladder: Sequence[str], money: str) -> Report:
    """Return the sections of a report; ``ladder`` are the tiers of both, the lowest first."""
    before, after = figures["before"], figures["after"]
    return Report(
        money=money,
        totals=list(_totals(before, after)),
        rules=list(_rules(before, after)),
        months=list(_sums(before["by_month"], after["by_month"])),
        grants=list(_sums(before["grants"], after["grants"])),
        tiers=ladder,
        matrix=_matrix(figures["tier_moves"], ladder),
        figures=figures,
    )


def _totals(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Row]:
    for name, label in (
        ("given", _("Points given")),
        ("taken_back", _("Taken back by returns")),
        ("expired", _("Expired")),
        ("outstanding", _("Outstanding at the end")),
        ("debt", _("Debt at the end")),
        ("forgiven", _("Not taken back")),
    ):
        codes = sorted({*before[name], *after[name]})
        for code in codes:
            row = Row(label, before[name].get(code, 0), after[name].get(code, 0), code)
            if row.before or row.after:
                yield row
    yield Row(_("Liability at the end"), Decimal(before["liability"]), Decimal(after["liability"]))
    yield Row(_("Points redeemed"), before["redeemed"], after["redeemed"])
    yield Row(_("Pieces redeemed"), before["pieces"], after["pieces"])
    yield Row(_("Pieces that the balance did not allow"), before["missed"], after["missed"])
    yield Row(_("Cost of rewards"), Decimal(before["cost"]), Decimal(after["cost"]))


def _rules(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Row]:
    old = {(each["rule"], each["currency"]): each["points"] for each in before["by_rule"]}
    new = {(each["rule"], each["currency"]): each["points"] for each in after["by_rule"]}
    for rule, currency in sorted({*old, *new}):
        key = (rule, currency)
        yield Row(rule, old.get(key, 0), new.get(key, 0), currency)


def _sums(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Row]:
    for name in sorted({*before, *after}):
        yield Row(name, before.get(name, 0), after.get(name, 0))


def _matrix(
    moves: Sequence[Mapping[str, Any]], ladder: Sequence[str]
) -> list[tuple[str, Sequence[Cell]]]:
    counted = {(each["before"], each["after"]): each["members"] for each in moves}
    return [
        (
            held,
            [
                Cell(counted.get((held, would), 0), _kind(place, other))
                for other, would in enumerate(ladder)
            ],
        )
        for place, held in enumerate(ladder)
    ]


def _kind(held: int, would: int) -> str:
    return "same" if held == would else "up" if would > held else "down"


def ladder_of(*documents: Mapping[str, Any]) -> list[str]:
    """Return the tiers of documents in canonical form, lowest first, each once."""
    rungs: dict[str, int] = {}
    for document in documents:
        for rung in (document.get("tiers") or {}).get("ladder", ()):
            rungs.setdefault(rung["code"], rung["threshold"])
    return sorted(rungs, key=rungs.__getitem__) or [""]


def lines(figures: Mapping[str, Any], ladder: Sequence[str], money: str) -> Iterator[str]:
    """Yield the report as lines for a terminal."""
    told = report(figures, ladder, money)
    yield (
        f"{figures['purchases']:,} purchases of {figures['members']:,} members in"
        f" {figures['seconds']} s by {figures['processes']} processes:"
        f" {figures['purchases_a_second']:,} a second"
    )
    if figures["always_on"]:
        yield f"Taken to run all the time: {', '.join(figures['always_on'])}"
    yield ""
    yield f"{'':<40} {'live':>14} {'draft':>14} {'change':>14}"
    for row in told.totals:
        yield _line(f"{row.label} {row.note}".strip(), row)
    ranges = figures["ranges"]
    if ranges["draws"]:
        low, high = ranges["points"]
        yield f"{'':<4}points given and kept: nine in ten draws between {low:+,} and {high:+,}"
        low, high = map(Decimal, ranges["liability"])
        yield f"{'':<4}liability: nine in ten draws between {low:+,.2f} and {high:+,.2f}"
    yield from _listed("By rule", told.rules)
    yield from _listed("Beside points", told.grants)
    yield f"Tiers: {told.moved:,} members would have held another"
    for each in figures["tier_moves"]:
        if each["before"] != each["after"]:
            yield f"    {each['before']} -> {each['after']}: {each['members']:,}"
    for name in ("winners", "losers"):
        found = figures[name]
        yield f"{name.capitalize()}: {found['count']:,}, median {found['median']} {money}"
        for each in found["top"]:
            yield f"    {each['number']}: {each['worth']} {money}, {each['points']:+,} points"
    for each in figures["budgets"]:
        ended = f"used up {each['ended_at']}" if each["ended_at"] else "not used up"
        yield (
            f"Budget of {each['campaign']} ({each['side']}): {each['used']:,} of"
            f" {each['budget']:,}, {ended}, {each['refused']:,} refused"
        )
    for each in figures["segments"]:
        yield (
            f"Segment {each['code']}: {each['members']:,} members, {each['points']:+,} points,"
            f" {each['worth']} {money}"
        )


def _listed(title: str, rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield title
    for row in rows:
        yield _line(f"    {row.label} {row.note}".rstrip(), row)


def _line(label: str, row: Row) -> str:
    return f"{label:<40} {_figure(row.before)} {_figure(row.after)} {_figure(row.change)}"


def _figure(figure: int | Decimal) -> str:
    return f"{figure:>14,.2f}" if isinstance(figure, Decimal) else f"{figure:>14,}"
