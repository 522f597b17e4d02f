"""Where each form of the console and the portal lies, who may send it, and what has to be there for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient

from control_plane.model.run import EventType, RunState
from control_plane.workflow.process import myself
from tests.unit.web.test_isolation import OTHER
from tests.unit.web.test_isolation import OWN as MINE
from tests.web.world import BASE, World, send, token_of

SITE, PEOPLE, HOOKS = f"/portal/sites/{MINE}/{MINE}.qingdao.test", f"/portal/people/{MINE}", "/console/webhooks"


@dataclass
class Stand:
    """A world with something of everything, and who is in it."""

    world: World
    browsers: dict[str, FlaskClient]
    #: What was made last for a page: a number, or the digest of a plan.
    number: Any = 0
    asks: int = 0
    removed: dict[str, Any] = field(default_factory=dict)

    def of(self, role: str) -> Any:
        return self.world.client.acting_as("directory:" + self.world.person(role))

    def asked(self, *, submit: bool = True) -> str:
        """A fresh request of the clerk; what was open before is taken back."""
        client = self.of("clerk").requests
        for row in client.list():
            if row["tenant"] == MINE and "withdraw" in row["acts"]:
                client.withdraw(row["id"])
        self.world.client.emergencies.tick()
        self.asks += 1
        return self.world.ask(self.world.person("clerk"), MINE, f"asked-{self.asks}", submit=submit)


def nothing(stand: Stand) -> None:
    """The page has the form as it is."""


def drifted(stand: Stand) -> None:
    things = stand.world.drivers[0].things["dns:qingdao.test"]
    things.update(stand.removed)
    for name in [name for name in things if name.startswith(f"dns:{MINE}.qingdao.test/")]:
        stand.removed[name] = things.pop(name)
    who = stand.browsers["operator"]
    assert who.post("/console/drift", base_url=BASE, data={"token": token_of(who)}).status_code == 303


def planned(stand: Stand) -> None:
    drifted(stand)
    stand.number = stand.world.client.plan(f"tenant:{MINE}")["digest"]


def run_in(state: RunState) -> Callable[[Stand], None]:
    def make(stand: Stand) -> None:
        store, client = stand.world.store, stand.world.client
        stand.number = store.runs.create("apply", f"tenant:{MINE}", client.plan(f"tenant:{MINE}")["digest"],
                                         client.actor, myself())  # fmt: skip
        store.runs.append(stand.number, [(EventType.CONFIRMED, {"steps": 1})])
        store.runs.set_state(stand.number, state)

    return make


def undoable(stand: Stand) -> None:
    from control_plane.model.client_internet import Wish

    stand.world.client.internet.change(MINE, Wish(block=["a.example.test"], reason_zh="测试", reason_en="a test"))
    stand.number = stand.world.client.runs(limit=1)[0]["id"]


def emergency(stand: Stand) -> None:
    reference = stand.asked()
    row = stand.of("operator").requests.show(reference)
    made = stand.of("operator").emergencies.apply(row["id"], digest=row["digest"], reason="the line is cut")
    stand.number = made["emergency"] if "emergency" in made else stand.world.client.emergencies.list()[0]["id"]


def handed_in(stand: Stand) -> None:
    stand.number = int(stand.asked().rpartition("-")[2])


def drafted(stand: Stand) -> None:
    stand.number = int(stand.asked(submit=False).rpartition("-")[2])


def listed(stand: Stand) -> None:
    client = stand.of("clerk").requests
    handed_in(stand)
    client.withdraw(f"R-2026-{stand.number:04}")
    stand.number = int(client.draft(MINE, "directory", "change")["reference"].rpartition("-")[2])


def returned(stand: Stand) -> None:
    handed_in(stand)
    stand.of("security_officer").requests.send_back(f"R-2026-{stand.number:04}", reason="Which one?")


def free(stand: Stand) -> None:
    """Nothing is asked for."""
    stand.of("clerk").requests.withdraw(stand.asked())


def view(stand: Stand) -> None:
    send(stand.browsers["operator"], "/console/views", page="/console/tenants", name="mine", query="q=a")


def token(stand: Stand) -> None:
    stand.of("operator").tokens.create(name="mine", scopes=["tenants:read"])


def substitute(stand: Stand) -> None:
    world = stand.world
    world.directory.add("helper1", MINE)
    world.store.people.ensure("directory:helper1", "帮手", MINE, "directory:person/helper1")
    until = world.clock().date().isoformat().replace("-24", "-29")
    stand.of("approver").substitutes.name("helper1", "approver", tenant=MINE, until=until, reason="on leave")


def begun(stand: Stand) -> None:
    rolling(stand)
    order = {"kind": "patches", "snapshot": "p20261124-020000", "ignore_windows": "test", "reason": "test"}
    stand.number = stand.of("operator").rollouts.create(**order)["id"]
    stand.of("operator").rollouts.release(stand.number)


def hook(stand: Stand) -> None:
    for row in stand.of("operator").webhooks.list():
        stand.of("operator").webhooks.end(row["id"])
    made = stand.of("operator").webhooks.create(name="x", url="https://hooks.example.test/", families=["run"])
    stand.number = made["id"]


def given_up(stand: Stand) -> None:
    hook(stand)
    store = stand.world.store.webhooks
    one = store.get(stand.number)
    store.gather(one, {one.seen + 1: {"type": "run.ended"}}, one.seen + 1)
    store.settle(store.deliveries(stand.number)[0], "failed", status=500)


def reviewing(stand: Stand) -> None:
    """A quarter in which nothing was said yet."""
    world = stand.world
    stand.asks += 1
    due = datetime(2027, 1, 1, tzinfo=UTC)
    world.store.reviews.begin(world.client.tenant(MINE)["id"], f"{2027 + stand.asks}Q1", due)


def to_move(stand: Stand) -> None:
    reviewing(stand)
    uid = stand.world.client.reviews.show(MINE)["people"][0]["uid"]
    data = {"act": "rest", "once": f"review-{stand.asks:012}", f"what-{uid}": "moved", f"more-{uid}": OTHER}
    assert send(stand.browsers["clerk"], f"{PEOPLE}/review", **data).status_code == 303
    stand.number = next(row["id"] for row in stand.world.client.reviews.list() if row["moves"])


def sheet(stand: Stand) -> None:
    stand.asks += 1
    uid = next(row["uid"] for row in stand.world.client.accounts(MINE) if row["status"] == "active")
    send(stand.browsers["clerk"], PEOPLE, act="reset", uid=uid, reason="forgot it", once=f"sheet-{stand.asks:014}")


def decided(stand: Stand) -> None:
    """No table is proposed."""
    for row in [stand.world.client.classes.show()["proposal"]]:
        if row:
            stand.of("security_officer").classes.refuse(row["number"], reason="no")


def proposed(stand: Stand) -> None:
    decided(stand)
    stand.asks += 1
    table = {**stand.world.client.classes.show()["table"], "most_tenants": 9 + stand.asks}
    stand.of("operator").classes.propose(table, reason="so that there is a proposal")


def leaving(stand: Stand) -> None:
    stand.browsers["leaver"] = stand.world.enter(stand.world.person("deputy_director"))


def rolling(stand: Stand) -> None:
    client = stand.of("operator").rollouts
    for row in client.list():
        if row["state"] not in ("done", "aborted"):
            client.abort(row["id"], reason="test")


def stage(name: str) -> Callable[[Stand], None]:
    """Somebody who is half in."""

    def make(stand: Stand) -> None:
        world = stand.world
        if name == "code":
            stand.browsers[name] = world.enter(world.person("operator"), until="code")
        else:
            stand.browsers[name] = world.browser()

    return make


@dataclass(frozen=True)
class Place:
    """Where a form lies: whose browser, which pages (`{n}`: what `before` made), and what has to be there for it."""

    role: str
    pages: tuple[str, ...]
    before: Callable[[Stand], None] = nothing


def at(role: str, *pages: str, before: Callable[[Stand], None] = nothing) -> Place:
    return Place(role, pages, before)


REQUEST = "/portal/requests/R-2026-{n:04}"
HERE = "/console/tenants/<code>/people"
PLACES: dict[str, Place] = {
    "/sign-in/code": at("code", "/sign-in/code", before=stage("code")),
    "/sign-in/password": at("finance", "/sign-in/password"),
    "/sign-in/second-factor": at("clerk", "/sign-in/second-factor"),
    "/language": at("operator", "/console/"),
    "/console/me": at("operator", "/console/me"),
    "/console/me/tokens": at("operator", "/console/me/tokens"),
    "/console/me/tokens/end": at("operator", "/console/me/tokens", before=token),
    "/console/views": at("operator", "/console/tenants?q=a"),
    "/console/views/end": at("operator", "/console/tenants", before=view),
    "/console/tenants/<code>/restore": at("operator", f"/console/tenants/{MINE}"),
    HERE: at("operator", f"/console/tenants/{MINE}/people"),
    f"{HERE}/groups": at("operator", f"/console/tenants/{MINE}/people/groups"),
    f"{HERE}/groups/<group>": at("operator", f"/console/tenants/{MINE}/people/groups/all"),
    "/console/accounts/new": at("operator", f"/console/accounts/new?tenant={MINE}"),
    "/console/accounts/import": at("operator", "/console/accounts/import"),
    "/console/probes": at("operator", "/console/probes"),
    "/console/runs/<int:number>/stop": at("operator", "/console/runs/{n}", before=run_in(RunState.RUNNING)),
    "/console/runs/<int:number>/resume": at("operator", "/console/runs/{n}", before=run_in(RunState.INTERRUPTED)),
    "/console/runs/<int:number>/undo": at("operator", "/console/runs/{n}", before=undoable),
    "/console/plans": at("operator", "/console/plans"),
    "/console/plans/<digest>/apply": at("operator", "/console/plans/{n}", before=planned),
    "/console/drift": at("operator", "/console/drift"),
    "/console/drift/answer": at("operator", "/console/drift", before=drifted),
    "/console/try": at("operator", "/console/try"),
    "/portal/sites/<code>/<site>": at("clerk", SITE),
    "/portal/sites/<code>/<site>/notices": at("clerk", f"{SITE}/notices", f"{SITE}/notices/new"),
    "/portal/sites/<code>/<site>/notices/<int:number>": at("clerk", f"{SITE}/notices/1"),
    "/portal/people/<code>": at("clerk", PEOPLE),
    "/portal/people/<code>/sheets/<int:number>": at("clerk", PEOPLE, before=sheet),
    "/portal/people/<code>/groups": at("clerk", f"{PEOPLE}/groups"),
    "/portal/people/<code>/groups/<group>": at("clerk", f"{PEOPLE}/groups/all", f"{PEOPLE}/groups/approvers"),
    "/portal/people/<code>/review": at("clerk", f"{PEOPLE}/review", before=reviewing),
    "/console/reviews/<int:number>/move": at("operator", "/console/reviews", before=to_move),
    "/portal/internet/<code>": at("clerk", f"/portal/internet/{MINE}"),
    "/portal/requests": at(
        "clerk", "/portal/catalogue/public_site", f"/portal/services/{MINE}/public_site", before=free
    ),
    "/portal/requests/<reference>": at("clerk", REQUEST, before=returned),
    "/portal/requests/<reference>/form/<step>": at(
        "clerk", *(f"{REQUEST}/form/{step}" for step in ("sites", "sites-1-names", "tier", "reason")), before=drafted
    ),
    "/portal/requests/<reference>/check": at("clerk", f"{REQUEST}/check", before=drafted),
    "/portal/requests/<reference>/many/<part>": at("clerk", f"{REQUEST}/many/people", before=listed),
    "/portal/requests/<reference>/files": at("clerk", f"{REQUEST}/check", before=drafted),
    "/console/requests/<reference>": at("approver", "/console/requests/R-2026-{n:04}", before=handed_in),
    "/console/requests/<reference>/letter": at("operator", "/console/requests/R-2026-{n:04}", before=handed_in),
    "/console/requests/<reference>/emergency": at("operator", "/console/requests/R-2026-{n:04}", before=handed_in),
    "/console/emergencies/<int:number>/review": at("security_officer", "/console/emergencies", before=emergency),
    "/console/rollouts/new": at("operator", "/console/rollouts/new"),
    "/console/rollouts/<int:number>": at("operator", "/console/rollouts/{n}", before=begun),
    "/console/rollouts/<int:number>/pause": at("security_officer", "/console/rollouts/{n}", before=begun),
    "/console/hosts": at("operator", "/console/hosts", f"/console/hosts/{MINE}", f"/console/hosts/{OTHER}",
                         "/console/hosts/czj"),
    "/console/security": at("security_officer", "/console/security"),
    HOOKS: at("operator", HOOKS),
    f"{HOOKS}/<int:number>/rotate": at("operator", HOOKS, before=hook),
    f"{HOOKS}/<int:number>/end": at("operator", HOOKS, before=hook),
    f"{HOOKS}/deliveries/<int:number>/resend": at("operator", HOOKS, before=given_up),
    "/console/internet": at("operator", f"/console/internet/{MINE}"),
    "/console/policies/<int:number>": at("operator", "/console/policies/0", "/console/policies/1"),
    "/console/policies/new": at("operator", "/console/policies/new", before=rolling),
    "/console/freezes": at("operator", "/console/freezes", "/console/"),
    "/console/freezes/<int:number>/lift": at("security_officer", "/console/freezes"),
    "/console/people": at("security_officer", "/console/people", "/console/people/clerk1"),
    "/console/snapshots": at("operator", "/console/snapshots"),
    "/console/classes": at("operator", "/console/classes", before=decided),
    "/console/classes/<int:number>": at("security_officer", "/console/classes", before=proposed),
    "/console/substitutes": at("approver", "/console/substitutes"),
    "/console/substitutes/<int:number>/end": at("approver", "/console/substitutes", before=substitute),
    "/sign-out": at("leaver", "/console/me", before=leaving),
    "/sign-in": at("visitor", "/sign-in", before=stage("visitor")),
}  # fmt: skip
