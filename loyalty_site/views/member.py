"""What a member holds and what is told of it: home, activity, card, messages."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from loyalty_site.lib.cursors import Key, page
from loyalty_site.lib.problems import InvalidCursor
from loyalty_site.pages import account, home, lines, receipts, standing
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from members.models import Member
from members.queries.program import point_currency
from members.services.messages import mark_read

PAGE_ROWS = 20


@require_safe
@member_page
def home_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show what the member holds, where they stand and what comes next."""
    context = home.context(member=member, moment=timezone.now())
    return render(request, "members/home.html", context)


@require_safe
@member_page
def activity(request: HttpRequest, member: Member) -> HttpResponse:
    """List what moved the member's points, newest first; htmx gets the next lines alone."""
    cursor = request.GET.get("cursor") or None
    words = Words(member.program)
    currency = point_currency(member.program)

    def fetch(*, after: Key | None, before: Key | None, limit: int) -> list[lines.Line]:
        return lines.lines_of(
            words=words,
            member_id=member.pk,
            currency_id=currency.pk,
            after=after,
            before=before,
            limit=limit,
        )

    try:
        found = page(
            fetch,
            key_of=lambda line: line.key,
            serialize=lambda line: line,
            limit=PAGE_ROWS,
            cursor=cursor,
            scope=f"activity {member.pk}",
        )
    except InvalidCursor:
        return redirect("activity")
    context = {
        "entries": found["results"],
        "next_cursor": found["next_cursor"],
        "is_first_page": cursor is None,
    }
    if cursor and request.htmx:  # type: ignore[attr-defined]
        return render(request, "partials/activity_rows.html", context)
    context["balance"] = home.balance_of(words, member, timezone.now())
    return render(request, "members/activity.html", context)


@require_safe
@member_page
def activity_why(request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    """Say why points moved; htmx gets it as a sheet."""
    facts = lines.facts_of(member_id=member.pk, public_id=public_id)
    if facts is None:
        raise Http404
    words = Words(member.program)
    line = lines.line(words, facts)
    context = receipts.context(words=words, member=member, line=line)
    is_sheet = request.htmx  # type: ignore[attr-defined]
    name = "members/activity_why_sheet.html" if is_sheet else "members/activity_why.html"
    return render(request, name, context)


@require_safe
@member_page
def card(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the card for the till; htmx asks for a fresh code before the old one is over."""
    moment = timezone.now()
    context = account.card(member, moment)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "partials/card_code.html", context)
    words = Words(member.program)
    context["balance"] = home.balance_of(words, member, timezone.now())
    context["tier"] = standing.current(words, member, moment)
    return render(request, "members/card.html", context)


@require_POST
@member_page
def message_read(request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    """Note that the member has read a message."""
    if mark_read(member=member, public_id=public_id, moment=timezone.now()) is None:
        raise Http404
    return redirect("home")
