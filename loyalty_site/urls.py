"""The addresses of the site."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.i18n import set_language

from campaigns import api_urls as campaigns_api
from loyalty_site import views_health, views_problems
from loyalty_site.admin.clearing import clearing_page
from loyalty_site.admin.coupons import coupons_page
from loyalty_site.admin.liability import liability_page
from loyalty_site.admin.partnering import partner_file
from loyalty_site.admin.starting import start_page, templates_page
from loyalty_site.admin.tier_economics import tier_economics_page
from loyalty_site.admin.trying import basket_page, draft_page
from loyalty_site.admin.waiting import waiting_page
from loyalty_site.views import (
    clicks,
    earn,
    member,
    missing,
    pools,
    profile,
    proofs,
    public,
    rewards,
    transfers,
)
from loyalty_site.views_schema import SchemaView, docs
from members import api_urls as members_api
from rewards import api_urls as rewards_api

admin.autodiscover()
# Staff log in as everyone does, so that rate limits and second factors hold for them too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler400 = "loyalty_site.views_problems.bad_request"
handler403 = "loyalty_site.views_problems.permission_denied"
handler404 = "loyalty_site.views_problems.page_not_found"
handler500 = "loyalty_site.views_problems.server_error"

api_patterns = [
    *campaigns_api.urlpatterns,
    *members_api.urlpatterns,
    *rewards_api.urlpatterns,
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", docs, name="docs"),
]

page_patterns = [
    path("", public.index, name="index"),
    path("how-it-works", public.how_it_works, name="how_it_works"),
    path("program/changes", public.changes, name="changes"),
    path("go/<str:token>", clicks.click_page, name="click"),
    path("manifest.webmanifest", public.manifest, name="manifest"),
    path("home", member.home_page, name="home"),
    path("activity", member.activity, name="activity"),
    path("activity/<uuid:public_id>/why", member.activity_why, name="activity_why"),
    path("activity/<uuid:public_id>/proof", proofs.proof_file, name="proof_file"),
    path("checkpoints/latest", proofs.latest_checkpoint, name="latest_checkpoint"),
    path("checkpoints/<int:tree_size>", proofs.checkpoint, name="checkpoint"),
    path("checkpoints/keys", proofs.keys, name="checkpoint_keys"),
    path("earn", earn.earn_page, name="earn"),
    path("surveys/<slug:code>", earn.survey_page, name="survey"),
    path("card", member.card, name="card"),
    path("profile", profile.profile_page, name="profile"),
    path("profile/export/<uuid:public_id>", profile.export_file, name="export_file"),
    path("transfers", transfers.transfers_page, name="transfers"),
    path("missing-points", missing.missing_page, name="missing"),
    path("pool", pools.pool_page, name="pool"),
    path("messages/<uuid:public_id>/read", member.message_read, name="message_read"),
    path("rewards", rewards.rewards, name="rewards"),
    path("rewards/<slug:code>/redeem", rewards.reward_redeem, name="reward_redeem"),
    path("codes", rewards.codes_page, name="codes"),
    path("codes/<uuid:public_id>", rewards.redemption, name="redemption"),
]

# What is asked for most comes first: every address is compared in this order.
urlpatterns = [
    path("api/v1/", include(api_patterns)),
    re_path(r"^api/(?P<path>.*)$", views_problems.api_not_found),
    *page_patterns,
    path("healthz", views_health.healthz, name="healthz"),
    path("readyz", views_health.readyz, name="readyz"),
    path("language", set_language, name="set_language"),
    path("admin/start-campaign/", admin.site.admin_view(templates_page), name="campaign_templates"),
    path(
        "admin/start-campaign/<slug:code>/",
        admin.site.admin_view(start_page),
        name="campaign_start",
    ),
    path("admin/clearing/", admin.site.admin_view(clearing_page), name="clearing"),
    path("admin/waiting/", admin.site.admin_view(waiting_page), name="waiting"),
    path("admin/coupons/", admin.site.admin_view(coupons_page), name="coupons"),
    path("admin/tiers/", admin.site.admin_view(tier_economics_page), name="tier_economics"),
    path("admin/try/", admin.site.admin_view(basket_page), name="try_basket"),
    path("admin/try/<int:pk>/", admin.site.admin_view(draft_page), name="try_draft"),
    path("admin/liability/", admin.site.admin_view(liability_page), name="liability"),
    path("admin/partner-file/", admin.site.admin_view(partner_file), name="partner_file"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("", include("allauth.idp.urls")),
    path("problems/<str:code>", views_problems.problem, name="problem"),
]
