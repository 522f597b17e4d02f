"""Commands at a control plane elsewhere print just what they print on its own machine, over real HTTPS."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from control_plane.cli import remote_link, remote_runs
from control_plane.cli.app import App
from control_plane.cli.main import gasp as root
from control_plane.cli.remote_link import Connection
from control_plane.cli.remote_runs import Followed
from control_plane.model.errors import TemporaryError
from control_plane.model.text import in_language, t
from control_plane.model.token import SCOPES
from control_plane.workflow import bringup
from tests.web.serving import served
from tests.web.world import World, make_world

READING = (
    "status",
    "explain fgw.qingdao.test",
    "security show",
    "security findings",
    "internet list",
    "internet show fgw",
    "internet refused fgw",
    "snapshots list",
    "snapshots list --kind patches",
    "snapshots show p20261124-020000",
    "snapshots estimate",
    "classes show",
    "classes history",
    "substitutes staffing",
    "tenants list",
    "tenants list --filter kind=district",
    "tenants show fgw",
    "sites list",
    "accounts list",
    "accounts list --tenant fgw",
    "hosts list",
    "hosts show fgw",
    "probes list",
    "probes list tenant:fgw",
    "runs list",
    "runs show 1",
    "runs follow 1",
    "plan {plan}",
    "drift list",
    "rollouts list",
    "rollouts show 1",
    "freezes list",
    "requests list",
    "requests show R-2026-0001",
    "accounts show {uid}",
    "accounts groups list --tenant fgw",
    "accounts groups show fgw/all",
    "accounts sheets",
    "accounts review list --all",
    "internet policy list",
    "internet policy show",
    "substitutes list",
    "emergencies list",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("elsewhere"))
        made.enter(made.person("operator"))
        made.person("clerk")
        made.ask("clerk1", "fgw", "elsewhere")
        yield made
        made.close()


@pytest.fixture(scope="module")
def place(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("served")
    token = world.client.tokens.create(person="operator1", name="x", scopes=["tenants:read"])["token"]
    with served(world, folder) as origin:
        yield {"GASP_URL": origin, "GASP_TOKEN": token, "GASP_CA": str(folder / "tls" / "ca.pem")}


def run(*argv: str, app: App | None = None, env: dict[str, str] | None = None, given: str | None = None) -> Result:
    used, around = app or App(interactive=False), {"GASP_LANG": "en", **(env or {})}
    return CliRunner().invoke(root, list(argv), obj=used, env=around, input=given)


@pytest.mark.parametrize("line", READING)
def test_an_answer_from_elsewhere_is_the_same(world: World, place: dict[str, str], line: str) -> None:
    uid = world.client.accounts("fgw")[0]["uid"]
    argv = [*line.format(plan=world.client.runs()[0]["digest"], uid=uid).split(), "-o", "json"]
    here = run(*argv, app=App(lambda: world.client.acting_as("directory:operator1"), interactive=False))
    there = run(*argv, env=place)
    assert (there.exit_code, here.exit_code) == (0, 0), there.output
    assert there.stdout == here.stdout


def test_a_refusal_is_the_same_too(world: World, place: dict[str, str]) -> None:
    for argv in (("tenants", "show", "zzz"), ("runs", "show", "999"), ("requests", "show", "R-2026-9999")):
        here = run(*argv, app=App(lambda: world.client.acting_as("directory:operator1"), interactive=False))
        there = run(*argv, env=place)
        assert there.exit_code == here.exit_code == 4
        assert there.stderr.splitlines()[0] == here.stderr.splitlines()[0]


def test_what_is_not_there_says_so(place: dict[str, str]) -> None:
    for argv in (("sites", "rollback", "fgw.qingdao.test", "--yes"), ("mail", "list"), ("audit", "verify")):
        answer = run(*argv, env=place)
        assert answer.exit_code == 4, answer.output
        assert "not done from elsewhere yet" in answer.stderr
    answer = run("audit", "list", env=place)
    assert (answer.exit_code, "not for this" in answer.stderr) == (4, True)


def test_a_name_with_a_slash_is_no_way_to_something_else(place: dict[str, str]) -> None:
    for name in ("fgw/services", "..", "../runs", "."):
        answer = run("tenants", "show", name, env=place)
        assert answer.exit_code == 4 and f"There is no “{name}” there." in answer.stderr


def test_no_answer_is_a_moment_and_no_token_a_refusal(place: dict[str, str]) -> None:
    assert run("tenants", "list", env={**place, "GASP_URL": "https://localhost:1"}).exit_code == 6
    assert run("tenants", "list", env={**place, "GASP_CA": ""}).exit_code == 6, "an authority that is not trusted"
    assert run("tenants", "list", env={**place, "GASP_TOKEN": ""}).exit_code == 4
    assert run("tenants", "list", env={**place, "GASP_TOKEN": "gasp_x"}).exit_code == 4
    for url in ("http://localhost", "https://[::1", "https://localhost:99999", "https://localhost:x", "https://"):
        assert run("tenants", "list", env={**place, "GASP_URL": url}).exit_code == 4, url


def test_what_is_wrong_with_a_sign_in_is_said_with_what_helps(place: dict[str, str], tmp_path: Path) -> None:
    text, missing, url = tmp_path / "text.pem", tmp_path / "missing.pem", place["GASP_URL"]
    text.write_text("no certificate")
    token = {"GASP_TOKEN": place["GASP_TOKEN"]}
    for words, code, what, help_ in (
        ((url, "--ca", str(missing)), 4, "missing.pem is no certificate", "--ca FILE"),
        ((url, "--ca", str(text)), 4, "text.pem is no certificate", "--ca FILE"),
        ((url,), 6, "is not accepted", "--ca FILE"),
        ((url.removeprefix("https://"), "--ca", place["GASP_CA"]), 4, "https://", "Write it like https://"),
    ):
        answer = run("login", *words, env=token)
        assert (answer.exit_code, what in answer.stderr, help_ in answer.stderr) == (code, True, True), answer.stderr


def test_a_token_comes_from_a_password_store(
    place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    words = ("login", place["GASP_URL"], "--ca", place["GASP_CA"], "--token-stdin")
    for given in ("", "\n", "gasp_nothing\n"):
        answer = run(*words, env={"GASP_TOKEN": place["GASP_TOKEN"]}, given=given)
        assert answer.exit_code == 4, answer.output
    assert "Standard input holds no token" in run(*words, given="").stderr
    made = run(*words, env={"GASP_TOKEN": ""}, given=f"{place['GASP_TOKEN']}\n")
    assert made.exit_code == 0, made.output
    assert place["GASP_TOKEN"] in (tmp_path / "gasp" / "config.toml").read_text()
    assert place["GASP_TOKEN"] not in made.output


def test_contexts_are_kept_for_their_owner_only(
    place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "gasp" / "config.toml"
    given = {"GASP_TOKEN": place["GASP_TOKEN"]}
    refused = run("login", place["GASP_URL"], "--ca", place["GASP_CA"], env={"GASP_TOKEN": "gasp_nothing"})
    assert (refused.exit_code, file.exists()) == (4, False)
    made = run("login", place["GASP_URL"], "--ca", place["GASP_CA"], "--name", "the city", env=given)
    assert made.exit_code == 0, made.output
    assert "directory:operator1" in made.stdout
    assert place["GASP_TOKEN"] not in made.output
    assert file.stat().st_mode & 0o777 == 0o600
    listed = run("contexts", "list", "-o", "json")
    assert place["GASP_TOKEN"] not in listed.output
    assert [(row["name"], row["current"]) for row in json.loads(listed.stdout)["items"]] == [("the city", True)]
    found: Any = json.loads(run("tenants", "list", "-o", "json").stdout)
    assert found["total"] > 5
    for taken in ("here", ""):
        refused = run("login", place["GASP_URL"], "--ca", place["GASP_CA"], "--name", taken, env=given)
        assert (refused.exit_code, "means this machine" in refused.stderr) == (4, True), refused.output
    assert run("contexts", "use", "here").exit_code == 0
    assert run("contexts", "use", "nowhere").exit_code == 4
    assert run("contexts", "use", "the city").exit_code == 0
    assert run("contexts", "remove", "the city").exit_code == 0
    assert place["GASP_TOKEN"] not in file.read_text()
    assert run("contexts", "list", "-o", "json").exit_code == 0
    file.write_text("current = [")
    assert run("contexts", "list").exit_code == 4
    assert "GASP_URL" not in os.environ


@pytest.mark.parametrize(
    "line",
    ["lab status", "lab down --dry-run", "lab clean --dry-run", "lab run fgw -- true", "web --stop --dry-run",
     "web --background --dry-run", "worker stop --dry-run", "worker start --dry-run", "bringup"],
)  # fmt: skip
def test_what_is_about_this_machine_is_not_done_while_commands_work_elsewhere(
    place: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringup, "bring_up", lambda *_: pytest.fail("it began"))
    answer = run(*line.split(), env=place)
    assert (answer.exit_code, answer.stdout) == (4, ""), answer.output
    assert "not done from elsewhere" in answer.stderr and "GASP_URL= means here" in answer.stderr


@contextmanager
def worker(world: World) -> Iterator[None]:
    """Somebody who carries out jobs while the block lasts."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            if world.client.jobs.work(("at_once", "runs", "machines")) is None:
                over.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def acting(world: World, place: dict[str, str]) -> dict[str, dict[str, str]]:
    """Places with tokens that may do what their owners may."""
    for role in ("approver", "security_officer", "deputy_director"):
        login = world.person(role)
        if role != "approver":
            world.enter(login)
    made = {}
    for login in ("operator1", "clerk1", "approver1", "security1", "deputy1"):
        token = world.client.tokens.create(person=login, name="acts", scopes=list(SCOPES))["token"]
        made[login] = {**place, "GASP_TOKEN": token}
    return made


