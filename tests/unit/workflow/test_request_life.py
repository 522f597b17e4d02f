"""The life of a request under Hypothesis: whoever does whatever in any order, nothing is half done, no duty broken.

People draft, save, submit, sign, ask back, refuse, withdraw; documents are imported in between; systems refuse and stop
answering; the worker turns. In the end every fault is lifted and nothing is left under way.
"""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from control_plane.model.emergency import Early
from control_plane.model.errors import ControlPlaneError
from control_plane.model.request import FINAL, MOVING, RequestEvent, RequestState
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow.request_tick import KEPT_SECONDS
from tests.databases import sqlite_only
from tests.unit.workflow.asking import PEOPLE, Office

WHO = st.sampled_from([*PEOPLE, "local:desk", "local:night"])
TENANTS = st.sampled_from(["fgw", "gaj"])
WORDS = st.sampled_from(["", "why?", "=1+1", "<b>{x}</b>", "\n%s", "中文"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "names": st.lists(st.sampled_from(["a", "b", "open"]), max_size=2, unique=True) | st.just(3),
        "people": st.lists(st.sampled_from(["p", "q"]), max_size=2, unique=True),
        "internet": st.booleans(),
        "fail": st.booleans(),
        "colour": st.just("red"),
    },
)


def first_early(store: Any, number: int) -> Any:
    """When the request was first made real ahead of its signatures; the end of time if it never was."""
    return min((one.at for one in store.emergencies.of_request(number)), default=datetime.max.replace(tzinfo=UTC))


