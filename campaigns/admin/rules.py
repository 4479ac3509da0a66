"""Rules as sentences, what they gave and why, in the admin."""

from __future__ import annotations

from decimal import Decimal

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.earning.effects import SCALE_DIGITS
from campaigns.earning.results import MONEY
from campaigns.earning.sentences import cap_sentence, rule_sentence
from campaigns.models import (
    Award,
    AwardReversal,
    EarningRule,
    Event,
    LimitCounter,
    OccasionMark,
    Publication,
    RuleGrant,
    RuleGrantReversal,
    RuleVersion,
)
from loyalty_site.lib.admin import (
    BooksAdmin,
    ProgramFileAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    life,
)
from loyalty_site.lib.money import minor_digits, wire


def with_versions(rules: QuerySet[EarningRule]) -> QuerySet[EarningRule]:
    """Read the versions with the rules, the newest first."""
    newest_first = RuleVersion.objects.order_by("-version", "-pk")
    return rules.prefetch_related(Prefetch("versions", newest_first))


def says_now(rule: EarningRule) -> str:
    """Return the newest version as a sentence; the versions are read beforehand."""
    versions = list(rule.versions.all())
    return rule_sentence(versions[0].definition) if versions else "-"


class VersionInline(ReadOnlyInline[RuleVersion, EarningRule]):
    """What a rule said, and since when."""

    model = RuleVersion
    fields = ("version", "says", "published_at")
    readonly_fields = fields
    show_change_link = True
    ordering = ("-version",)

    @admin.display(description=_("what it says"))
    def says(self, version: RuleVersion) -> str:
        """Return the definition as a sentence."""
        return rule_sentence(version.definition)


@admin.register(EarningRule)
class EarningRuleAdmin(ProgramFileAdmin[EarningRule]):
    """Rules, each as the sentence that its newest version says."""

    list_display = ("code", "says", "campaign", life)
    list_filter = ("is_retired", "campaign")
    list_select_related = ("campaign", "program")
    search_fields = ("code", "campaign__code")
    inlines = (VersionInline,)

    @admin.display(description=_("what it says"))
    def says(self, rule: EarningRule) -> str:
        """Return the newest version as a sentence."""
        return says_now(rule)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EarningRule]:
        return with_versions(super().get_queryset(request))


@admin.register(RuleVersion)
class RuleVersionAdmin(ProgramFileAdmin[RuleVersion]):
    """What rules said from when they were published; never changed."""

    list_display = ("rule", "version", "says", "published_at")
    list_filter = ("rule",)
    list_select_related = ("rule",)
    search_fields = ("rule__code",)
    readonly_fields = ("says",)

    @admin.display(description=_("what it says"))
    def says(self, version: RuleVersion) -> str:
        """Return the definition as a sentence."""
        return rule_sentence(version.definition)


@admin.register(Publication)
class PublicationAdmin(ProgramFileAdmin[Publication]):
    """The sets of versions that held, one after the other."""

    list_display = ("number", "published_at", "effective_from", "versions", "capped", "actor")
    list_filter = ("actor",)
    list_select_related = ("program",)
    search_fields = ("number__exact", "actor")

    @admin.display(description=_("rules"))
    def versions(self, publication: Publication) -> int:
        """Return how many rules were live."""
        return len(publication.rule_versions)

    @admin.display(description=_("caps"))
    def capped(self, publication: Publication) -> str:
        """Return what all rules together could give at most."""
        return "; ".join(map(cap_sentence, publication.caps)) or "-"


@admin.register(LimitCounter)
class LimitCounterAdmin(BooksAdmin[LimitCounter]):
    """How much of each limit and budget is used, and what is left of it."""

    list_display = (
        *("code", "scope", "per", "subject", "period", "period_start"),
        *("counts", "used", "bound", "left", "told_percent"),
    )
    list_filter = ("scope", "per", "period", "told_percent")
    list_select_related = ("program",)
    search_fields = ("code", "subject__exact")

    @admin.display(description=_("counts"))
    def counts(self, counter: LimitCounter) -> str:
        """Return what is counted: uses, money, or points of a currency."""
        if counter.currency == MONEY:
            return counter.program.currency
        return counter.currency or str(_("uses"))

    @admin.display(description=_("used"))
    def used(self, counter: LimitCounter) -> str:
        """Return how much of it is used."""
        return _told(counter, counter.points if counter.currency else counter.uses)

    @admin.display(description=_("budget"))
    def bound(self, counter: LimitCounter) -> str:
        """Return what may be used, where the counter itself is held to it."""
        bound = counter.bound
        return "-" if bound is None else _told(counter, bound)

    @admin.display(description=_("left"))
    def left(self, counter: LimitCounter) -> str:
        """Return what is left of it."""
        bound = counter.bound
        used = counter.points if counter.currency else counter.uses
        return "-" if bound is None else _told(counter, bound - used)


