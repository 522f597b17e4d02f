"""Every method of the client that changes something leaves an entry in the audit trail.

The protocols are the list: a new method fails here until it is among those that only look, or has an exercise below.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from control_plane import model
from control_plane.model.client import Client
from control_plane.model.client_internet import Wish
from control_plane.model.errors import ControlPlaneError
from control_plane.model.notice import Address, Notice, NoticeKind
from control_plane.model.people import Session, Stage
from control_plane.model.resource import Observed
from control_plane.model.rollout import ACTS, RolloutState
from control_plane.model.run import RunState
from control_plane.model.text import in_language
from tests.web.world import PASSWORD, SMALL, World, make_world

WHO = "directory:auditor9"
_names = itertools.count(1)
#: Methods that change nothing but what was looked at, by area.
LOOKS = {
    "restores": "plan",
    "": "plan get_plan runs run run_events undo_run drift explain stamp status doctor hosts accounts probes run_probes "
    "room at_work tenants tenant subscription preview_import export_tenants diff_tenants preview_offboard sites "
    "infected_sites rehearse "
    "releases config database",
    "machines": "rows show preview_import preview_enrol preview_retire preview_give_up preview_transfer preview_mend "
    "security findings",
    "record": "collect status searches register preview_register preview_purge verify holds",
    "people": "list show sign_ins",
    "snapshots": "all show estimate media medium preview_take preview_publish",
    "internet": "list show pac sheet preview refusals excepted",
    "policies": "list show preview",
    "rollouts": "preview ready list show events rehearse",
    "freezes": "list",
    "worker": "status",
    "by_itself": "status failed",
    "audit": "list trail export verify",
    "requests": "catalogue list show events check validate preview blocks check_rows",
    "mail": "list",
    "posts": "list file",
    "attachments": "list fetch",
    "jobs": "show list of_run",
    "substitutes": "list mine staffing",
    "classes": "show history",
    "emergencies": "list",
    "tokens": "list scopes",
    "staff": "show check joining wished",
    "sheets": "list",
    "groups": "list show preview wished",
    "reviews": "list show",
    "persons": "find",
    "webhooks": "list deliveries families targets",
    "views": "list",
}
#: Whose exercise needs a real archive of lines: they are in `tests/unit/record`, and end with `audited`.
ELSEWHERE = {"record.log", "record.purge"}
#: A request needs several people: `tests/unit/workflow/test_request_audit.py`. Drafts, marks and
#: views are one's own.
DRAFTS = {"requests.draft", "requests.save", "requests.take_rows", "requests.mark", "views.keep", "views.remove"}
#: A job is carried out by the other methods, as who asked for it; those leave the entry.
THROUGH_OTHERS = {"jobs.place", "jobs.withdraw"}
#: Makes passwords useless that nobody used; issuing them left the entry, with their last day.
BY_TIME = {"sheets.expire", "reviews.tick"}
REQUESTS = {
    *("requests.submit", "requests.withdraw", "requests.answer", "requests.comment", "requests.sign"),
    *("requests.send_back", "requests.refuse", "requests.retry"),
}
#: So do these, each in a test of its own beside `test_request_audit.py`.
SEVERAL = {
    *("requests.letter", "substitutes.name", "substitutes.end", "classes.propose", "classes.sign", "classes.refuse"),
    *("emergencies.apply", "emergencies.review"),
}
#: What the others need is gone afterwards.
LAST = {"offboard"}


def protocols() -> dict[str, type]:
    """Area → its protocol; the client itself is `""`."""
    found: dict[str, type] = {"": Client}
    classes: dict[str, type] = {}
    for file in Path(model.__path__[0]).glob("client_*.py"):
        for name, made in vars(import_module(f"control_plane.model.{file.stem}")).items():
            if isinstance(made, type) and issubclass(made, Protocol) and name.endswith("Client"):  # type: ignore[arg-type]
                classes[name] = made
    for name, member in vars(Client).items():
        if isinstance(member, property):
            found[name] = classes[member.fget.__annotations__["return"]]
    return found


def methods() -> Iterator[str]:
    for area, protocol in protocols().items():
        for name, member in vars(protocol).items():
            if callable(member) and not name.startswith("_"):
                yield f"{area}.{name}".lstrip(".")


CHANGING = sorted(
    set(methods()) - {f"{area}.{name}".lstrip(".") for area, names in LOOKS.items() for name in names.split()}
)


def joined(client: Any) -> str:
    """Somebody new of a department."""
    uid = f"joined{next(_names)}"
    client.staff.add({"uid": uid, "display_name": "张三"}, tenant="fgw")
    return uid


def removed(client: Any, world: World) -> list[str]:
    """The account of somebody who left long ago is removed."""
    uid = joined(world.client)
    world.directory.add(uid, "fgw")
    world.client.staff.leave(uid, reason="gone")
    world.clock.advance(timedelta(days=31).total_seconds())
    found: list[str] = client.staff.remove_left()
    return found


def forgotten(client: Any, world: World) -> None:
    """Somebody who left is erased."""
    uid = joined(world.client)
    world.client.staff.leave(uid, reason="gone")
    client.persons.erase(uid, reason="asked", digest=client.persons.find(uid)["digest"])


def drifted(world: World, code: str) -> str:
    """The name of a hand-made change that somebody has just made."""
    zone = world.drivers[0].things["dns:qingdao.test"]
    seen = next(thing for thing in zone.values() if thing.id == f"dns:{code}.qingdao.test/A")
    zone[seen.id] = Observed(seen.id, seen.kind, seen.owner_marker, {**seen.attributes, "ttl": 1000 + next(_names)})
    return seen.id


def stopped(world: World) -> int:
    world.client.apply("tenant:fgw")
    run = world.store.runs.list(1)[0]
    world.store.runs.set_state(run.id, RunState.STOPPED, None, world.clock())
    return run.id


def changed_estate(world: World) -> Path:
    folder = world.folder / "estate"
    folder.mkdir()
    for file in SMALL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes()) if file.is_file() else None
    path = folder / "fgw.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["names"]["en"] = "Another name"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return folder


def publish(world: World, client: Any) -> tuple[str, str]:
    site = next(row["site"] for row in client.sites() if row["tenant"] == "fgw" and row["offering"] == "public_site")
    archive = world.folder / "site.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("index.html", f"home {next(_names)}")
    return str(site), client.publish_release(site, archive)["release"]


def hold(client: Any) -> int:
    window = {"begin": "2026-11-01", "end": "2026-11-02"}
    return int(client.record.hold(case="Q-1", reason="a case", tenant="fgw", **window)["number"])


def rollout(client: Any) -> int:
    order: dict[str, Any] = {"kind": "patches", "snapshot": "p20261124-020000", "ignore_windows": "test"}
    return int(client.rollouts.create(**order, reason="for a test")["id"])


def room(world: World) -> None:
    for row in world.store.rollouts.list():
        if row.state is not RolloutState.DRAFT and row.state in ACTS["abort"]:
            world.client.rollouts.abort(row.id, reason="make room")


def published(client: Any, world: World) -> None:
    room(world)
    client.snapshots.publish("p20261124-020000", 1)


def act_on_rollout(client: Any, world: World, act: str) -> None:
    room(world)
    number = rollout(client)
    if act != "release":
        client.rollouts.release(number)
    if act == "resume":
        client.rollouts.pause(number, reason="a moment")
    if act == "rollback":
        world.store.rollouts.move(number, [RolloutState.SCHEDULED], RolloutState.STOPPED)
    getattr(client.rollouts, act)(number, **({} if act in ("release", "resume") else {"reason": "for a test"}))


def added(client: Any) -> str:
    name = f"night{next(_names)}"
    client.people.add(name)
    return f"account:{name}"


def granted(client: Any) -> str:
    name = added(client)
    client.people.grant(name, "auditor", reason="new")
    return name


def owner(world: World) -> None:
    person = world.store.people.ensure(WHO, "九", "gaj", "directory:person/auditor9")
    if not person.grants:
        world.client.people.grant(WHO.partition(":")[2], "clerk", tenant="gaj", reason="test")


def token(client: Any, world: World) -> int:
    owner(world)
    return int(client.tokens.create(name=f"token {next(_names)}", scopes=["tenants:read"])["id"])


#: Changing method → what a person would do, as `WHO`.
EXERCISES: dict[str, Callable[[Any, World], Any]] = {
    "apply": lambda c, w: c.apply("tenant:fgw"),
    "stop_run": lambda c, w: c.stop_run(1),
    "resume_run": lambda c, w: c.resume_run(stopped(w)),
    "drift_keep": lambda c, w: c.drift_keep([drifted(w, "gaj")], until="2999-01-01", reason="moving"),
    "drift_accept": lambda c, w: c.drift_accept([drifted(w, "czj")], reason="better"),
    "drift_revert": lambda c, w: c.drift_revert([drifted(w, "jyj")]),
    "import_tenants": lambda c, w: c.import_tenants(changed_estate(w)),
    "offboard": lambda c, w: c.offboard("shinan", confirm="shinan", archive=w.folder / "shinan.tar.gz"),
    "publish_release": lambda c, w: publish(w, c),
    "prune_releases": lambda c, w: c.prune_releases(*older(w, c)),
    "preview_release": lambda c, w: c.preview_release(*publish(w, c)),
    "activate_release": lambda c, w: c.activate_release(*publish(w, c)),
    "rollback_release": lambda c, w: c.rollback_release(c.activate_release(*publish(w, w.client))["site"]),
    "maintenance": lambda c, w: c.maintenance("fgw.qingdao.test", True),
    "machines.enrol": lambda c, w: (c.machines.retire("sjj"), c.machines.enrol("sjj", "sjj", 2)),
    "machines.retire": lambda c, w: c.machines.retire("jyj"),
    "machines.give_up": lambda c, w: c.machines.give_up("win-1", "stolen"),
    "machines.transfer": lambda c, w: c.machines.transfer("fgw", "czj"),
    "machines.import_machines": lambda c, w: c.machines.import_machines(*console_list(w)),
    "machines.measure": lambda c, w: c.machines.measure("tenant:czj"),
    "machines.mend": lambda c, w: c.machines.mend("czj"),
    "machines.scan": lambda c, w: c.machines.scan("fgw", ["/home"]),
    "machines.refresh_signatures": lambda c, w: c.machines.refresh_signatures("tenant:fgw"),
    "machines.clear_findings": lambda c, w: c.machines.clear_findings([c.machines.findings()[0]["id"]], "deleted"),
    "record.add_to_register": lambda c, w: c.record.add_to_register(
        [{"address": "10.95.17.10", "machine": "PC", "person": "", "from": "2026-11-20", "to": None, "source": "x"}]
    ),
    "record.hold": lambda c, w: hold(c),
    "record.lift": lambda c, w: c.record.lift(hold(w.client), second="wang", reason="closed"),
    "people.grant": lambda c, w: granted(c),
    "people.revoke": lambda c, w: c.people.revoke(granted(w.client), "auditor", reason="gone"),
    "people.add": lambda c, w: added(c),
    "people.leave": lambda c, w: c.people.leave(added(w.client), reason="gone"),
    "staff.take": lambda c, w: c.staff.take(f"单位,账号,姓名\nfgw,taken{next(_names)},张三\n".encode()),
    "staff.add": lambda c, w: joined(c),
    "staff.cut": lambda c, w: c.staff.cut(joined(w.client), tenant="fgw", reason="gone"),
    "staff.leave": lambda c, w: c.staff.leave(joined(w.client), reason="gone"),
    "staff.settle": lambda c, w: (
        w.client.staff.cut(joined(w.client), tenant="fgw", reason="x"),
        c.staff.settle("fgw"),
    ),
    "groups.change": lambda c, w: c.groups.change("fgw", {"act": "make", "name": f"g{next(_names)}", "zh": "组"}),
    "reviews.decide": lambda c, w: (asked(w), c.reviews.decide("fgw", {}, rest=True)),
    "reviews.move": lambda c, w: c.reviews.move(decided(w)),
    "staff.remove_left": lambda c, w: removed(c, w),
    "sheets.issue": lambda c, w: c.sheets.issue("fgw", uids=[joined(w.client)], reason="new"),
    "sheets.open": lambda c, w: c.sheets.open(c.sheets.issue("fgw", uids=[joined(w.client)], reason="new")["id"]),
    "persons.export": lambda c, w: c.persons.export(joined(w.client), reason="asked"),
    "persons.erase": lambda c, w: forgotten(c, w),
    "people.reset": lambda c, w: c.people.reset(added(w.client)),
    "tokens.create": lambda c, w: token(c, w),
    "webhooks.create": lambda c, w: hooked(c),
    "webhooks.rotate": lambda c, w: c.webhooks.rotate(hooked(w.client)),
    "webhooks.end": lambda c, w: c.webhooks.end(hooked(w.client)),
    "webhooks.resend": lambda c, w: c.webhooks.resend(delivered(w)),
    "tokens.revoke": lambda c, w: c.tokens.revoke(token(c, w), reason="lost"),
    "snapshots.sync": lambda c, w: c.snapshots.sync("patches"),
    "snapshots.take": lambda c, w: c.snapshots.take(w.folder),
    "snapshots.publish": published,
    "snapshots.prune": lambda c, w: c.snapshots.prune("patches"),
    "internet.test": lambda c, w: tried(c),
    "internet.change": lambda c, w: c.internet.change("fgw", Wish(enabled=False)),
    "policies.add": lambda c, w: c.policies.add({**c.policies.show()["policy"], "last": []}, reason="x"),
    "rollouts.create": lambda c, w: rollout(c),
    **{
        f"rollouts.{act}": lambda c, w, act=act: act_on_rollout(c, w, act)  # type: ignore[misc]
        for act in ("release", "pause", "resume", "abort", "rollback")
    },
    "attachments.add": lambda c, w: attached(w, c),
    "attachments.remove": lambda c, w: c.attachments.remove(*attached(w, w.client.acting_as(WHO))),
    "attachments.scan": lambda c, w: (attached(w, c), c.attachments.scan()),
    "posts.save": lambda c, w: posted(c),
    "posts.withdraw": lambda c, w: c.posts.withdraw(SITE, posted(w.client)),
    "posts.build": lambda c, w: (posted(w.client), c.posts.build(SITE)),
    "mail.retry": lambda c, w: c.mail.retry(mailed(w)),
    "freezes.set": lambda c, w: c.freezes.set("tenant:sjj", reason="audit"),
    "freezes.lift": lambda c, w: c.freezes.lift(
        w.client.freezes.set("tenant:sjj", reason="x")["id"], second="li", reason="y"
    ),
}


def asked(world: World) -> str:
    """A review of fgw that is to be done: somebody who is asked about."""
    world.store.reviews.begin(world.store.estate.tenant("fgw").id, f"{next(_names):06}", world.clock())  # type: ignore[union-attr]
    return joined(world.client)


def decided(world: World) -> int:
    """The number of a review by which somebody moved to czj."""
    world.client.reviews.decide("fgw", {asked(world): {"what": "moved", "more": "czj"}}, rest=True)
    return next(row["id"] for row in world.client.reviews.list() if row["moves"])


def attached(world: World, client: Any) -> tuple[int, int]:
    """A draft of `WHO` and the number of its new file."""
    owner(world)
    draft = client.requests.draft("gaj", "internet", "change")["id"]
    path = world.folder / "note.txt"
    path.write_text(f"note {next(_names)}", "utf-8")
    return int(draft), int(client.attachments.add(draft, path)["id"])


SITE = "czj.qingdao.test"


def posted(client: Any) -> int:
    given = {"column": "notices/", "title": f"notice {next(_names)}", "day": "2026-11-24", "text": "x"}
    return int(client.posts.save(SITE, **given)["id"])


def older(world: World, client: Any) -> tuple[str]:
    """A site with more releases than stay."""
    space = client.sites_.space
    for _ in range(space.keep + 1):
        site, _ = publish(world, world.client)
    client.sites_ = replace(client.sites_, space=replace(space, keep=1))
    return (site,)


def tried(client: Any) -> None:
    """What is in the query of an address is in no entry of the trail."""
    client.internet.test("fgw", "https://www.example.test/?key=secret")
    assert client.audit.list()[0]["detail"] == {"to": "www.example.test", "status": 200}


def mailed(world: World) -> int:
    """The number of a mail that waits."""
    world.store.mail.notify(Notice("x", NoticeKind.LIVE, params={"request": "R-1"}))
    world.store.mail.addressed(world.store.mail.unaddressed()[0].id, [Address("a@b.test", "A", "en")])
    return world.store.mail.gather(world.clock.now, "b.test")[0]


def hooked(client: Client) -> int:
    made = client.webhooks.create(name=f"x{next(_names)}", url="https://hooks.example.test/", families=["run"])
    return int(made["id"])


def delivered(world: World) -> int:
    """A message that was put on its way."""
    hook = world.store.webhooks.get(hooked(world.client))
    world.store.webhooks.gather(hook, {hook.seen + 1: {"type": "run.ended"}}, hook.seen + 1)
    return world.store.webhooks.deliveries(hook.id)[0].id


def console_list(world: World) -> tuple[Path, dict[str, str], str]:
    path = world.folder / "list.csv"
    path.write_text("name\nwin-1\nwin-2\n", "utf-8")
    return path, {"name": "name"}, "fgw"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("audit"))
        yield made
        made.close()


def test_every_changing_method_has_an_exercise() -> None:
    assert set(CHANGING) - ELSEWHERE - REQUESTS - SEVERAL - DRAFTS - THROUGH_OTHERS - BY_TIME == set(EXERCISES)


@pytest.mark.parametrize("method", sorted(EXERCISES, key=lambda name: (name in LAST, name)))
def test_it_leaves_an_entry_with_who_acted(world: World, method: str) -> None:
    if method == "machines.give_up":
        world.client.machines.import_machines(*console_list(world))
    for freeze in world.client.freezes.list():
        world.client.freezes.lift(freeze["id"], second="li", reason="so that everything may be done")
    world.clock.advance(60)
    client, before = world.client.acting_as(WHO), world.store.audit.faults()[0]
    try:
        EXERCISES[method](client, world)
    except ControlPlaneError as error:
        pytest.fail(f"{method}: {error}")
    mine = client.audit.list({"actor": WHO, "begin": (world.clock.now - timedelta(seconds=1)).isoformat()})
    assert mine, f"{method} left no entry"
    assert all(row["number"] > before for row in mine)
    assert client.audit.verify()["ok"]


def test_signing_in_and_passwords(world: World) -> None:
    world.directory.add("lina", "fgw")
    sign_in = world.services.sign_in
    for _ in range(8):
        with pytest.raises(ControlPlaneError):
            sign_in.start("lina", "wrong", "10.0.0.9", "browser")
    world.clock.advance(3600)
    token = sign_in.start("lina", PASSWORD, "10.0.0.9", "browser")
    session = sign_in.session(token)
    assert isinstance(session, Session)
    assert session.stage is Stage.OPEN
    sign_in.change_password(session, PASSWORD, PASSWORD + "!", PASSWORD + "!")
    acts = [row["act"] for row in world.client.audit.list({"begin": "2026-11-24"})]
    assert acts.count("sign_in.refused") == 5
    assert acts.count("sign_in.locked") == 1, "one entry a lock, however often it is tried"
    assert acts[0] == "account.password"
    assert acts[1] == "sign_in.opened"
    assert world.client.audit.list({"actor": "lina"})[0]["subjects"][0]["name"] == "directory:lina"
