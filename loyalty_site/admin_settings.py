"""How the admin looks and what stands in its sidebar."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# The hue of the member pages, from its lightest shade to its darkest.
PRIMARY = {
    "50": "oklch(97.5% .014 162)",
    "100": "oklch(94.5% .03 162)",
    "200": "oklch(89% .055 162)",
    "300": "oklch(81% .085 162)",
    "400": "oklch(70% .11 162)",
    "500": "oklch(57% .115 162)",
    "600": "oklch(46% .105 162)",
    "700": "oklch(40% .095 162)",
    "800": "oklch(34% .08 162)",
    "900": "oklch(28% .065 162)",
    "950": "oklch(20% .045 162)",
}


def _stylesheet(_request: HttpRequest) -> str:
    return static("css/admin.css")


def _icon(_request: HttpRequest) -> str:
    return static("icons/icon.svg")


def _clock(request: HttpRequest) -> str:
    program = getattr(request, "program", None)
    zone = program.timezone if program else "UTC"
    return gettext("Staff admin, times of %(zone)s") % {
        "zone": zone.rpartition("/")[2].replace("_", " ")
    }


def _item(title: Any, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")

    def may_see(request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"{app}.{power}_{name}") for power in ("view", "change"))

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": may_see,
    }


def _group(title: Any, *items: dict[str, Any], is_open: bool = False) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": not is_open, "items": list(items)}


NAVIGATION = [
    {
        "items": [
            {"title": _("Dashboard"), "icon": "dashboard", "link": reverse_lazy("admin:index")},
            _item(_("Members"), "group", "members.member"),
            _item(_("Purchases"), "shopping_bag", "members.purchase"),
            _item(_("Returns"), "undo", "members.return"),
            _item(_("Rewards"), "redeem", "rewards.reward"),
            _item(_("Redemptions"), "confirmation_number", "rewards.redemption"),
        ],
    },
    _group(
        _("Gifts"),
        _item(_("Payouts"), "account_balance", "rewards.payout"),
        _item(_("Donations"), "volunteer_activism", "rewards.donation"),
        _item(_("Paid donations"), "fact_check", "rewards.payoutline"),
    ),
    _group(
        _("Partners"),
        _item(_("Partners"), "handshake", "members.partner"),
        _item(_("Statements"), "request_quote", "members.partnerstatement"),
        _item(_("Movements"), "swap_vert", "members.partnermovement"),
        {
            "title": _("Post a partner's file"),
            "icon": "upload_file",
            "link": reverse_lazy("partner_file"),
            "permission": lambda request: request.user.has_perm("members.add_partnermovement"),
        },
        _item(_("Payments of partners"), "payments", "members.partnerfunding"),
        _item(_("Balances of partners"), "account_balance_wallet", "members.partnerbalance"),
        _item(_("Rates of partners"), "percent", "members.partnerrate"),
    ),
    _group(
        _("By hand"),
        _item(_("Approvals"), "rule_settings", "members.approval"),
        _item(_("Adjustments"), "exposure", "members.adjustment"),
        _item(_("Batches"), "upload_file", "members.pointbatch"),
        _item(_("Rows of batches"), "table_rows", "members.pointbatchrow"),
        _item(_("Orders of points"), "payments", "members.pointsorder"),
        _item(_("Reinstatements"), "restore", "members.reinstatement"),
        _item(_("Reasons"), "label", "members.adjustmentreason"),
        _item(_("Limits of staff"), "shield_person", "members.approvalpolicy"),
        _item(_("Used by staff"), "speed", "members.staffday"),
        _item(_("Evidence"), "attach_file", "members.evidence"),
    ),
    _group(
        _("Points"),
        _item(_("Transactions"), "receipt_long", "members.ledgertransaction"),
        _item(_("Entries"), "list", "members.ledgerentry"),
        _item(_("Accounts"), "account_balance", "members.ledgeraccount"),
        _item(_("Lots"), "inventory_2", "members.pointlot"),
        _item(_("Lot uses"), "call_split", "members.lotuse"),
        _item(_("Holds"), "lock_clock", "members.ledgerhold"),
        _item(_("Transfers"), "swap_horiz", "members.transfer"),
        _item(_("Missing points"), "help_center", "campaigns.claimcase"),
        _item(_("Pools"), "diversity_3", "members.pool"),
        _item(_("In pools"), "group_add", "members.poolmembership"),
        _item(_("Invitations"), "mail", "members.poolinvite"),
        _item(_("Awards"), "military_tech", "campaigns.award"),
        _item(_("Award reversals"), "remove_done", "campaigns.awardreversal"),
        _item(_("Given by rules"), "redeem", "campaigns.rulegrant"),
        _item(_("Given, then returned"), "undo", "campaigns.rulegrantreversal"),
        _item(_("Notes"), "sticky_note_2", "members.ledgernote"),
        _item(_("Activity"), "directions_run", "members.ledgeractivity"),
        _item(_("Notices of ends"), "notification_important", "members.expirynotice"),
    ),
    _group(
        _("Campaigns"),
        {
            "title": _("Start a campaign"),
            "icon": "rocket_launch",
            "link": reverse_lazy("campaign_templates"),
            "permission": lambda request: request.user.has_perm("campaigns.add_campaigndraft"),
        },
        _item(_("Drafts of campaigns"), "edit_note", "campaigns.campaigndraft"),
        _item(_("Announced changes"), "notification_important", "campaigns.announcedchange"),
        _item(_("Steps of campaigns"), "timeline", "campaigns.campaignstep"),
        _item(_("Versions of campaigns"), "history_edu", "campaigns.campaignversion"),
        _item(_("Limits of campaigns"), "shield_person", "campaigns.campaignpolicy"),
    ),
    _group(
        _("Program"),
        _item(_("Program"), "loyalty", "members.program"),
        _item(_("Point currencies"), "toll", "members.pointcurrency"),
        _item(_("Rules"), "rule", "campaigns.earningrule"),
        _item(_("Campaigns"), "campaign", "campaigns.campaign"),
        _item(_("Backtests"), "science", "campaigns.backtest"),
        {
            "title": _("Try a basket"),
            "icon": "shopping_basket",
            "link": reverse_lazy("try_basket"),
            "permission": lambda request: request.user.has_perm("campaigns.view_campaign"),
        },
        _item(_("Tiers"), "stairs", "members.tier"),
        {
            "title": _("Tiers by quarter"),
            "icon": "query_stats",
            "link": reverse_lazy("tier_economics"),
            "permission": lambda request: request.user.has_perm("members.view_tier"),
        },
        _item(_("Segments"), "groups", "members.segment"),
        _item(_("Stores"), "storefront", "members.store"),
        _item(_("Publications"), "publish", "campaigns.publication"),
        _item(_("Rule versions"), "history", "campaigns.ruleversion"),
        _item(_("Limits used"), "speed", "campaigns.limitcounter"),
        {
            "title": _("What coupons brought"),
            "icon": "sell",
            "link": reverse_lazy("coupons"),
            "permission": lambda request: request.user.has_perm("members.view_purchase"),
        },
        _item(_("Surveys"), "quiz", "campaigns.survey"),
        _item(_("Answers to surveys"), "forum", "campaigns.surveyanswer"),
        _item(_("Codes that earn"), "qr_code_2", "campaigns.codebatch"),
        _item(_("Codes by digest"), "pin", "campaigns.earningcode"),
    ),
    _group(
        _("About members"),
        _item(_("One person twice?"), "person_search", "members.mergecandidate"),
        _item(_("Merges"), "merge", "members.membermerge"),
        _item(_("Identifiers"), "badge", "members.identifier"),
        _item(_("Tier history"), "trending_up", "members.tiermembership"),
        _item(_("Vouchers"), "qr_code", "rewards.voucher"),
        _item(_("Paid with points"), "payments", "rewards.pointstender"),
        _item(_("Events"), "bolt", "campaigns.event"),
        _item(_("Occasions looked for"), "event_repeat", "campaigns.occasionmark"),
        _item(_("Messages"), "mail", "members.message"),
        _item(_("Consents"), "how_to_reg", "members.consentrecord"),
        _item(_("In segments"), "group_work", "members.segmentmembership"),
        _item(_("Moves of segments"), "move_group", "members.segmentmove"),
        _item(_("Size of segments"), "show_chart", "members.segmentsnapshot"),
        _item(_("Tags"), "sell", "members.membertag"),
        _item(_("Corrected birth dates"), "cake", "members.birthdatechange"),
        _item(_("Questions to members"), "quiz", "members.attributedefinition"),
        _item(_("Answers of members"), "fact_check", "members.memberattribute"),
        _item(_("Changed answers"), "history_edu", "members.attributechange"),
        _item(_("Scores"), "scoreboard", "members.memberscore"),
        _item(_("Changes of scores"), "trending_flat", "members.scoremove"),
        _item(_("Purchase lines"), "format_list_bulleted", "members.purchaseline"),
        _item(_("Return lines"), "assignment_return", "members.returnline"),
        _item(_("Data exports"), "download", "members.dataexport"),
        _item(_("Wrong guesses"), "password", "members.wrongtries"),
    ),
    _group(
        _("Trust"),
        {
            "title": _("Liability"),
            "icon": "account_balance_wallet",
            "link": reverse_lazy("liability"),
            "permission": lambda request: request.user.has_perm("members.view_ledgeraccount"),
        },
        {
            "title": _("Points that end"),
            "icon": "hourglass_bottom",
            "link": reverse_lazy("clearing"),
            "permission": lambda request: request.user.has_perm("members.view_ledgeraccount"),
        },
        {
            "title": _("Points that wait"),
            "icon": "pending_actions",
            "link": reverse_lazy("waiting"),
            "permission": lambda request: request.user.has_perm("members.view_pointlot"),
        },
        _item(_("Proofs of the ledger"), "verified", "members.ledgerreport"),
        _item(_("Seals of the ledger"), "link", "members.ledgerseal"),
        _item(_("Tree over the seals"), "account_tree", "members.ledgernode"),
        _item(_("Checkpoints"), "approval", "members.ledgercheckpoint"),
        _item(_("State of sealing"), "hourglass_top", "members.sealingstate"),
        _item(_("Rehearsals"), "event_upcoming", "members.rehearsal"),
        _item(_("Rehearsed lines"), "format_list_numbered", "members.rehearsalline"),
    ),
    _group(
        _("Operation"),
        _item(_("Job runs"), "task_alt", "members.jobrun"),
        _item(_("Heartbeats"), "monitor_heart", "members.heartbeat"),
        _item(_("Outbox"), "outbox", "members.outboxevent"),
        _item(_("Timetable"), "schedule", "django_celery_beat.periodictask"),
        _item(_("API clients"), "point_of_sale", "members.apiclient"),
        _item(_("Stored answers"), "replay", "members.idempotencyrecord"),
    ),
    _group(
        _("Access"),
        _item(_("Logins"), "person", "members.user"),
        _item(_("Staff groups"), "admin_panel_settings", "auth.group"),
        _item(_("E-mail addresses"), "alternate_email", "account.emailaddress"),
        _item(_("Second factors"), "key", "mfa.authenticator"),
        _item(_("Sessions"), "devices", "usersessions.usersession"),
        _item(_("OAuth clients"), "vpn_key", "allauth_idp_oidc.client"),
        _item(_("OAuth tokens"), "token", "allauth_idp_oidc.token"),
    ),
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Loyalty admin"),
    "SITE_HEADER": _("Loyalty"),
    "SITE_SUBHEADER": _clock,
    "SITE_ICON": _icon,
    "SITE_FAVICONS": [{"rel": "icon", "href": _icon, "type": "image/svg+xml"}],
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {"primary": PRIMARY},
    "STYLES": [_stylesheet],
    "DASHBOARD_CALLBACK": "loyalty_site.admin.dashboard.add_to_context",
    "SIDEBAR": {"show_search": True, "navigation": NAVIGATION},
}