def _told(counter: LimitCounter, figure: int) -> str:
    if counter.currency != MONEY:
        return str(figure)
    return wire(Decimal(figure).scaleb(-SCALE_DIGITS), minor_digits(counter.program.currency))


@admin.register(Event)
class EventAdmin(BooksAdmin[Event]):
    """What members did beside shopping."""

    list_display = ("type", "external_id", "source", "member", "occurred_at", "recorded_at")
    list_filter = ("type", "source")
    list_select_related = ("member", "program")
    search_fields = ("external_id__exact", "member__number__exact")
    search_help_text = _("The sender's whole number of the event, or a whole member number.")


@admin.register(Award)
class AwardAdmin(BooksAdmin[Award]):
    """What rules gave, with the sentence that explains it."""

    list_display = (
        *("id", "member", "rule", "points", "currency", "text", "capped_by"),
        *("taken_back", "occurred_at"),
    )
    list_filter = ("currency", "rule_version__rule")
    list_select_related = (
        *("member", "currency", "purchase", "event", "transaction"),
        "rule_version__rule",
    )
    search_fields = ("purchase__external_id__exact", "member__number__exact")
    search_help_text = _("The till's whole number of the purchase, or a whole member number.")

    @admin.display(description=_("rule"))
    def rule(self, award: Award) -> str:
        """Return the rule and the version that gave it."""
        return f"{award.rule_version.rule.code} v{award.rule_version.version}"


@admin.register(AwardReversal)
class AwardReversalAdmin(ReadOnlyAdmin[AwardReversal]):
    """What returns took back of awards."""

    list_display = ("award", "goods_return", "points")
    list_filter = ("goods_return__state",)
    list_select_related = ("award", "goods_return")
    search_fields = ("goods_return__external_id__exact",)
    search_help_text = _("The till's whole number of the return.")


@admin.register(RuleGrant)
class RuleGrantAdmin(BooksAdmin[RuleGrant]):
    """What rules gave beside points, and what it was given for."""

    list_display = ("id", "member", "kind", "text", "rule", "became", "occurred_at")
    list_filter = ("kind", "rule_version__rule")
    list_select_related = ("member", "purchase", "event", "reversal", "rule_version__rule")
    search_fields = ("purchase__external_id__exact", "member__number__exact")
    search_help_text = _("The till's whole number of the purchase, or a whole member number.")

    @admin.display(description=_("rule"))
    def rule(self, grant: RuleGrant) -> str:
        """Return the rule and the version that gave it."""
        return f"{grant.rule_version.rule.code} v{grant.rule_version.version}"

    @admin.display(description=_("return"))
    def became(self, grant: RuleGrant) -> str:
        """Return what a return did with it."""
        reversal: RuleGrantReversal | None = getattr(grant, "reversal", None)
        return str(reversal.get_outcome_display()) if reversal is not None else "-"


@admin.register(RuleGrantReversal)
class RuleGrantReversalAdmin(ReadOnlyAdmin[RuleGrantReversal]):
    """What returns did with what rules gave beside points."""

    list_display = ("grant", "goods_return", "outcome", "recorded_at")
    list_filter = ("outcome",)
    list_select_related = ("grant", "goods_return")
    search_fields = ("goods_return__external_id__exact",)
    search_help_text = _("The till's whole number of the return.")


@admin.register(OccasionMark)
class OccasionMarkAdmin(ReadOnlyAdmin[OccasionMark]):
    """Until when the occasions of each trigger are written down."""

    list_display = ("trigger", "noted_through")
    list_filter = ("noted_through",)
    search_fields = ("trigger",)
