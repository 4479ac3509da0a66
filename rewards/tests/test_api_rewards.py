"""The catalog, vouchers and the member's own over the API, as the contract has them."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from loyalty_site.lib.ratelimit import buckets
from members.models import LedgerTransaction, Member, Program
from rewards.api import vouchers as voucher_views
from rewards.models import Reward
from rewards.tests.factories import (
    Till,
    app_of,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    order,
    put_in_tier,
)

# An id that no row has; the same in every process that collects the tests.
NOBODY = "00000000-0000-4000-8000-000000000001"


KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Start every test with full buckets."""
    cache.clear()
    buckets.clear()


@pytest.fixture
def program(db: None) -> Program:
    """Return a program with a coffee of 150 points."""
    program = make_program()
    make_reward(program)
    return program


@pytest.fixture
def member(program: Program) -> Member:
    """Return a member with 500 points."""
    member = make_member(program)
    earn(member, 500)
    return member


@pytest.fixture
def till(program: Program) -> Till:
    """Return a client with every scope."""
    return Till()


# Rewards -------------------------------------------------------------------------------------


def test_rewards_are_listed_without_a_member(till: Till, program: Program) -> None:
    make_reward(program, "old", is_retired=True)

    body = till.get("rewards").json()

    assert body == {
        "results": [
            {
                "id": str(Reward.objects.get(code="coffee").public_id),
                "code": "coffee",
                "kind": "service",
                "name": "Coffee",
                "description": "",
                "points_price": 150,
                "stock": None,
                "tiers": [],
                "redeemable_from": None,
                "redeemable_to": None,
                "eligible": None,
                "reasons": [],
            }
        ],
        "next_cursor": None,
        "prev_cursor": None,
    }


def test_rewards_are_listed_for_a_member(till: Till, program: Program, member: Member) -> None:
    put_in_tier(member, "bronze")
    make_reward(program, "tote", position=1, points_price=580, tiers=["gold"])

    coffee, tote = till.get(f"rewards?member={member.public_id}").json()["results"]

    assert (coffee["eligible"], coffee["reasons"]) == (True, [])
    assert tote["eligible"] is False
    assert tote["reasons"] == [
        {
            "code": "insufficient_points",
            "text": "You have 500 points and need 80 points more.",
            "missing_points": 80,
        },
        {"code": "tier_too_low", "text": "Only for members in gold.", "missing_points": None},
    ]


def test_rewards_are_paged_by_key(till: Till, program: Program) -> None:
    for number in range(4):
        make_reward(program, f"r{number}", position=1)

    first = till.get("rewards?limit=2").json()
    second = till.get(f"rewards?limit=2&cursor={first['next_cursor']}").json()
    third = till.get(f"rewards?limit=2&cursor={second['next_cursor']}").json()

    codes = [[row["code"] for row in page["results"]] for page in (first, second, third)]
    assert codes == [["coffee", "r0"], ["r1", "r2"], ["r3"]]
    assert (first["prev_cursor"], third["next_cursor"]) == (None, None)
    assert till.get("rewards?cursor=x").json()["code"] == "invalid_cursor"
    assert till.get("rewards?limit=101").status_code == 400


@pytest.mark.parametrize(
    ("_case", "header", "name"),
    [
        ("a dialect falls back", "pt-PT", "Café"),
        ("the dearest that there is", "ru, pt;q=0.5, en;q=0.1", "Café"),
        ("nothing suits", "ru", "Coffee"),
    ],
)
def test_names_are_told_in_the_callers_language(
    till: Till, _case: str, header: str, name: str
) -> None:
    (coffee,) = till.get("rewards", accept_language=header).json()["results"]

    assert coffee["name"] == name


def test_the_members_language_comes_before_the_programs(till: Till, member: Member) -> None:
    Member.objects.filter(pk=member.pk).update(locale="pt")

    (coffee,) = till.get(f"rewards?member={member.public_id}").json()["results"]

    assert coffee["name"] == "Café"


@pytest.mark.parametrize(
    ("_case", "query", "status", "code"),
    [
        ("unknown", f"member={NOBODY}", 422, "unknown_member"),
        ("no id", "member=x", 400, "invalid"),
    ],
)
def test_rewards_for_nobody_are_refused(
    till: Till, _case: str, query: str, status: int, code: str
) -> None:
    answer = till.get(f"rewards?{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "rewards", "rewards:read"),
        ("post", "redemptions/quote", "points:redeem"),
        ("post", "redemptions", "points:redeem"),
        ("get", f"redemptions/{NOBODY}", "points:redeem"),
        ("post", f"redemptions/{NOBODY}/capture", "points:redeem"),
        ("post", f"redemptions/{NOBODY}/cancel", "points:redeem"),
        ("post", "vouchers/lookup", "points:redeem"),
        ("post", "vouchers/use", "points:redeem"),
    ],
)
def test_each_operation_asks_for_its_scope(
    program: Program, method: str, path: str, scope: str
) -> None:
    others = {"rewards:read", "points:redeem", "members:read"} - {scope}

    answer = getattr(Till(*others), method)(path)

    assert (answer.status_code, answer.json()["code"], answer.json()["required_scope"]) == (
        403,
        "insufficient_scope",
        scope,
    )


# Vouchers ------------------------------------------------------------------------------------