def broken(world: World, tenant: str) -> str:
    """A name that somebody has removed by hand."""
    zone = world.drivers[0].things["dns:qingdao.test"]
    name = next(name for name in zone if name.startswith(f"dns:{tenant}."))
    del zone[name]
    return name


def test_a_plan_is_carried_out_from_elsewhere(world: World, acting: dict[str, dict[str, str]]) -> None:
    env, name = acting["operator1"], broken(world, "gaj")
    planned = run("plan", "tenant:gaj", "--exit-code", "-o", "json", env=env)
    assert planned.exit_code == 3, planned.output
    assert run("apply", json.loads(planned.stdout)["digest"], env=env).exit_code == 4, "nobody said yes"
    with worker(world):
        done = run("apply", json.loads(planned.stdout)["digest"][:8], "--yes", env=env)
        assert done.exit_code == 0, done.output
        assert "context https://localhost" in done.stderr
        assert "Run " in done.stderr.splitlines()[1], "its progress is told"
        assert name in world.drivers[0].things["dns:qingdao.test"]
        last = world.client.runs()[0]
        assert (last["state"], last["actor"]["name"]) == ("done", "directory:operator1")
        broken(world, "sjj")
        again = run("apply", "tenant:sjj", "--yes", "-o", "json", env=env)
        assert (again.exit_code, json.loads(again.stdout)["state"]) == (0, "done"), again.output
        assert "sjj" in again.stderr, "what is done was shown before the first write"
        nothing = run("apply", "tenant:sjj", "--yes", env=env)
        assert nothing.exit_code == 0, nothing.output
        gone = run("apply", json.loads(planned.stdout)["digest"], "--yes", env=env)
        assert gone.exit_code == 7, "the world has moved"
        undo = run("runs", "undo", str(last["id"]), env=env)
        assert undo.exit_code in (0, 4), undo.output


