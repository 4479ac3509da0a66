"""The one program of this installation and its currencies."""

from __future__ import annotations

from loyalty_site.lib.errors import DomainError
from members.models import PointCurrency, Program


class NoProgram(DomainError):
    """No program was applied yet."""

    code = "no_program"
    status = 503
    title = "There is no program yet"
    cause = "The installation was set up, but no program file was applied to it."
    remedy = "Run `manage.py program apply FILE`, then repeat the request."


class UnknownCurrency(DomainError):
    """The program has no point currency of that code."""

    code = "unknown_currency"
    status = 400
    title = "The point currency is unknown"
    cause = "The code in `currency` is none of the program's point currencies."
    remedy = "Read the codes at /api/v1/program, or leave `currency` out."


def current_program() -> Program:
    """Return the program.

    :raises NoProgram: none was applied yet.
    """
    program = Program.objects.order_by("pk").first()
    if program is None:
        raise NoProgram
    return program


def point_currency(program: Program, code: str | None = None) -> PointCurrency:
    """Return the currency of that code; without one, the program's first redeemable.

    :raises UnknownCurrency: the program has none.
    """
    currencies = PointCurrency.objects.filter(program=program)
    if code is None:
        currencies = currencies.filter(kind=PointCurrency.Kind.REDEEMABLE).order_by(
            "is_retired", "position", "pk"
        )
    else:
        currencies = currencies.filter(code=code)
    found = currencies.first()
    if found is None:
        raise UnknownCurrency(f"There is no point currency {code!r}." if code else "")
    return found