def test_a_voucher_is_looked_up_and_used_once(till: Till, member: Member) -> None:
    made = till.post("redemptions", order(member)).json()
    code = made["voucher"]["code"]

    found = till.post("vouchers/lookup", {"code": code}, key=None)
    used = till.post(
        "vouchers/use", {"code": code, "purchase": {"source": "pos", "external_id": "R-1"}}, key=KEY
    )
    replayed = till.post(
        "vouchers/use", {"code": code, "purchase": {"source": "pos", "external_id": "R-1"}}, key=KEY
    )
    again = till.post("vouchers/use", {"code": code})

    assert found.json() == {
        "code": code,
        "state": "issued",
        "reward": "coffee",
        "redemption": made["id"],
        "expires_at": made["voucher"]["expires_at"],
    }
    assert (used.status_code, used.json()) == (200, found.json() | {"state": "used"})
    assert (replayed.json(), replayed["Idempotent-Replayed"]) == (used.json(), "true")
    assert again.status_code == 404
    cancel = till.post(f"redemptions/{made['id']}/cancel", {})
    assert (cancel.status_code, cancel.json()["code"]) == (409, "voucher_used")


def test_every_code_that_cannot_be_used_is_answered_alike(till: Till, member: Member) -> None:
    cancelled = till.post("redemptions", order(member)).json()
    till.post(f"redemptions/{cancelled['id']}/cancel", {})
    used = till.post("redemptions", order(member)).json()
    till.post("vouchers/use", {"code": used["voucher"]["code"]})
    codes = [cancelled["voucher"]["code"], used["voucher"]["code"], "34679-34679-34679", "x"]

    answers = [till.post("vouchers/lookup", {"code": code}, key=None) for code in codes]
    answers += [till.post("vouchers/use", {"code": code}) for code in codes]

    told = {(a.status_code, a.json()["code"], a.json()["detail"]) for a in answers}
    assert told == {(404, "voucher_not_found", "No such voucher can be used")}


def test_looking_up_and_using_share_one_limit(till: Till) -> None:
    assert voucher_views.LIMIT_PER_MINUTE >= 60

    statuses = [
        till.post(path, {"code": "x"}).status_code
        for path in ["vouchers/lookup", "vouchers/use"] * (voucher_views.LIMIT_PER_MINUTE + 2)
    ]

    assert statuses[: voucher_views.LIMIT_PER_MINUTE] == [404] * voucher_views.LIMIT_PER_MINUTE
    assert 429 in statuses


# The member's own ----------------------------------------------------------------------------


def test_a_member_redeems_and_cancels_in_the_app(till: Till, member: Member) -> None:
    till.headers = app_of(member)

    (coffee,) = till.get("me/rewards").json()["results"]
    quote = till.post("me/redemptions/quote", {"reward": "coffee"}, key=None)
    made = till.post("me/redemptions", {"reward": "coffee"})
    read = till.get(f"me/redemptions/{made.json()['id']}")
    cancelled = till.post(f"me/redemptions/{made.json()['id']}/cancel", {"reason": "no"})

    assert coffee["eligible"] is True
    assert quote.json()["balance_after"] == 350
    assert (made.status_code, made.json()["state"]) == (201, "fulfilled")
    assert read.json() == made.json()
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert balances(member) == (500, 0, 0, 0)
    dry = till.post("me/redemptions?dry_run=true", {"reward": "coffee"}, key=None)
    assert (dry.status_code, dry.json()["dry_run"]) == (200, True)


def test_a_member_sees_the_catalog_and_nobody_elses_points(till: Till, member: Member) -> None:
    stranger = make_member(member.program)
    till.headers = app_of(member)

    (coffee,) = till.get("rewards").json()["results"]
    own = till.get(f"rewards?member={member.public_id}")
    others = till.get(f"rewards?member={stranger.public_id}")

    assert (coffee["eligible"], coffee["reasons"]) == (None, [])
    assert own.json()["results"][0]["eligible"] is True
    assert others.status_code == 404


def test_a_member_reaches_nobody_elses_redemption(till: Till, member: Member) -> None:
    made = till.post("redemptions", order(member)).json()
    stranger = make_member(member.program)
    till.headers = app_of(stranger)

    answers = [
        till.get(f"me/redemptions/{made['id']}"),
        till.post(f"me/redemptions/{made['id']}/cancel", {}),
    ]
    denied = [
        till.get(f"redemptions/{made['id']}"),
        till.post("redemptions", order(member)),
        till.post("vouchers/lookup", {"code": made["voucher"]["code"]}),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert [answer.status_code for answer in denied] == [403, 403, 403]
    assert LedgerTransaction.objects.filter(type="redemption_reversal").exists() is False


@pytest.mark.parametrize("path", ["me/rewards", "rewards"])
def test_nobody_sees_rewards_without_credentials(program: Program, path: str) -> None:
    till = Till()
    till.headers = {}

    assert till.get(path).status_code == 401


def test_a_login_of_staff_has_no_rewards(till: Till, member: Member) -> None:
    till.headers = app_of(member)
    Member.objects.update(user=None)

    answer = till.get("me/rewards")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_a_member")


def test_a_clients_token_names_no_member(till: Till) -> None:
    assert till.get("me/rewards").json()["code"] == "member_required"
