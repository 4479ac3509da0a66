"""Segments in the admin: what each says, how it grew, who came and went, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from campaigns.earning.sentences import sentence
from campaigns.services.reasons import reasons
from loyalty_site.admin.conditions import define_view
from loyalty_site.lib.admin import ProgramFileAdmin, life
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from members.models import Member, Segment, User
from members.queries.segments import Size, newest_moves, size_now, sizes
from members.services import segments

DAYS_SHOWN: Final = 90
MOVES_SHOWN: Final = 20
LINES_SHOWN: Final = 100
BYTES_MAX: Final = 1024 * 1024
# The drawing of the sizes, in its own units.
WIDTH: Final = 640
HEIGHT: Final = 120

PROBLEMS: Final = {
    "repeated": gettext_lazy("stands there before"),
    "unknown": gettext_lazy("is no member number"),
    "erased": gettext_lazy("was erased"),
    "merged": gettext_lazy("went into another member"),
    "pool": gettext_lazy("is a pool, not a member"),
    "already_in": gettext_lazy("is in the segment already"),
    "not_in": gettext_lazy("is not in the segment"),
}


class MembersForm(forms.Form):
    """Member numbers, written or as a file."""

    act = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=[("add", gettext_lazy("Put in")), ("remove", gettext_lazy("Take out"))],
        widget=forms.RadioSelect,
        initial="add",
    )
    numbers = forms.CharField(
        label=gettext_lazy("Member numbers, one a line"),
        required=False,
        max_length=BYTES_MAX,
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a CSV file, the numbers in its first column"), required=False
    )

    def clean(self) -> dict[str, Any]:
        """Ask for one of both, and for text."""
        told: dict[str, Any] = super().clean() or {}
        upload = told.get("file")
        if bool(upload) == bool((told.get("numbers") or "").strip()):
            raise forms.ValidationError(_("Write the numbers or choose a file."))
        if upload:
            told["numbers"] = self._text(upload)
        return told

    def _text(self, upload: Any) -> str:
        try:
            return str(upload.read(BYTES_MAX + 1)[:BYTES_MAX].decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("file", _("The file is not in UTF-8."))
            return ""


@dataclass(frozen=True, slots=True)
class Trend:
    """The sizes as a line of points in a drawing of ``WIDTH`` by ``HEIGHT``."""

    sizes: list[Size]
    points: str
    most: int


@admin.register(Segment)
class SegmentAdmin(ProgramFileAdmin[Segment]):
    """Named groups with their condition."""

    list_display = ("code", "kind", "refreshed_at", life)
    list_filter = ("is_retired", ("where", admin.EmptyFieldListFilter))
    list_select_related = ("program",)
    search_fields = ("code",)
    list_before_template = "admin/segments/segment_new.html"

    @admin.display(description=gettext_lazy("kept"))
    def kind(self, segment: Segment) -> str:
        """Return whether a condition or people keep it."""
        return _("by hand") if segment.where is None else _("by its condition")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("define/", view(self.define), name="members_segment_define"),
            path("<int:pk>/members/", view(self.change_members), name="members_segment_members"),
            path("<int:pk>/why/", view(require_safe(self.why)), name="members_segment_why"),
            *super().get_urls(),
        ]

    def define(self, request: HttpRequest) -> HttpResponse:
        """Try a condition, and make a segment of it."""
        return define_view(request, self.admin_site.each_context(request))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the segment's page; it has no form of its own that could be posted."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        rows = Segment.objects.select_related("program")
        segment = rows.filter(pk=object_id).first() if object_id.isdecimal() else None
        if segment is None:
            raise Http404
        now = timezone.now()
        since = (now - timedelta(days=DAYS_SHOWN)).date()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": segment,
            "segment": segment,
            "title": name_of(segment),
            "sentence": sentence(segment.where) if segment.where else "",
            "size": size_now(segment=segment),
            "trend": trend(sizes(segment=segment, since=since)),
            "moves": newest_moves(segment=segment, limit=MOVES_SHOWN),
            "drawing": {"width": WIDTH, "height": HEIGHT},
            "days": DAYS_SHOWN,
            "can_move": may_move(request, segment),
            "can_define": request.user.has_perm("members.add_segment"),
        }
        return TemplateResponse(request, "admin/segments/segment_page.html", context)

    def change_members(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Check member numbers, and put those members in or take them out once confirmed."""
        segment = get_object_or_404(Segment.objects.select_related("program"), pk=pk)
        if not may_move(request, segment):
            raise PermissionDenied
        form = MembersForm(request.POST or None, request.FILES or None)
        context: dict[str, Any] = {}
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            entering = told["act"] == "add"
            try:
                lines = segments.check(
                    segment=segment, lines=told["numbers"].splitlines(), entering=entering
                )
                members = [each.member_id for each in lines if each.member_id is not None]
                if "confirm" in request.POST:
                    return self._move(request, segment, members, entering)
            except DomainError as refusal:
                form.add_error(None, refusal.detail)
            else:
                context = _checked(lines, members, entering)
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "segment": segment,
            "title": _("Members of %(name)s") % {"name": name_of(segment)},
            "form": form,
        }
        return TemplateResponse(request, "admin/segments/segment_members.html", context)

    def _move(
        self, request: HttpRequest, segment: Segment, members: list[int], entering: bool
    ) -> HttpResponse:
        moved = segments.move(
            segment=segment,
            members=members,
            entering=entering,
            actor=f"staff:{request.user.pk}",
            moment=timezone.now(),
        )
        told = (
            _("%(count)s members put in.") if entering else _("%(count)s members taken out.")
        ) % {"count": moved}
        self.log_change(request, segment, told)
        messages.success(request, told)
        return redirect(reverse("admin:members_segment_change", args=[segment.pk]))

    def why(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show each part of the condition with whether it holds for a member now."""
        powers = ("members.view_segment", "members.view_member")
        if not all(request.user.has_perm(power) for power in powers):
            raise PermissionDenied
        segment = get_object_or_404(Segment.objects.select_related("program"), pk=pk)
        number = "".join(request.GET.get("member", "").split())[:16]
        rows = Member.objects.filter(program=segment.program, number=number)
        member = rows.exclude(status__in=["erased", "merged", "pool"]).first()
        if member is None:
            messages.error(request, _("No member has this number."))
            return redirect(reverse("admin:members_segment_change", args=[pk]))
        where = segment.where
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "segment": segment,
            "member": member,
            "title": _("Why is %(member)s in %(segment)s?")
            % {"member": member.display_name, "segment": name_of(segment)},
            "membership": segment.memberships.filter(member=member).first(),
            "latest": segment.moves.filter(member=member).order_by("-pk").first(),
            "reasons": reasons(where=where, member=member, moment=timezone.now()) if where else [],
        }
        return TemplateResponse(request, "admin/segments/segment_why.html", context)


def may_move(request: HttpRequest, segment: Segment) -> bool:
    """Return whether the person may put members in and take them out."""
    is_by_hand = segment.where is None and not segment.is_retired
    user = request.user
    return is_by_hand and isinstance(user, User) and user.has_perm("members.add_segmentmembership")


def name_of(segment: Segment) -> str:
    """Return the name in the reader's language."""
    return pick(segment.name, [get_language() or "", segment.program.locale], segment.code)


def trend(found: list[Size]) -> Trend:
    """Return the line of the sizes: days from left to right, from zero to the most upward."""
    most = max((each.members for each in found), default=0)
    first: date | None = found[0].day if found else None
    days = max((found[-1].day - found[0].day).days, 1) if found else 1
    points = " ".join(
        f"{WIDTH * (each.day - first).days // days},{HEIGHT - HEIGHT * each.members // (most or 1)}"
        for each in found
        if first is not None
    )
    return Trend(found, points, most)


def _checked(lines: list[segments.Line], members: list[int], entering: bool) -> dict[str, Any]:
    wrong = [each for each in lines if each.problem]
    return {
        "is_checked": True,
        "count": len(members),
        "entering": entering,
        "numbers": "\n".join(each.text for each in lines if each.member_id is not None),
        "wrong_count": len(wrong),
        "wrong": [(each.line, each.text, PROBLEMS[each.problem]) for each in wrong[:LINES_SHOWN]],
    }