def test_what_nobody_begins_is_taken_back(
    world: World, acting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.cli.remote_runs.BEGUN", 0.0)
    broken(world, "jyj")
    answer = run("apply", "tenant:jyj", "--yes", "--no-wait", env=acting["operator1"])
    assert answer.exit_code == 6, answer.output
    assert "taken back" in answer.stderr
    assert world.client.jobs.list()[0]["state"] == "refused"
    assert world.client.jobs.work(["runs"]) is None


def test_an_act_whose_answer_is_lost_is_done_once(
    world: World, acting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, lost = Connection._read, list[str]()

    def broken(self: Connection, response: Any) -> Any:
        if len(lost) < 2:
            lost.append(response.read())
            raise ConnectionResetError("gone")
        return read(self, response)

    monkeypatch.setattr(remote_link, "AGAIN", (0.0, 0.0))
    monkeypatch.setattr(Connection, "_read", broken)
    before = len(world.client.freezes.list(lifted=True))
    made = run("freezes", "set", "--scope", "tenant:sjj", "--reason", "x", "-o", "json", env=acting["operator1"])
    assert (made.exit_code, len(lost)) == (0, 2), made.output
    assert len(world.client.freezes.list(lifted=True)) == before + 1
    lost.clear()
    monkeypatch.setattr(remote_link, "AGAIN", (0.0,))
    unknown = run("freezes", "set", "--scope", "tenant:gaj", "--reason", "x", env=acting["operator1"])
    assert (unknown.exit_code, "not known whether it was done" in unknown.stderr) == (6, True), unknown.output
    for row in world.client.freezes.list()[:2]:
        world.client.freezes.lift(row["id"], reason="over", second="li")


def test_one_who_loses_sight_is_told_that_it_goes_on(
    world: World, acting: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    get, env = Connection.get, acting["operator1"]

    def away(self: Connection, path: str, **query: Any) -> Any:
        if path.startswith("/jobs/"):
            raise TemporaryError(t("Nobody is there."), delay=0.0)
        return get(self, path, **query)

    with monkeypatch.context() as patch:
        patch.setattr(remote_runs, "SILENT", 0.0)
        patch.setattr(Connection, "get", away)
        answer = run("apply", "tenant:jyj", "--yes", env=env)
    assert answer.exit_code == 6, answer.output
    job = world.client.jobs.list()[0]
    assert (job["state"], f"Job {job['id']} goes on there" in answer.stderr) == ("waiting", True), answer.stderr
    assert world.client.jobs.work(["runs"]) is not None

    def pressed(self: Followed, job: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Followed, "_look", pressed)
    answer = run("apply", "tenant:jyj", "--yes", env=env)
    assert answer.exit_code == 130, answer.output
    assert world.client.jobs.list()[0]["state"] == "refused", "what had not begun was taken back"
    assert world.client.jobs.work(["runs"]) is None


def test_a_token_is_in_no_error(place: dict[str, str]) -> None:
    for odd in ("gasp_hidden\r", "gasp_hidden\n", "gasp_hidden密"):
        answer = run("tenants", "list", env={**place, "GASP_TOKEN": odd})
        assert (answer.exit_code, "hidden" in answer.output) == (4, False), answer.output


def test_hand_made_changes_are_answered_from_elsewhere(world: World, acting: dict[str, dict[str, str]]) -> None:
    env = acting["operator1"]
    first, second = broken(world, "fgw"), broken(world, "czj")
    kept = run("drift", "keep", first, "--until", "2027-01-31", "--reason", "x", "--yes", "-o", "json", env=env)
    assert kept.exit_code == 0, kept.output
    assert json.loads(kept.stdout)["items"][0]["id"] == first
    with worker(world):
        reverted = run("drift", "revert", second, "--yes", env=env)
    assert reverted.exit_code == 0, reverted.output
    assert second in world.drivers[0].things["dns:qingdao.test"]
    assert run("drift", "keep", "dns:none", "--until", "2027-01-31", "--reason", "x", "--yes", env=env).exit_code == 4


def test_a_freeze_is_set_and_lifted_by_two_people(acting: dict[str, dict[str, str]]) -> None:
    set_ = run("freezes", "set", "--scope", "tenant:gaj", "--reason", "audit", "-o", "json", env=acting["operator1"])
    number = str(json.loads(set_.stdout)["id"])
    lift = ("freezes", "lift", number, "--reason", "over", "--yes")
    assert run(*lift, "--second", "li", env=acting["deputy1"]).exit_code == 4
    assert run(*lift, env=acting["operator1"]).exit_code == 4, "the same person"
    lifted = run(*lift, env=acting["deputy1"])
    assert (lifted.exit_code, "who signed in" in lifted.stdout) == (0, True), lifted.output


def test_people_join_move_and_leave_from_elsewhere(
    world: World, acting: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    env, file = acting["operator1"], tmp_path / "people.csv"
    file.write_text("单位,账号,姓名,状态\nfgw,faraway,张远,\ngaj,farleft,李远,在职\n")
    take = ("accounts", "import", str(file), "-o", "json")
    seen = run(*take, "--dry-run", env=env)
    assert json.loads(seen.stdout)["counts"]["joins"] == 2, seen.output
    assert run(*take, env=env).exit_code == 4, "nobody said yes"
    with worker(world):
        taken = run(*take, "--yes", env=env)
        assert taken.exit_code == 0, taken.output
        assert "Run " in taken.stderr, "its progress is told"
        assert {"lines", "sentence", "run"} <= json.loads(taken.stdout).keys()
        again = json.loads(run(*take, "--yes", env=env).stdout)
        assert again["counts"]["same"] == 2 and not again["tenants"]
        file.write_text("单位,账号,姓名\ngaj,faraway,\n")
        assert run(*take, "--yes", env=env).exit_code == 0
        assert json.loads(run("accounts", "show", "faraway", "-o", "json", env=env).stdout)["tenant"] == "gaj"
        for uid in ("faraway", "farleft"):
            world.directory.add(uid, "gaj")
        made = run("accounts", "groups", "make", "gaj/far", "--zh", "远方", "--yes", env=env)
        assert made.exit_code == 0, made.output
        assert run("accounts", "groups", "put", "gaj/far", "farleft", "--yes", env=env).exit_code == 0
        issue = ("accounts", "issue", "gaj", "--person", "faraway", "--reason", "new", "--yes")
        sheet = run(*issue, "-o", "json", env=env)
        assert json.loads(sheet.stdout)["uids"] == ["faraway"], sheet.output
        assert run("accounts", "open", "1", "--to", str(tmp_path), "--yes", env=env).exit_code == 4
        world.client.people.grant("farleft", "clerk", tenant="gaj", reason="x")
        world.enter("farleft")
        left = run("accounts", "leave", "farleft", "--reason", "x", "--yes", "-o", "json", env=env)
        said = json.loads(left.stdout)
        assert (said["sessions"], said["grants"], world.directory.entries["farleft"].disabled) == (1, 1, True), said
        file.write_text("单位,账号,姓名\nnone,x,\n")
        wrong = run(*take, env=env)
        here = run(*take, app=App(lambda: world.client, interactive=False))
        assert (wrong.exit_code, wrong.stderr) == (4, here.stderr), "every fault with its row"


def test_machines_are_tended_from_elsewhere(world: World, acting: dict[str, dict[str, str]]) -> None:
    env, guard = acting["operator1"], acting["security1"]
    with worker(world):
        looked = run("hosts", "measure", "-o", "json", env=env)
        assert looked.exit_code == 6, "one of them is silent"
        found = json.loads(looked.stdout)
        assert found["measured"] + found["silent"] == len(found["machines"]) > 4
        assert {row["tenant"] for row in found["tenants"]} == {row["tenant"] for row in found["machines"]}
        would = run("hosts", "mend", "czj", "--dry-run", env=env)
        assert (would.exit_code, "apt-get clean" in would.stderr) == (0, True), would.output
        mended = json.loads(run("hosts", "mend", "czj", "--yes", "-o", "json", env=env).stdout)
        assert mended["row"]["name"] == "czj"
        scanned = json.loads(run("security", "scan", "fgw", "-o", "json", env=guard).stdout)
        assert [row["machine"] for row in scanned["machines"]] == ["fgw"]
        fetched = run("security", "refresh", "host:fgw", "--yes", "-o", "json", env=guard)
        assert [row["machine"] for row in json.loads(fetched.stdout)["machines"]] == ["fgw"], fetched.output
        finding = json.loads(run("security", "findings", "--open", "-o", "json", env=guard).stdout)["items"][0]["id"]
        settled = run("security", "clear", finding, "--reason", "looked at", "--yes", env=guard)
        assert settled.exit_code == 0, settled.output
        open_ones = json.loads(run("security", "findings", "--open", "-o", "json", env=guard).stdout)["items"]
        assert finding not in {row["id"] for row in open_ones}


def test_snapshots_are_fetched_given_and_deleted_from_elsewhere(
    world: World, acting: dict[str, dict[str, str]]
) -> None:
    env = acting["operator1"]
    with worker(world):
        synced = run("snapshots", "sync", "--kind", "patches", "--yes", "-o", "json", env=env)
        assert json.loads(synced.stdout)["items"][0]["latest"] == "p20261124-020000", synced.output
        given = run("snapshots", "publish", "p20261124-020000", "--ring", "0", "--yes", "-o", "json", env=env)
        assert given.exit_code == 0, given.output
        assert json.loads(given.stdout)["ring"] == 0
        would = run("snapshots", "prune", "--kind", "patches", "--dry-run", "-o", "json", env=env)
        assert json.loads(would.stdout)["removed"] == ["p20261101-020000"], would.output
        gone = run("snapshots", "prune", "--kind", "patches", "--yes", "-o", "json", env=env)
        assert json.loads(gone.stdout)["removed"] == ["p20261101-020000"], gone.output


def test_what_a_role_may_see_decides_from_elsewhere_too(world: World, acting: dict[str, dict[str, str]]) -> None:
    here = run("users", "list", "-o", "json", app=App(lambda: world.client, interactive=False))
    assert json.loads(run("users", "list", "-o", "json", env=acting["security1"]).stdout) == json.loads(here.stdout)
    one = json.loads(run("users", "show", "operator1", "-o", "json", env=acting["security1"]).stdout)
    assert one["person"] == "directory:operator1" and one["history"]
    assert run("users", "list", env=acting["operator1"]).exit_code == 4
    measured = run("probes", "run", "tenant:fgw", "-o", "json", env=acting["operator1"])
    assert {row["tenant"] for row in json.loads(measured.stdout)["items"]} == {"fgw"}, measured.output
    assert run("probes", "run", env=acting["clerk1"]).exit_code == 4


def test_what_is_given_out_and_restored_from_elsewhere(world: World, acting: dict[str, dict[str, str]]) -> None:
    env = acting["operator1"]
    made = world.client.tokens.create(person="operator1", name="lost", scopes=["tenants:read"])
    listed = json.loads(run("tokens", "list", "-o", "json", env=env).stdout)["items"]
    assert made["id"] in {row["id"] for row in listed} and {row["person"] for row in listed} == {"directory:operator1"}
    ended = run("tokens", "revoke", str(made["id"]), "--reason", "lost", "--yes", env=env)
    assert ended.exit_code == 0, ended.output
    assert run("tenants", "list", env={**env, "GASP_TOKEN": made["token"]}).exit_code == 4
    assert run("tokens", "list", "--person", "clerk1", env=env).exit_code == 4
    assert run("webhooks", "list", env=env).exit_code == 0
    assert run("webhooks", "deliveries", "--state", "failed", env=env).exit_code == 0
    too_early = run("tenants", "restore", "fgw", "--to", "2020-01-01", env=env)
    here = run("tenants", "restore", "fgw", "--to", "2020-01-01", app=App(lambda: world.client, interactive=False))
    assert (too_early.exit_code, too_early.stderr) == (here.exit_code, here.stderr) and here.exit_code == 4


def test_a_fault_there_is_told_with_its_reference(
    world: World, place: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> Any:
        raise RuntimeError("private")

    monkeypatch.setattr(type(world.client), "hosts", broken)
    answer = run("hosts", "list", env=place)
    assert (answer.exit_code, "private" in answer.output) == (1, False)
    assert "Its reference there: " in answer.stderr


def test_a_request_goes_its_way_from_elsewhere(world: World, acting: dict[str, dict[str, str]], tmp_path: Path) -> None:
    clerk = acting["clerk1"]
    begun = run("requests", "new", "fgw", "internet", "--action", "change", "-o", "json", env=clerk)
    assert begun.exit_code == 0, begun.output
    row = json.loads(begun.stdout)
    form = tmp_path / "form.yaml"
    form.write_text(json.dumps({**row["spec"], "limits": {"month_mib": 150000}}))
    again = ("requests", "new", "fgw", "internet", "--action", "change", "--file", str(form), "--note", "x", "-o")
    saved = json.loads(run(*again, "json", env=clerk).stdout)
    assert saved["spec"]["limits"]["month_mib"] == 150000
    assert saved["problems"] == []
    reference = saved["reference"]
    assert run("requests", "submit", reference, env=clerk).exit_code == 4, "nobody said yes"
    handed = run("requests", "submit", reference, "--yes", env=clerk)
    assert handed.exit_code == 0, handed.output
    assert run("requests", "sign", reference, "--yes", env=clerk).exit_code == 4, "whoever asked never signs"
    question = ("requests", "return", reference, "--reason", "why?", "--yes")
    assert run(*question, env=acting["approver1"]).exit_code == 0
    assert run("requests", "answer", reference, "--text", "growth", "--yes", env=clerk).exit_code == 0
    table = tmp_path / "list.csv"
    table.write_text("nothing\n")
    assert (
        run(
            *("requests", "import", str(table), "--tenant", "fgw", "--service", "directory", "--yes"), env=clerk
        ).exit_code
        == 4
    )
    for who in ("approver1", "operator1", "security1"):
        signed = run("requests", "sign", reference, "--yes", "-o", "json", env=acting[who])
        assert signed.exit_code in (0, 4), signed.output
    row = world.client.acting_as("directory:operator1").requests.show(reference)
    assert row["state"] == "approved", row["needs"]
    parts = run("requests", "parts", reference, "-o", "json", env=acting["operator1"])
    assert json.loads(parts.stdout)["items"]
    assert run("requests", "refuse", reference, "--reason", "late", "--yes", env=acting["security1"]).exit_code in (
        0,
        4,
    )
