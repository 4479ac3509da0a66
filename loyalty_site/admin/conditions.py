"""A condition over members, built of rows and tried on everybody before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.forms.formsets import BaseFormSet, formset_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.earning import attributes
from campaigns.earning.conditions import OPERATORS, validate
from campaigns.earning.conditions_sql import is_in_sql
from campaigns.earning.sentences import sentence
from campaigns.queries.segments import find
from campaigns.services.defining import define
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.localized import LocalizedField, asked_languages
from members.admin.staff import staff_with
from members.models import MemberScore, Program, Segment, User
from members.queries.program import current_program
from members.services.outbox import ring

ROWS: Final = 6
Tree = dict[str, Any]

WORDS: Final = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "gt": gettext_lazy("is more than"),
    "gte": gettext_lazy("is at least"),
    "lt": gettext_lazy("is less than"),
    "lte": gettext_lazy("is at most"),
    "in": gettext_lazy("is one of (separated by commas)"),
    "not_in": gettext_lazy("is none of (separated by commas)"),
    "contains": gettext_lazy("contains"),
    "between": gettext_lazy("is between (two, separated by a comma)"),
    "exists": gettext_lazy("is known (yes or no)"),
}
MANY: Final = ("in", "not_in", "between")
NO: Final = frozenset({"no", "false", "0"})


class SegmentForm(forms.Form):
    """The segment beside its condition."""

    code = forms.SlugField(label=gettext_lazy("Code"), max_length=63)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kept"),
        choices=[
            ("dynamic", gettext_lazy("by the condition below")),
            ("static", gettext_lazy("by hand")),
        ],
        widget=forms.RadioSelect,
        initial="dynamic",
    )
    group = forms.ChoiceField(
        label=gettext_lazy("Members for whom"),
        choices=[
            ("all", gettext_lazy("every row holds")),
            ("any", gettext_lazy("at least one row holds")),
        ],
        required=False,
    )

    def __init__(self, *args: Any, names: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = LocalizedField(max_length=200, languages=asked_languages(names), required=True)
        field.label = _("Name")
        self.fields["name"] = field


class RowForm(forms.Form):
    """One comparison: what, how and with what."""

    negated = forms.ChoiceField(
        label=gettext_lazy("Whether"),
        choices=[("", gettext_lazy("it holds")), ("not", gettext_lazy("it does not hold"))],
        required=False,
    )
    attr = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    op = forms.ChoiceField(
        label=gettext_lazy("How"), choices=[(op, WORDS[op]) for op in OPERATORS], required=False
    )
    value = forms.CharField(label=gettext_lazy("Value"), max_length=500, required=False)

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["attr"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "-"), *choices]

    def tree(self) -> Tree | None:
        """Return the row as a condition, None where nothing was chosen."""
        told = self.cleaned_data
        attribute = attributes.find(told.get("attr") or "")
        if attribute is None:
            return None
        value = _value(attribute.type, told["op"], told["value"].strip())
        leaf = {"attr": attribute.name, "op": told["op"], "value": value}
        return {"not": leaf} if told["negated"] else leaf


def _value(kind: str, op: str, text: str) -> Any:
    """Return what was typed as the value of the condition; what it cannot be stays text."""
    if op == "exists":
        return text.lower() not in NO
    if op in MANY:
        return [_scalar(kind, each.strip()) for each in text.split(",")]
    return _scalar(kind, text)


def _scalar(kind: str, text: str) -> Any:
    if kind == "integer":
        try:
            return int(text)
        except ValueError:
            return text
    if kind == "flag":
        return text.lower() not in NO
    return text


def attribute_choices() -> list[tuple[str, str]]:
    """Return the attributes of members that a segment can ask for, with their phrases."""
    # What was bought in a window needs more fields than a row has.
    members = [each for each in attributes.ATTRIBUTES.values() if each.scope == "member"]
    known = [each for each in members if is_in_sql(each.name)]
    codes = MemberScore.objects.filter(value__isnull=False).values_list("code", flat=True)
    scores = [
        attributes.find(f"{attributes.SCORE}{code}") for code in sorted(set(codes.distinct()))
    ]
    return [(each.name, each.phrase) for each in [*known, *scores] if each is not None]


def define_view(request: HttpRequest, each_context: dict[str, Any]) -> HttpResponse:
    """Show whom a condition holds for; save it as a segment when asked to."""
    user = staff_with(request, "members.add_segment")
    program = current_program()
    edited = _edited(request)
    rows_of_form = formset_factory(RowForm, extra=ROWS, max_num=ROWS, absolute_max=ROWS)
    kwargs = {"choices": attribute_choices()}
    names = edited.name if edited else {}
    if request.method != "POST":
        flat = flattened(edited.where) if edited and edited.where else None
        form = SegmentForm(names=names, initial=_initial(edited, flat))
        rows = rows_of_form(
            form_kwargs=kwargs, initial=[_row(each) for each in (flat or ("", []))[1]]
        )
        return _page(request, each_context, program, form, rows, edited=edited)
    form = SegmentForm(request.POST, names=names)
    rows = rows_of_form(request.POST, form_kwargs=kwargs)
    where: Tree | None = None
    if form.is_valid() and rows.is_valid():
        where = _tree(form, rows)
        if form.is_valid() and rows.is_valid() and "save" in request.POST:
            saved = _save(request, user, form, where)
            if saved is not None:
                return saved
    return _page(request, each_context, program, form, rows, where=where, edited=edited)


def _edited(request: HttpRequest) -> Segment | None:
    asked = request.GET.get("segment", "")
    if not asked.isdecimal():
        return None
    return get_object_or_404(Segment.objects.filter(is_retired=False), pk=int(asked))


def _initial(edited: Segment | None, flat: tuple[str, list[Tree]] | None) -> dict[str, Any]:
    if edited is None:
        return {"kind": "dynamic", "group": "all"}
    kind = "static" if edited.where is None else "dynamic"
    return {
        "code": edited.code,
        "name": edited.name,
        "kind": kind,
        "group": flat[0] if flat else "all",
    }


def flattened(where: Mapping[str, Any]) -> tuple[str, list[Tree]] | None:
    """Return the condition as a group of rows, None where it is no such group."""
    (group,) = [kind for kind in ("all", "any") if kind in where] or ["all"]
    rows = [dict(each) for each in where.get(group, [where])]
    is_flat = all(each.get("not", each).keys() == {"attr", "op", "value"} for each in rows)
    return (group, rows) if is_flat and len(rows) <= ROWS else None


def _row(tree: Tree) -> dict[str, Any]:
    leaf = tree.get("not", tree)
    value = leaf["value"]
    if isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    negated = "not" if "not" in tree else ""
    return {"negated": negated, "attr": leaf["attr"], "op": leaf["op"], "value": text}


def _tree(form: SegmentForm, rows: BaseFormSet[RowForm]) -> Tree | None:
    """Return the condition of the rows; what is wrong with one stands beside it."""
    if form.cleaned_data["kind"] == "static":
        return None
    told = [(row, tree) for row in rows if (tree := row.tree()) is not None]
    if not told:
        form.add_error(None, _("Choose at least one condition."))
        return None
    for row, tree in told:
        for _path, expected in validate(tree, {"member"}):
            row.add_error(None, _("Expected: %(expected)s") % {"expected": expected})
    trees = [tree for _row_form, tree in told]
    return trees[0] if len(trees) == 1 else {form.cleaned_data["group"] or "all": trees}


def _save(
    request: HttpRequest, user: User, form: SegmentForm, where: Tree | None
) -> HttpResponse | None:
    told = form.cleaned_data
    try:
        segment = define(
            code=told["code"].lower(),
            name=told["name"],
            where=where,
            actor=f"staff:{user.pk}",
            moment=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error(None, refusal.detail)
        return None
    if where is not None:
        ring("campaigns.tasks.refresh_segments")
    messages.success(request, _("Saved. Its members come within a minute."))
    return redirect(reverse("admin:members_segment_change", args=[segment.pk]))


def _page(
    request: HttpRequest,
    each_context: dict[str, Any],
    program: Program,
    form: SegmentForm,
    rows: BaseFormSet[RowForm],
    *,
    where: Tree | None = None,
    edited: Segment | None = None,
) -> HttpResponse:
    is_valid = form.is_bound and form.is_valid() and rows.is_valid()
    shown = where if is_valid else None
    context = {
        **each_context,
        "opts": Segment._meta,
        "title": _("Define a segment"),
        "form": form,
        "rows": rows,
        "edited": edited,
        "is_too_deep": bool(edited and edited.where and flattened(edited.where) is None),
        "edited_sentence": sentence(edited.where) if edited and edited.where else "",
        "sentence": sentence(shown) if shown else "",
        "found": find(program=program, where=shown, moment=timezone.now()) if shown else None,
    }
    return TemplateResponse(request, "admin/segments/segment_define.html", context)
