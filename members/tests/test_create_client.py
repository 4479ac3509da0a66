"""Letting a client call the API."""

from __future__ import annotations

import json

import pytest
from allauth.idp.oidc.models import Client
from django.core.management import CommandError, call_command

from members.models import ApiClient


@pytest.mark.django_db
def test_the_id_and_the_secret_are_printed_once_and_only_a_hash_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("create_client", "Till 3", "--scope", "members:read", "purchases:write", "--json")

    made = json.loads(capsys.readouterr().out)
    client = Client.objects.get(pk=made["client_id"])
    assert made.keys() == {"client_id", "client_secret"}
    assert client.secret != made["client_secret"]
    assert client.check_secret(made["client_secret"])
    assert client.get_scopes() == ["members:read", "purchases:write"]
    assert client.get_default_scopes() == ["members:read", "purchases:write"]
    assert client.get_grant_types() == ["client_credentials"]
    assert ApiClient.objects.get(client=client).name == "Till 3"


@pytest.mark.django_db
def test_without_json_the_secret_stands_in_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("create_client", "Till", "--scope", "members:read", "--scope", "events:write")

    lines = capsys.readouterr().out.splitlines()
    client = Client.objects.get()
    assert lines[0] == f"client_id: {client.pk}"
    assert client.check_secret(lines[1].removeprefix("client_secret: "))
    assert client.get_scopes() == ["members:read", "events:write"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("_case", "arguments", "words"),
    [
        ("an unknown scope", ["Till", "--scope", "members:all"], "Unknown scope: members:all"),
        ("no scope", ["Till"], "--scope"),
        ("no name", [" ", "--scope", "members:read"], "name"),
    ],
)
def test_a_wrong_call_makes_no_client(_case: str, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("create_client", *arguments)

    assert Client.objects.exists() is False