def life(make: Any) -> type[RuleBasedStateMachine]:
    class Life(RuleBasedStateMachine):
        requests = Bundle("requests")

        def __init__(self) -> None:
            super().__init__()
            self.office: Office = make()

        def tried(self, act: Any) -> Any:
            """Refusals of the product are fine; anything else is not."""
            try:
                return act()
            except ControlPlaneError:
                return None

        @rule(target=requests, who=WHO, tenant=TENANTS, action=st.sampled_from(["new", "change", "end", "x"]))
        def draft(self, who: str, tenant: str, action: str) -> int:
            made = self.tried(lambda: self.office.of(who).draft(tenant, "toy", action))
            return made["id"] if made else 1

        @rule(number=requests, who=WHO, spec=SPECS, tier=st.sampled_from(["S", "M", "L", None]), note=WORDS)
        def save(self, number: int, who: str, spec: Any, tier: Any, note: str) -> None:
            self.tried(lambda: self.office.of(who).save(number, spec=spec, tier=tier, note=note))

        @rule(number=requests, who=WHO)
        def submit(self, number: int, who: str) -> None:
            self.tried(lambda: self.office.of(who).submit(number))

        @rule(tenant=TENANTS, names=st.lists(st.sampled_from(["a", "b", "open"]), min_size=1, max_size=2, unique=True))
        def ask_and_sign(self, tenant: str, names: Any) -> None:
            clerk, chief = ("clerk", "chief") if tenant == "fgw" else ("clerk2", "chief2")
            made = self.tried(lambda: self.office.ask(clerk, tenant, names=names))
            for who in (chief, "operator", "officer", "deputy") if made else ():
                self.tried(lambda who=who: self.office.sign(who, made))

        @rule(number=requests, who=WHO, note=WORDS)
        def sign(self, number: int, who: str, note: str) -> None:
            self.tried(lambda: self.office.sign(who, {"id": number}, note=note, reason="drill"))

        @rule(number=requests, who=WHO, text=WORDS, act=st.sampled_from(["send_back", "refuse", "withdraw"]))
        def decide(self, number: int, who: str, text: str, act: str) -> None:
            self.tried(lambda: getattr(self.office.of(who), act)(number, reason=text))

        @rule(number=requests, who=WHO, text=WORDS, act=st.sampled_from(["answer", "comment"]))
        def speak(self, number: int, who: str, text: str, act: str) -> None:
            self.tried(lambda: getattr(self.office.of(who), act)(number, text=text))

        @rule(number=requests, who=WHO)
        def retry(self, number: int, who: str) -> None:
            self.tried(lambda: self.office.of(who).retry(number))

        @rule(number=requests, who=WHO)
        def letter(self, number: int, who: str) -> None:
            requests = self.office.of(who)
            given = {"number": "14", "date": "2020-01-02", "brought_by": "Li"}
            self.tried(lambda: requests.letter(number, digest=requests.show(number)["digest"] or "", **given))

        @rule(who=WHO, person=WHO, holder=WHO, role=st.sampled_from(["approver", "operator", "security_officer"]))
        def substitute(self, who: str, person: str, holder: str, role: str) -> None:
            until = self.office.centre.clock().date().isoformat()
            tenant = "fgw" if role == "approver" else None
            desk = self.office.substitutes(who)
            given = {"tenant": tenant, "until": until, "reason": "away", "stands_for": holder}
            self.tried(lambda: desk.name(person, role, **given))

        @rule(who=WHO, second=WHO, role=st.sampled_from(["operator", "security_officer"]))
        def table(self, who: str, second: str, role: str) -> None:
            classes = self.office.classes(who)
            body = classes.show()["table"]
            body["lines"]["otherwise"]["signs"] = ["approver", role]
            made = self.tried(lambda: classes.propose(body, reason="test"))
            if made is not None:
                signed = self.tried(
                    lambda: self.office.classes(second).sign(made["number"], digest=made["digest"], reason="drill")
                )
                if signed is None:
                    classes.refuse(made["number"], reason="over")

        @rule(number=requests, who=WHO)
        def emergency(self, number: int, who: str) -> None:
            digest = self.tried(lambda: self.office.of("local:look").show(number)["digest"]) or ""
            self.tried(lambda: self.office.emergencies(who).apply(number, digest=digest, reason="the line is cut"))

        @rule(tenant=TENANTS, spec=st.none() | st.just({"names": ["c"]}) | st.just({"people": ["p"]}))
        def import_(self, tenant: str, spec: Any) -> None:
            centre = self.office.centre
            change = SubscriptionChange(tenant, "toy", "S", spec)
            self.tried(lambda: centre.store.estate.change(centre.actor, "import 9", [change], {(tenant, "toy"): []}))

        @rule(fault=st.sampled_from(["refuse", "blind", "promise", "none"]))
        def break_(self, fault: str) -> None:
            office = self.office
            office.prober.broken = {"fgw"} if fault == "promise" else set()
            office.centre.web.refuse = {"web.vhost/a": t("no")} if fault == "refuse" else {}
            office.centre.dns.blind = {"dns:qingdao.test": t("silence")} if fault == "blind" else {}

        @rule(seconds=st.sampled_from([1, 60, 90_000]))
        def wait(self, seconds: int) -> None:
            self.office.centre.clock.advance(seconds)

        @rule()
        def turn(self) -> None:
            self.office.ticker.tick()
            self.office.emergencies("local:worker").tick()

        @invariant()
        def duties_hold(self) -> None:
            store = self.office.centre.store
            approved = set()
            for request in store.requests.list():
                holding = request.holding
                assert request.asker.key not in {s.actor.key for s in request.signoffs}
                assert len({s.actor.key for s in holding}) == len(holding)
                early = store.emergencies.early().get(request.id, Early()).keys
                hands = [key for s in holding for key in s.keys]
                assert len(hands) == len(set(hands)), "nobody signs twice, through a substitute neither"
                assert request.asker.key not in hands
                assert not {s.actor.key for s in holding if s.at > first_early(store, request.id)} & early
                assert len({s.role for s in holding}) == len(holding)
                records = store.requests.events(request.id)
                assert [r.number for r in records] == list(range(1, len(records) + 1))
                if RequestEvent.APPROVED in {r.type for r in records}:
                    approved.add(f"request {request.id}")
                if request.state in MOVING | {RequestState.LIVE}:
                    assert not request.missing
                assert (request.finished_at is not None) == (request.state in FINAL)
                self.office.of("local:look").list()
            for code in ("fgw", "gaj"):
                for revision in store.estate.revisions(f"{code}/toy"):
                    early_one = revision.cause.removeprefix("end of ").startswith("emergency ")
                    assert early_one or revision.cause == "import 9" or revision.cause in approved, revision.cause

        def teardown(self) -> None:
            self.break_("none")
            for _ in range(4):
                self.office.ticker.tick()
                self.office.centre.clock.advance(KEPT_SECONDS + 1)
            store = self.office.centre.store
            for _ in range(3):
                self.office.centre.clock.advance(90_000)
                self.office.emergencies("local:worker").tick()
            for one in store.emergencies.moving():  # its request is approved and failed: a person has to act
                assert store.requests.get(one.request).state is RequestState.FAILED, one
            assert store.requests.list(states=MOVING) == []
            assert all(row.state != "running" for row in store.runs.list(1000))
            store.close()

    return Life


@sqlite_only
def test_any_life_of_a_request(make_centre: Any, tmp_path: Path) -> None:
    first = Office(make_centre())
    first.centre.store.close()
    number = itertools.count()

    def make() -> Office:
        copy = tmp_path / f"life-{next(number)}"
        copy.mkdir()
        shutil.copy(tmp_path / "gasp.db", copy / "gasp.db")
        return Office(make_centre(folder=copy))

    run_state_machine_as_test(
        life(make),
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
