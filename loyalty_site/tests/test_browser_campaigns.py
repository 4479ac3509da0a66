"""Staff start campaigns from templates in Chromium, by clicking and without any JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from campaigns.campaign_templates import TEMPLATES
from campaigns.models import Campaign, CampaignPolicy
from campaigns.services import drafts
from loyalty_site.tests import staffed
from members.models import Program

pytestmark = pytest.mark.browser


@pytest.fixture
def page(live_site: str, chromium: Browser) -> Iterator[Page]:
    """Open the admin of a living shop for one of its staff."""
    staffed.open_shop()
    CampaignPolicy.objects.create(program=Program.objects.get(), budget_points_alone=10**9)
    clerk = staffed.staff(
        *("view_campaign", "view_campaigndraft", "add_campaigndraft", "change_campaigndraft")
    )
    session = staffed.browser_of(clerk).cookies["sessionid"].value
    context = chromium.new_context(base_url=live_site, reduced_motion="reduce")
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_site}])
    yield context.new_page()
    context.close()


def test_every_template_is_started_by_clicking(page: Page) -> None:
    for template in TEMPLATES:
        page.goto("/admin/campaigns/campaign/")
        page.click("text=Start a campaign from a template")
        page.click(f"a[href$='/start-campaign/{template.code}/']")
        if "coupon" in template.fields:
            page.fill("[name=coupon]", "SPRING")
        page.click("text=Look at it")
        expect(page.locator("#preview li").first).to_be_visible()
        expect(page.locator("#preview")).to_contain_text("The budget is")
        page.click("button[name=start]")
        expect(page.locator("body")).to_contain_text("Started: it gives points within its dates.")

    live = [each["status"] for each in drafts.live()["campaigns"]]
    begun = Campaign.objects.filter(status="scheduled", versions__draft__isnull=False)
    assert live == ["active"] * (len(TEMPLATES) + 1)
    assert begun.count() == len(TEMPLATES)


def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(page: Page) -> None:
    page.goto("/admin/start-campaign/win-back/")
    page.fill("[name=name]", "Come back")
    page.fill("[name=more_days]", "30")

    page.click("button[name=start]")

    expect(page.locator("[role=alert]")).to_have_text("The longer silence is longer.")
    expect(page.locator("[name=name]")).to_have_value("Come back")
    assert not Campaign.objects.filter(name__en="Come back").exists()


def test_a_campaign_is_paused_and_resumed_by_its_buttons(page: Page) -> None:
    page.goto("/admin/start-campaign/double-points/")
    page.click("button[name=start]")
    found = []

    for step in ("pause", "resume"):
        page.fill("[name=note]", f"{step} it")
        page.click(f"button[value={step}]")
        expect(page.locator("body")).to_contain_text(f"{step} it")
        found.append(Campaign.objects.get(code="double-points").status)

    assert found == ["paused", "scheduled"]
