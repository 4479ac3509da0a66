"""One code and many members at once, with real commits."""

from __future__ import annotations

import pytest

from campaigns.models import EarningCode, Event
from campaigns.services import codes
from campaigns.services.codes import BatchSpec, CodeNotFound
from campaigns.tests.shop import NOON, apply, differences, join, program_file
from campaigns.tests.test_intake_together import together
from members.models import Member, User

FIXED = {"kind": "earn_fixed", "currency": "points", "points": 25}
LID = {"code": "lids", "trigger": "event:code", "effects": [FIXED]}
MEMBERS = 8


def _all_at_once(members: list[Member], code: str) -> list[int]:
    """Let every member redeem the code at the same moment; return what each was given."""

    def press(number: int) -> int:
        try:
            answer = codes.redeem(member=members[number], code=code, actor="test", moment=NOON)
        except CodeNotFound:
            return 0
        points: int = answer.body["points"]["granted"]
        return points

    return sorted(together(len(members), press))


def _code() -> str:
    user = User.objects.create(email="staff@example.com")
    spec = BatchSpec(code="lids", name="Lids", count=1)
    (code,) = codes.make(spec=spec, user=user, moment=NOON)[1]
    return code


@pytest.mark.usefixtures("committed_database")
def test_of_members_who_try_one_code_at_once_one_succeeds() -> None:
    apply(program_file(rules=[LID]))
    members = [join(f"601100000{number}") for number in range(MEMBERS)]

    given = _all_at_once(members, _code())

    assert given == [0] * (MEMBERS - 1) + [25]
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_one_member_who_presses_many_times_at_once_is_given_it_once() -> None:
    apply(program_file(rules=[LID]))
    member = join()

    given = _all_at_once([member] * MEMBERS, _code())

    assert given == [25] * MEMBERS
    assert Event.objects.count() == EarningCode.objects.filter(event__isnull=False).count() == 1
    assert differences() == []
