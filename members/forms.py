"""The forms of the member pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.languages import pick
from loyalty_site.lib.money import plain
from members.attributes import TEXT_MAX
from members.models import Member
from members.queries.attributes import Asked, answers_of
from members.services.profile import birth_date_errors
from members.transferring import POINTS_MAX

AREAS = frozenset(
    {
        *("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia"),
        *("Europe", "Indian", "Pacific"),
    }
)
# Before the names of the fields of what is asked beside the profile.
ANSWER = "answer-"
Choices = list[tuple[str, Any]]


@lru_cache(maxsize=1)
def timezones() -> tuple[str, ...]:
    """Return the zones of places; offsets and old aliases are left out."""
    return tuple(sorted(name for name in available_timezones() if name.partition("/")[0] in AREAS))


class ProfileForm(forms.Form):
    """What a member may change of what is known about them."""

    first_name = forms.CharField(
        label=_("First name"),
        max_length=100,
        required=False,
        widget=forms.TextInput({"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=100,
        required=False,
        widget=forms.TextInput({"autocomplete": "family-name"}),
    )
    birth_date = forms.DateField(
        label=_("Date of birth"),
        required=False,
        widget=forms.DateInput({"type": "date", "autocomplete": "bday"}, format="%Y-%m-%d"),
    )
    locale = forms.ChoiceField(
        label=_("Language of your messages"), required=False, choices=list[tuple[str, str]]
    )
    timezone = forms.ChoiceField(
        label=_("Time zone"), required=False, choices=list[tuple[str, str]]
    )

    def __init__(self, *args: Any, member: Member, moment: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._moment = moment
        if len(settings.LANGUAGES) > 1:
            self._offer("locale", list(settings.LANGUAGES), member.locale)
        else:
            # A question with one answer is none; what is kept stays.
            del self.fields["locale"]
        if member.birth_date is not None:
            # What is sent all the same is not looked at.
            self.fields["birth_date"].disabled = True
            self.fields["birth_date"].help_text = _(
                "It is set. If it is wrong, ask in the shop: it can be corrected once a year."
            )
        zones = [(name, name.replace("_", " ")) for name in timezones()]
        self._offer("timezone", zones, member.timezone)

        self._asked = {
            f"{ANSWER}{each.definition.code}": each for each in answers_of(member, editable=True)
        }
        for name, asked in self._asked.items():
            self.fields[name] = _field(asked, member.program.locale)

    @property
    def answers(self) -> dict[str, Any]:
        """Return what was answered beside the profile, by code; None takes an answer away."""
        return {
            asked.definition.code: _answer(asked.definition.kind, self.cleaned_data[name])
            for name, asked in self._asked.items()
        }

    def _offer(self, name: str, choices: Choices, held: str) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        # What an app or a till has set stays, also where this page would not offer it.
        if held and held not in dict(choices):
            choices = [(held, held), *choices]
        field.choices = [("", pgettext_lazy("choice", "As the program has it")), *choices]

    def clean_birth_date(self) -> Any:
        """Refuse a day on which nobody alive was born."""
        day = self.cleaned_data["birth_date"]
        if birth_date_errors(day, self._moment):
            raise forms.ValidationError(_("Nobody is born on that day."), code="out_of_range")
        return day


class ReceiptForm(forms.Form):
    """What stands on a receipt."""

    receipt = forms.CharField(
        label=_("Number of the receipt"),
        max_length=64,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    day = forms.DateField(
        label=_("Day of the purchase"), widget=forms.DateInput(attrs={"type": "date"})
    )
    total = forms.DecimalField(
        label=_("Total"), min_value=Decimal("0.01"), max_digits=12, decimal_places=2
    )


class PoolForm(forms.Form):
    """Which kind of pool to found, and what its members call it."""

    kind = forms.ChoiceField(label=pgettext_lazy("of a pool", "For"))
    name = forms.CharField(label=pgettext_lazy("of a pool", "Name"), max_length=80, required=False)

    def __init__(self, *arguments: Any, kinds: Iterable[str] = (), **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = [(each, _KINDS[each]) for each in kinds]


class PoolCodeForm(forms.Form):
    """The code of an invitation."""

    code = forms.CharField(
        label=_("Code of your invitation"),
        max_length=64,
        help_text=_("Twelve letters and digits; hyphens and spaces do not matter."),
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


class PoolPointsForm(forms.Form):
    """How many points go to the pool."""

    points = forms.IntegerField(
        label=_("Points"), min_value=1, max_value=POINTS_MAX, widget=forms.NumberInput
    )


class PoolShareForm(forms.Form):
    """Which percentage of each earn goes to the pool."""

    share_pct = forms.IntegerField(
        label=_("Percent of what you earn"),
        min_value=0,
        max_value=100,
        help_text=_("It goes to the pool by itself, from what you earn from now on."),
        widget=forms.NumberInput,
    )


class PoolInviteForm(forms.Form):
    """As what somebody is invited."""

    role = forms.ChoiceField(
        label=_("Invite"),
        choices=[("adult", _("an adult")), ("child", _("a child"))],
    )


_KINDS = {
    "household": pgettext_lazy("kind of pool", "a household"),
    "company": pgettext_lazy("kind of pool", "a company"),
}


def _field(asked: Asked, locale: str) -> forms.Field:
    """Return the field for an answer, with what is known already."""
    definition, told = asked.definition, asked.told
    spoken = [get_language() or "", locale]
    label = pick(definition.name, spoken, definition.code)
    choices = [
        (each["code"], pick(each["name"], spoken, each["code"])) for each in definition.choices
    ]
    if definition.kind == "choice":
        first = ("", pgettext_lazy("choice", "No answer"))
        return forms.ChoiceField(
            label=label, required=False, choices=[first, *choices], initial=told or ""
        )
    if definition.kind == "multi":
        return forms.MultipleChoiceField(
            label=label,
            required=False,
            choices=choices,
            initial=told,
            widget=forms.CheckboxSelectMultiple,
        )
    if definition.kind == "bool":
        yes_no = [
            ("", pgettext_lazy("choice", "No answer")),
            ("true", pgettext_lazy("choice", "Yes")),
            ("false", pgettext_lazy("choice", "No")),
        ]
        held = "" if told is None else str(told).lower()
        return forms.ChoiceField(label=label, required=False, choices=yes_no, initial=held)
    if definition.kind == "number":
        return forms.DecimalField(
            label=label, required=False, max_digits=16, decimal_places=4, initial=told
        )
    if definition.kind == "date":
        widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        return forms.DateField(label=label, required=False, widget=widget, initial=told)
    return forms.CharField(label=label, required=False, max_length=TEXT_MAX, initial=told)


def _answer(kind: str, value: Any) -> Any:
    """Return a cleaned field as the service takes it."""
    if value in ("", None, []):
        return None
    if kind == "bool":
        return value == "true"
    if kind == "date":
        return value.isoformat()
    return plain(value) if kind == "number" else value


class TransferForm(forms.Form):
    """Whom a member sends how many points."""

    to = forms.CharField(
        label=_("To"),
        max_length=254,
        help_text=_(
            "A member number, a card, an email address, or a telephone number with its country"
            " code, such as +351 912 345 678."
        ),
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    points = forms.IntegerField(
        label=_("Points"), min_value=1, max_value=POINTS_MAX, widget=forms.NumberInput
    )


class CodeForm(forms.Form):
    """A code as it is printed."""

    code = forms.CharField(
        label=_("Code"),
        max_length=64,
        help_text=_("Fifteen letters and digits; hyphens and spaces do not matter."),
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
