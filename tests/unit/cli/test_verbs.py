"""Every verb: it asks the client the right thing, shows it in every form, and its help teaches in both languages."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from control_plane.cli.base import Command, Group
from control_plane.cli.main import gasp as root
from control_plane.model.text import in_language

from .conftest import Gasp, both
from .fake_client import run
from .fake_rollouts import SHOWN

#: Command line → the client's method it must call.
LISTING = {
    "plan": "plan",
    "plan 7f3a9c1e": "get_plan",
    "explain fgw.qingdao.test": "explain",
    "status": "status",
    "doctor": "doctor",
    "config": "config",
    "db show": "database",
    "tenants list": "tenants",
    "tenants show fgw": "tenant",
    "tenants diff {folder}": "diff_tenants",
    "drift list": "drift",
    "runs list": "runs",
    "runs show 482": "run",
    "hosts list": "hosts",
    "hosts show fgw": "machines.show",
    "hosts measure tenant:fgw": "machines.measure",
    "security show": "machines.security",
    "security status": "by_itself.status",
    "security scan fgw --path /home": "machines.scan",
    "security findings --open": "machines.findings",
    "accounts list --tenant fgw": "accounts",
    "accounts show zhangsan": "staff.show",
    "accounts sheets": "sheets.list",
    "accounts groups list --tenant fgw": "groups.list",
    "accounts groups show fgw/leaders": "groups.show",
    "accounts review list --all": "reviews.list",
    "accounts review show fgw": "reviews.show",
    "people find zhangsan": "persons.find",
    "people export zhangsan --reason x --to {folder}/all.zip": "persons.export",
    "sites list": "sites",
    "posts list fgw.qingdao.test": "posts.list",
    "attachments list 147": "attachments.list",
    "sites room fgw.qingdao.test": "room",
    "snapshots list": "snapshots.all",
    "snapshots show p20261128-174819": "snapshots.show",
    "snapshots estimate": "snapshots.estimate",
    "internet list": "internet.list",
    "internet show fgw": "internet.show",
    "internet refused fgw": "internet.refusals",
    "internet policy list": "policies.list",
    "internet policy show 3": "policies.show",
    "rollouts list": "rollouts.list",
    "rollouts show 4": "rollouts.show",
    "freezes list": "freezes.list",
    "worker status": "worker.status",
    "probes list": "probes",
    "users list": "people.list",
    "tokens list": "tokens.list",
    "webhooks list": "webhooks.list",
    "webhooks deliveries --webhook 3": "webhooks.deliveries",
    "substitutes list": "substitutes.list",
    "substitutes staffing": "substitutes.staffing",
    "emergencies list": "emergencies.list",
    "classes show": "classes.show",
    "classes history": "classes.history",
    "requests list": "requests.list",
    "requests show R-2026-0147": "requests.show",
    "requests parts R-2026-0147": "requests.blocks",
    "users show wangwei": "people.show",
    "probes run tenant:fgw": "run_probes",
    "internet log --case Q-118 --reason police --from 2026-11-24 --to 2026-11-25 --nat-port 40112": "record.log",
    "record status": "record.status",
    "record collect": "record.collect",
    "record verify": "record.verify",
    "record holds --all": "record.holds",
    "record searches": "record.searches",
    "record register list --person x": "record.register",
    "audit list --tenant fgw --from 2026-03-01 --to 2026-03-31": "audit.list",
    "audit verify": "audit.verify",
    "mail list --state failed": "mail.list",
}
ACTING = {
    "hosts enrol fgw --tenant fgw --ring 2 --yes": "machines.enrol",
    "hosts retire fgw --yes": "machines.retire",
    "hosts retire fgw --lost --reason stolen --yes": "machines.give_up",
    "hosts transfer fgw --tenant czj --yes": "machines.transfer",
    "hosts import {folder}/site.zip --column name=计算机名 --yes": "machines.import_machines",
    "hosts mend fgw --yes": "machines.mend",
    "security refresh --yes": "machines.refresh_signatures",
    "security clear f_3k7 --reason deleted --yes": "machines.clear_findings",
    "rollouts create --kind patches --snapshot p1 --reason x": "rollouts.create",
    "rollouts release 4 --yes": "rollouts.release",
    "rollouts pause 4 --reason x --yes": "rollouts.pause",
    "rollouts resume 4 --yes": "rollouts.resume",
    "rollouts abort 4 --reason x --yes": "rollouts.abort",
    "rollouts rollback 4 --reason x --yes": "rollouts.rollback",
    "freezes set --reason x": "freezes.set",
    "freezes lift 3 --second li --reason x --yes": "freezes.lift",
    "apply 7f3a9c1e --yes": "apply",
    "apply tenant:fgw --yes": "apply",
    "tenants import {folder} --yes": "import_tenants",
    "tenants export {folder}/new": "export_tenants",
    "tenants offboard dagj --confirm=dagj --archive {folder}/a.tar.gz": "offboard",
    "drift keep dns:fgw.qingdao.test/A --until 2027-01-31 --reason x --yes": "drift_keep",
    "drift accept dns:fgw.qingdao.test/A --reason x --yes": "drift_accept",
    "drift revert dns:fgw.qingdao.test/A --yes": "drift_revert",
    "snapshots sync --yes": "snapshots.sync",
    "snapshots import {folder} --yes": "snapshots.take",
    "snapshots publish p20261128-174819 --ring 1 --yes": "snapshots.publish",
    "snapshots prune --kind patches --yes": "snapshots.prune",
    "runs stop 482": "stop_run",
    "runs resume 482 --yes": "resume_run",
    "runs undo 482 --yes": "undo_run",
    "tenants restore dagj --to 2026-11-24 --what site --yes": "restores.plan",
    "sites publish fgw.qingdao.test {folder}/site.zip": "publish_release",
    "sites preview fgw.qingdao.test 3f9a12 --yes": "preview_release",
    "sites activate fgw.qingdao.test 3f9a12 --yes": "activate_release",
    "sites rollback fgw.qingdao.test --yes": "rollback_release",
    "sites maintenance fgw.qingdao.test on --yes": "maintenance",
    "sites prune fgw.qingdao.test --yes": "prune_releases",
    "attachments add 147 {folder}/site.zip --yes": "attachments.add",
    "attachments remove 147 12 --yes": "attachments.remove",
    "attachments scan": "attachments.scan",
    "posts write fgw.qingdao.test --title x --text y --yes": "posts.save",
    "posts withdraw fgw.qingdao.test 12 --yes": "posts.withdraw",
    "posts build fgw.qingdao.test": "posts.build",
    "requests new fgw public_site --note x": "requests.draft",
    "requests submit 147 --yes": "requests.submit",
    "requests sign 147 --reason x --yes": "requests.sign",
    "requests letter 147 --number 14 --date 2026-11-24 --brought-by x --yes": "requests.letter",
    "requests return 147 --reason x --yes": "requests.send_back",
    "requests refuse 147 --reason x --yes": "requests.refuse",
    "requests withdraw 147 --yes": "requests.withdraw",
    "requests answer 147 --text x --yes": "requests.answer",
    "requests comment 147 --text x": "requests.comment",
    f"requests import {__file__} --tenant fgw --service directory --yes": "requests.take_rows",
    "requests mark 147 web:web/web.vhost/fgw": "requests.mark",
    "requests retry 147 --yes": "requests.retry",
    "users grant wangwei operator --reason x --yes": "people.grant",
    "tokens create wangwei --name backup --scope tenants:read --yes": "tokens.create",
    "tokens revoke 12 --yes": "tokens.revoke",
    "webhooks create tickets https://hooks.example.test/ --about run --yes": "webhooks.create",
    "webhooks rotate 3 --yes": "webhooks.rotate",
    "webhooks end 3 --yes": "webhooks.end",
    "webhooks resend 12 --yes": "webhooks.resend",
    "users revoke wangwei operator --reason x --yes": "people.revoke",
    "users add night": "people.add",
    "users leave wangwei --reason x --yes": "people.leave",
    f"accounts import {__file__} --yes": "staff.take",
    "accounts add zhangsan 张三 --tenant fgw --yes": "staff.add",
    "accounts leave zhangsan --reason x --yes": "staff.leave",
    "accounts issue fgw --reason x --yes": "sheets.issue",
    "accounts groups make fgw/leaders --zh 领导 --yes": "groups.change",
    "accounts groups rename fgw/leaders --to heads --yes": "groups.change",
    "accounts groups end fgw/leaders --yes": "groups.change",
    "accounts groups put fgw/leaders zhangsan --yes": "groups.change",
    "accounts review decide fgw --left zhangsan --rest --yes": "reviews.decide",
    "accounts review move 7 --yes": "reviews.move",
    "accounts reset zhangsan --reason x --yes": "sheets.issue",
    "accounts open 12 --to {folder} --yes": "sheets.open",
    "people erase zhangsan --reason x --confirm=cdcdcdcd": "persons.erase",
    "classes propose {folder}/table.yaml --reason x --yes": "classes.propose",
    "internet policy set {folder}/table.yaml --reason x --yes": "policies.add",
    "classes sign 3 --yes": "classes.sign",
    "emergencies apply 147 --reason x --yes": "emergencies.apply",
    "emergencies review 3 --text x --yes": "emergencies.review",
    "classes refuse 3 --reason x --yes": "classes.refuse",
    "substitutes name lina approver --tenant fgw --until 2026-12-31 --reason x --yes": "substitutes.name",
    "substitutes end 12 --reason x --yes": "substitutes.end",
    "users reset account:night --yes": "people.reset",
    "internet set fgw --off --yes": "internet.change",
    "internet set fgw --block .games.test --reason x --yes": "internet.change",
    "mail retry 12 --yes": "mail.retry",
    "record purge --yes": "record.purge",
    "record hold set --case Q-118 --reason court --from 2026-11-24 --to 2026-11-25 --yes": "record.hold",
    "record hold lift 3 --second Wang --reason closed --yes": "record.lift",
    "record register add 10.94.1.10 --machine PC --from 2026-11-24 --yes": "record.add_to_register",
    "record register import {folder}/site.zip --yes": "record.add_to_register",
}

#: What works from another machine, too; all the rest is refused there with the way to do it.
THERE = {
    line: method
    for line, method in (LISTING | ACTING).items()
    if line.split()[0]
    in (
        *("plan", "apply", "drift", "runs", "rollouts", "freezes", "requests", "posts", "accounts"),
        *("status", "explain", "probes", "hosts", "snapshots", "classes"),
    )
    or line.startswith(("tokens", "webhooks", "internet policy", "substitutes", "emergencies", "tenants restore"))
    or method in ("publish_release", "room", "prune_releases", "attachments.list", "attachments.add")
    or method in ("attachments.remove", "attachments.fetch")
    or method in ("tenants", "tenant", "sites", "audit.list", "people.list", "people.show")
    or method in ("internet.list", "internet.show", "internet.refusals")
    or (line.startswith("security") and method != "by_itself.status")
}
#: What answers with a secret, which no program gets, and what reads a file of the centre's own machine.
for refused in (
    *("sheets.open", "tokens.create", "webhooks.create", "webhooks.rotate"),
    *("machines.import_machines", "snapshots.take"),
):
    THERE.pop(next(line for line, method in THERE.items() if method == refused))
#: Whoever has a token is the second person themselves.
THERE["freezes lift 3 --reason x --yes"] = THERE.pop("freezes lift 3 --second li --reason x --yes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.zip").write_bytes(b"PK")
    (tmp_path / "table.yaml").write_text("most_tenants: 22\n")
    return tmp_path


def words(line: str, folder: Path) -> list[str]:
    return line.format(folder=folder).split()


@pytest.mark.parametrize(
    ("gasp", "line", "output"),
    [
        *(("here", line, o) for line in LISTING | ACTING for o in ("table", "wide", "json", "yaml", "csv", "name")),
        *(("there", line, output) for line in THERE for output in ("table", "json")),
    ],
    indirect=["gasp"],
)
def test_every_verb_calls_its_method_and_answers_in_every_form(
    gasp: Gasp, folder: Path, line: str, output: str
) -> None:
    under_way = {"run": run("running")} if line.startswith("runs stop") else {}
    answer = gasp(*words(line, folder), "-o", output, **under_way)
    assert answer.code == 0, answer.err
    assert answer.client.called((LISTING | ACTING | THERE)[line])
    assert answer.out.strip()
    assert "\x1b" not in answer.out + answer.err
    if output == "json":
        assert isinstance(answer.json, dict)
    if output == "yaml":
        assert isinstance(yaml.safe_load(answer.out), dict)
    if output == "csv":
        assert answer.out.startswith("\ufeff")
        assert len({len(row) for row in csv.reader(io.StringIO(answer.out[1:], newline=""))}) == 1


ACTS = [*(("here", line) for line in ACTING), *(("there", line) for line in THERE if line not in LISTING)]


@pytest.mark.parametrize("line", [line for line in LISTING | ACTING if line not in THERE])
@pytest.mark.parametrize("gasp", ["there"], indirect=True)
def test_what_is_not_there_is_refused_with_the_way(gasp: Gasp, folder: Path, line: str) -> None:
    answer = gasp(*words(line, folder))
    assert (answer.code, answer.out) == (4, "")
    assert "elsewhere" in answer.err
    assert not answer.client.acted


@pytest.mark.parametrize(("gasp", "line"), ACTS, indirect=["gasp"])
def test_dry_run_changes_nothing(gasp: Gasp, folder: Path, line: str) -> None:
    state = {"rollouts pause": "running", "rollouts resume": "paused"}.get(" ".join(line.split()[:2]), "stopped")
    answer = gasp(*words(line, folder), "--dry-run", **{"rollouts.show": {**SHOWN, "state": state}})
    assert answer.code == 0, answer.err
    assert not answer.client.acted
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("gasp", "line"), [one for one in ACTS if "--yes" in one[1] or "--confirm" in one[1]], indirect=["gasp"]
)
def test_without_terminal_and_consent_nothing_is_done(gasp: Gasp, folder: Path, line: str) -> None:
    bare = [w for w in words(line, folder) if not w.startswith(("--yes", "--confirm"))]
    answer = gasp(*bare)
    if line.startswith(("runs undo", "tenants restore")):
        # Either without a yes only makes the plan, which changes nothing, and says how to carry it out.
        assert answer.code == 0
        assert "gasp apply 7f3a9c1e" in answer.out
    else:
        assert answer.code == 4
        assert "--yes" in answer.err or "--confirm=" in answer.err
    assert not answer.client.acted


@pytest.mark.parametrize("line", [line for line in ACTING if not line.startswith("tenants export")])
def test_context_is_said_before_an_act(gasp: Gasp, folder: Path, line: str) -> None:
    assert "Estate qingdao in lab, state in /var/lib/gasp." in gasp(*words(line, folder)).err


@pytest.mark.parametrize(("gasp", "line"), [one for one in ACTS if one[0] == "there"], indirect=["gasp"])
def test_so_is_the_context_elsewhere(gasp: Gasp, folder: Path, line: str) -> None:
    answer = gasp(*words(line, folder))
    assert re.search(r"At https://localhost:\d+, context city\.", answer.err)


def commands(group: Group = root, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    ctx = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = [(path, group)]
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, Group):
            found += commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


COMMANDS = commands()


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(p) or "gasp" for p, _ in COMMANDS])
def test_help_starts_with_two_examples_in_both_languages(
    gasp: Gasp, path: tuple[str, ...], command: click.Command
) -> None:
    english, chinese = (gasp(*path, "--help", env={"GASP_LANG": lang}) for lang in ("en", "zh_CN"))
    assert (english.code, chinese.code) == (0, 0)
    assert isinstance(command, (Command, Group))
    lines = english.out.splitlines()
    assert lines[0] == "Examples:"
    assert lines[1].startswith("  ")
    assert "gasp" in lines[1]
    assert len(command.examples) == 2
    for example, why in command.examples:
        assert example in english.out
        assert example in chinese.out
        assert why.render("en")[:30] in english.out.replace("\n" + " " * 48, " ")
    assert chinese.out != english.out
    with in_language("zh_CN"):
        translated = str(command.sentence)
    assert translated != command.sentence.msgid, "the help is not translated"
    assert all(len(line) <= 110 for line in chinese.out.splitlines())
    for parameter in command.params:
        assert getattr(parameter, "sentence", None), f"{parameter.name} has no help"


def test_every_example_is_a_command_line_that_parses() -> None:
    """What the help teaches must work as typed: the verb exists and its options and arguments are accepted."""
    import shlex

    for path, command in COMMANDS:
        for example, _ in command.examples:  # type: ignore[attr-defined]
            for part in example.replace('eval "$(gasp completion bash)"', "gasp completion bash").split("&&"):
                argv = shlex.split(part.split("|")[-1].split(">")[0])
                argv = argv[argv.index("gasp") + 1 :]
                group: click.Command = root
                ctx = click.Context(root, info_name="gasp")
                while isinstance(group, Group) and argv:
                    found = group.get_command(ctx, argv[0])
                    assert found is not None, (path, example)
                    group, argv = found, argv[1:]
                files = [
                    w.replace("site.zip", __file__)
                    .replace("list.csv", __file__)
                    .replace("policy.yaml", __file__)
                    .replace("people.xlsx", __file__)
                    .replace("fgw.csv", __file__)
                    .replace("tenants/qingdao", "/")
                    .replace("fgw.yaml", "/")
                    .replace("form.yaml", __file__)
                    .replace("table.yaml", __file__)
                    .replace("minutes.pdf", __file__)
                    if before != "--output"  # that one must not be there yet
                    else w
                    for before, w in zip(["", *argv], argv, strict=False)
                ]
                if "xargs" in part:
                    files.insert(0, "some-id")
                group.make_context("x", files, parent=click.Context(root, obj=None))


def test_unknown_words_name_the_nearest(gasp: Gasp) -> None:
    for argv, near in (
        (["tenant"], "gasp tenants"),
        (["runs", "lst"], "gasp runs list"),
        (["hosts", "show", "wbe"], "web"),
        (["drift", "revert", "dns:fgw.qingdao.test/B", "--dry-run"], "dns:fgw.qingdao.test/A"),
        (["tenants", "list", "--filter", "satus=served"], "status"),
        (["plan", "--exit-cod"], "--exit-code"),
    ):
        answer = gasp(*argv)
        assert answer.code in (2, 4), argv
        assert near in answer.err, argv
        assert "Error:" in answer.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(gasp: Gasp, shell: str) -> None:
    answer = gasp("completion", shell)
    assert answer.code == 0
    assert "_GASP_COMPLETE" in answer.out


def test_completion_knows_nouns_verbs_and_options(gasp: Gasp) -> None:
    def complete(line: str) -> str:
        env: dict[str, Any] = {
            "_GASP_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        return gasp(env=env).out

    assert "plain,tenants" in complete("gasp ten")
    assert "plain,offboard" in complete("gasp tenants off")
    assert "plain,--exit-code" in complete("gasp plan --exit")


def test_no_words_shows_the_help_and_is_a_usage_error(gasp: Gasp) -> None:
    answer = gasp()
    assert answer.code == 2
    assert answer.out == ""
    assert "gasp plan" in answer.err


@both
def test_faults_and_notes_of_machines_are_words_in_a_table_and_codes_for_a_program(gasp: Gasp) -> None:
    table = gasp("hosts", "list").out
    assert "antivirus stopped" in table and "twice" in table
    assert "engine-dead" not in table
    assert gasp("hosts", "list", "-o", "json").json["items"][0]["faults"] == ["engine-dead"]


@both
def test_a_finding_of_a_machine_comes_with_what_helps(gasp: Gasp) -> None:
    shown = gasp("hosts", "show", "fgw").out
    assert "1 finding is open" in shown and "gasp security findings --open --tenant" in shown
