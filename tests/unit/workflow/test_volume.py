"""Marks of the month's volume: told once each, to the department and to operators, whatever happens to the worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.model.errors import TemporaryError
from control_plane.model.tenant import Contact
from control_plane.model.text import in_language, t
from control_plane.model.volume import marks, month_end, rate_words, volume_words, what_next
from control_plane.workflow.volume import VolumeTeller
from tests.unit.workflow.test_mail import Room, text

GIB = 2**30
AT = {"warned": "2026-11-20T09:00:00+08:00", "throttled": "2026-11-21T16:30:00+08:00"}
LIMITS = {"month_octets": 50 * GIB, "warn_percent": 80, "throttle_kbit": 1000}


def used(*reached: str, month: str = "2026-11", closed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What the gateway says of one tenant."""
    since = {mark: AT[mark] if mark in reached else None for mark in AT}
    return {"month": month, "up": 1, "down": 2, "closed": closed or {}, **since, **LIMITS, **more}


class Gateway:
    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.away = False

    def __call__(self) -> dict[str, Any]:
        if self.away:
            raise TemporaryError(t("No route to host"))
        return self.rows


class Volumes(Room):
    """A mail room that also hears of volumes."""

    def __init__(self, centre: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(centre, monkeypatch)
        self.gateway = Gateway()
        self.teller = VolumeTeller(self.store, self.gateway)
        people = (("丁", "ding", "liaison"), ("乙", "yi", "technical"))
        contacts = tuple(Contact(name=name, email=f"{uid}@qingdao.test", role=role) for name, uid, role in people)
        document = self.centre.document("fgw").model_copy(update={"contacts": contacts})
        self.store.estate.put_tenants(self.centre.actor, "test", [document])

    def told(self, **rows: dict[str, Any]) -> list[str]:
        """What is told when the gateway says this."""
        self.gateway.rows = rows
        return self.teller.tick()


@pytest.fixture
def room(centre: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Volumes]:
    with in_language("en"):
        yield Volumes(centre, monkeypatch)


def test_nobody_hears_of_what_is_not_reached(room: Volumes) -> None:
    assert room.told(fgw=used(), nobody=used("throttled")) == []
    assert room.later() == []


def test_eighty_and_a_hundred_are_told_once_to_the_department_and_operators(room: Volumes) -> None:
    assert len(room.told(fgw=used("warned"))) == 1
    mails = {m["To"].addresses[0].addr_spec: m for m in room.later()}
    assert set(mails) == {f"{name}@qingdao.test" for name in ("ding", "clerk", "chief", "both", "operator", "ops")}
    said = text(mails["ding@qingdao.test"])
    assert "80 %" in mails["ding@qingdao.test"]["Subject"]
    for words in ("50 GiB", "2026-11-20 09:00", "1 Mbit/s", "2026-12-01 00:00", "不断网", "变更此服务"):
        assert words in said, words
    assert room.told(fgw=used("warned")) == []
    assert len(room.told(fgw=used("warned", "throttled"))) == 1
    (again,) = [m for m in room.later() if m["To"].addresses[0].addr_spec == "ding@qingdao.test"]
    assert "已用完" in again["Subject"]
    assert "2026-11-21 16:30" in text(again)
    assert room.told(fgw=used("warned", "throttled")) == []
    assert room.later() == []


def test_in_the_readers_language(room: Volumes) -> None:
    room.store.people.prefer(room.store.people.find("directory:chief").key, "en", "auto")
    room.told(fgw=used("warned", "throttled"))
    room.later()
    (mail,) = room.host.to("chief@qingdao.test")
    names = next(row.names for row in room.store.estate.tenants() if row.code == "fgw")
    for words in (f"{names.en}: 80 %", "is used up", "slowed to 1 Mbit/s until 2026-12-01 00:00", "a larger tier"):
        assert words in " ".join(text(mail).split()), words
    assert names.zh in text(room.host.to("ding@qingdao.test")[0])


def test_killed_between_two_notices_the_rest_is_told_and_nothing_twice(
    room: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify, seen = room.store.mail.notify, []

    def killed(notice: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(notice.key)
        notify(notice)

    with monkeypatch.context() as patch:
        patch.setattr(room.store.mail, "notify", killed)
        with pytest.raises(KeyboardInterrupt):
            room.told(fgw=used("warned", "throttled"))
    assert len(seen) == 1
    (rest,) = room.teller.tick()
    assert rest not in seen
    room.later()
    (mail,) = room.host.to("ding@qingdao.test")
    assert "80 %" in text(mail) and "已用完" in text(mail)


def test_a_worker_that_was_away_when_the_month_ended_still_tells(room: Volumes) -> None:
    ended = {**used("warned", "throttled"), "month": None}
    old = {"2026-09": {"up": 1, "down": 2}, "2026-10": {"up": 1, "down": 2}}
    (one, two) = room.told(fgw=used(month="2026-12", closed={**old, "2026-11": ended}))
    assert "2026-11" in one and "2026-11" in two
    room.later()
    assert "2026-12-01 00:00" in text(room.host.to("ding@qingdao.test")[0])
    (next_month,) = room.told(fgw=used("warned", month="2026-12", closed={"2026-11": ended}))
    assert "2026-12" in next_month, "each month anew"


def test_a_larger_volume_has_marks_of_its_own(room: Volumes) -> None:
    assert len(room.told(fgw=used("warned", "throttled"))) == 2
    assert room.told(fgw=used(month_octets=200 * GIB)) == []
    assert len(room.told(fgw=used("warned", month_octets=200 * GIB))) == 1
    assert room.told(fgw=used("warned", "throttled")) == [], "the smaller one was told of before"


def test_a_gateway_that_says_nothing_is_no_zero(room: Volumes) -> None:
    room.gateway.away = True
    with pytest.raises(TemporaryError):
        room.teller.tick()
    room.gateway.away = False
    assert len(room.told(fgw=used("warned"))) == 1


def test_words_and_ends_of_months() -> None:
    assert [volume_words(n) for n in (7, 1536, 20 * 2**20, 50 * GIB, 1000 * GIB, 3 * GIB // 2)] == [
        "7 B", "1.5 KiB", "20 MiB", "50 GiB", "1,000 GiB", "1.5 GiB",
    ]  # fmt: skip
    assert [rate_words(n) for n in (1000, 64, 1500)] == ["1 Mbit/s", "0.064 Mbit/s", "1.5 Mbit/s"]
    assert month_end("2026-12").isoformat() == "2027-01-01T00:00:00+08:00"
    assert month_end("2026-02").isoformat() == "2026-03-01T00:00:00+08:00"
    assert list(marks(used("warned", "throttled", month_octets=0))) == [], "no limit, no mark"


def test_what_comes_next_is_said_from_the_first_mark_on() -> None:
    row = {"until": "2026-12-01T00:00:00+08:00", "rates": {"throttle_kbit": 1000}, "warn_percent": 80,
           "warned_at": AT["warned"], "throttled_at": AT["throttled"]}  # fmt: skip
    with in_language("en"):
        assert what_next({**row, "state": "on"}) is None
        assert what_next({**row, "state": "unmeasured", "until": None}) is None
        warned = str(what_next({**row, "state": "warned", "throttled_at": None}))
        assert "When all of it is, both directions are slowed to 1 Mbit/s, never cut, until 2026-12-01 00:00" in warned
        slowed = str(what_next({**row, "state": "throttled"}))
        assert "used up on 2026-11-21 16:30. Both directions are slowed" in slowed


def test_that_a_line_is_slower_is_said_only_when_the_gateway_slows_it() -> None:
    row = {"until": "2026-12-01T00:00:00+08:00", "rates": {"throttle_kbit": 1000}, "warn_percent": 80,
           "warned_at": AT["warned"], "throttled_at": AT["throttled"]}  # fmt: skip
    with in_language("en"):
        not_yet = str(what_next({**row, "state": "warned"}))
        assert "used up on 2026-11-21 16:30. At the gateway's next look, within 5 s, both" in not_yet
        again = str(what_next({**row, "state": "throttled", "warned_at": None, "throttled_at": None}))
        assert again.startswith("There is volume again. Both directions are still slowed to 1 Mbit/s")
