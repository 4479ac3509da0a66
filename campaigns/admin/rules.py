"""Rules as sentences, what they gave and why, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

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
    """How much of each limit and budget is used."""

    list_display = (
        *("code", "scope", "per", "subject", "period", "period_start", "currency"),
        *("points", "points_limit", "uses"),
    )
    list_filter = ("scope", "per", "period")
    list_select_related = ("program",)
    search_fields = ("code", "subject__exact")


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
