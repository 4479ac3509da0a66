"""Rewards in the admin: changed through their service, and only where the file leaves it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from campaigns.services import program as program_service
from loyalty_site.tests import staffed
from members.models import Member, Program
from rewards.admin.catalog import RewardForm
from rewards.models import Reward
from rewards.services import editing


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has rewards."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def page_of(reward: Reward) -> str:
    return reverse("admin:rewards_reward_change", args=[reward.pk])


def _reward_form(**fields: Any) -> dict[str, Any]:
    return {
        "name_en": "Tote bag",
        "name_ru": "Сумка",
        "description_en": "",
        "description_ru": "",
        "stock": "40",
        "redeemable_from_0": "",
        "redeemable_from_1": "",
        "redeemable_to_0": "",
        "redeemable_to_1": "",
        **fields,
    }


def test_a_reward_is_changed_in_the_catalog_and_in_what_an_export_says(root: Client) -> None:
    reward = Reward.objects.get(code="tote")
    form = _reward_form(
        name_ru="Сумка для покупок",
        stock="55",
        redeemable_to_0="2027-06-01",
        redeemable_to_1="00:00:00",
        points_price="1",
    )

    answer = root.post(page_of(reward), form)

    reward.refresh_from_db()
    section = next(
        row for row in Program.objects.get().document["rewards"] if row["code"] == "tote"
    )
    assert answer.status_code == 302
    assert reward.name == {"en": "Tote bag", "ru": "Сумка для покупок"}
    assert (reward.stock, reward.points_price) == (55, 200)
    assert section["name"] == reward.name
    assert section["redeemable_to"] == "2027-06-01T00:00:00+01:00"
    assert section["stock"] == 40


def test_saving_a_reward_does_not_put_back_what_was_redeemed_meanwhile(member: Member) -> None:
    reward = Reward.objects.get(code="tote")
    form = _FormShownBefore(_reward_form(name_en="Canvas bag"), reward)

    Reward.objects.filter(pk=reward.pk).update(stock=38)
    form.save()

    reward.refresh_from_db()
    assert (reward.name["en"], reward.stock) == ("Canvas bag", 38)


class _FormShownBefore:
    """A form that was read and checked when the reward had the stock that it states."""

    def __init__(self, posted: dict[str, Any], reward: Reward) -> None:
        posted["stock"] = str(reward.stock)
        self.form = RewardForm(posted, instance=reward)
        assert self.form.is_valid()

    def save(self) -> None:
        page = admin.site._registry[Reward]
        page.save_model(RequestFactory().post("/"), self.form.instance, self.form, change=True)


@pytest.mark.parametrize(
    ("_case", "fields"),
    [
        ("no name in any language", {"name_en": "", "name_ru": ""}),
        ("fewer than no pieces", {"stock": "-1"}),
        (
            "ends before it begins",
            {
                "redeemable_from_0": "2027-06-02",
                "redeemable_from_1": "00:00",
                "redeemable_to_0": "2027-06-01",
                "redeemable_to_1": "00:00",
            },
        ),
    ],
)
def test_a_reward_that_makes_no_sense_is_not_saved(
    root: Client, _case: str, fields: dict[str, str]
) -> None:
    reward = Reward.objects.get(code="tote")
    before = list(Reward.objects.order_by("pk").values())

    answer = root.post(page_of(reward), _reward_form(**fields))

    assert answer.status_code == 200
    assert list(Reward.objects.order_by("pk").values()) == before


def test_editing_refuses_what_only_the_program_file_changes(member: Member) -> None:
    reward = Reward.objects.get(code="tote")

    with pytest.raises(ValueError, match="points_price"):
        editing.edit_reward(
            reward_id=reward.pk, changes={"points_price": 1}, moment=reward.changed_at
        )


def test_editing_a_reward_waits_for_a_program_file_being_applied() -> None:
    assert editing.LOCK_KEY == program_service.LOCK_KEY
