"""Every answer has the documented form, and the documents say what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml
from jsonschema import Draft202012Validator

from control_plane.cli.base import Group
from control_plane.cli.main import gasp as root
from control_plane.model.errors import Invalid, Problem
from control_plane.model.plan import Memory, diff
from control_plane.model.resource import CouldNotMeasure, Foreign, Kind, Measured, Observed, Owner, Resource
from control_plane.model.text import t

from .conftest import Gasp
from .fake_client import AT

ROOT = Path(__file__).parents[3]
DOCUMENT = yaml.safe_load((ROOT / "control_plane/api/json-forms.yaml").read_text("utf-8"))
VERBS = {
    "plan": "plan",
    "runs undo 482": "plan",
    "apply 7f3a9c1e --yes": "run",
    "runs show 482": "run",
    "runs stop 482": "run",
    "runs resume 482 --yes": "run",
    "drift revert dns:fgw.qingdao.test/A --yes": "run",
    "runs list": "runs",
    "explain x": "explain",
    "status": "status",
    "doctor": "doctor",
    "hosts list": "hosts",
    "hosts show fgw": "host",
    "hosts enrol fgw --tenant fgw --yes": "host",
    "hosts transfer fgw --tenant czj --yes": "host",
    "hosts retire fgw --yes": "host_retired",
    "hosts retire fgw --lost --reason stolen --yes": "host_retired",
    "hosts import {folder}/site.zip --yes": "hosts_import",
    "hosts measure": "hosts_measured",
    "hosts mend fgw --yes": "host_mended",
    "security show": "security",
    "security status": "security_status",
    "security scan fgw": "security_scan",
    "security refresh --yes": "security_refresh",
    "security findings": "findings",
    "security clear f_3k7 --reason x --yes": "findings",
    "accounts list": "accounts",
    "accounts show zhangsan": "account",
    f"accounts import {__file__} --yes": "people_list",
    f"accounts import {__file__} --dry-run": "people_list",
    "accounts add zhangsan 张三 --tenant fgw --yes": "account_added",
    "accounts add zhangsan 张三 --tenant fgw --dry-run": "people_list",
    "accounts leave zhangsan --reason x --yes": "account_left",
    "accounts issue fgw --reason x --yes": "password_sheet",
    "accounts reset zhangsan --reason x --yes": "password_sheet",
    "accounts groups list": "groups",
    "accounts groups show fgw/leaders": "group",
    "accounts groups make fgw/leaders --zh 领导 --yes": "group_preview",
    "accounts groups make fgw/leaders --zh 领导 --dry-run": "group_preview",
    "accounts groups rename fgw/leaders --to heads --yes": "group_preview",
    "accounts groups end fgw/leaders --yes": "group_preview",
    "accounts groups put fgw/leaders zhangsan --yes": "group_preview",
    "accounts review list": "reviews",
    "accounts review show fgw": "review",
    "accounts review decide fgw --left zhangsan --rest --yes": "review_decided",
    "accounts review move 7 --yes": "review_moved",
    "accounts sheets": "password_sheets",
    "accounts open 12 --to {folder} --yes": "password_files",
    "people find zhangsan": "person_found",
    "people export zhangsan --reason x --to {folder}/all.zip": "person_exported",
    "people erase zhangsan --reason x --confirm=cdcdcdcd": "person_erased",
    "people erase zhangsan --reason x --dry-run": "person_found",
    "users leave wangwei --reason x --yes": "leaver_receipt",
    "tenants list": "tenants",
    "tenants show fgw": "tenant",
    "tenants import / --yes": "import",
    "tenants import / --dry-run": "import",
    "tenants diff /": "diff",
    "tenants export {folder}/new": "export",
    "tenants offboard dagj --dry-run": "offboard_preview",
    "tenants offboard dagj --confirm=dagj --archive {folder}/a": "receipt",
    "drift list": "drift",
    "drift keep x --until 2027-01-31 --reason y --yes": "drift",
    "drift accept x --reason y --yes": "drift",
    "sites list": "sites",
    "posts list fgw.qingdao.test": "posts",
    "attachments list 147": "attachments",
    "sites room s": "site_room",
    "sites prune s --yes": "sites_pruned",
    "attachments add 147 {folder}/site.zip --yes": "attachment",
    "attachments remove 147 12 --yes": "attachments",
    "attachments scan": "attachments_scan",
    "posts write fgw.qingdao.test --title x --text y --yes": "post",
    "posts withdraw fgw.qingdao.test 12 --yes": "post",
    "posts build fgw.qingdao.test": "post_release",
    "sites publish s {folder}/site.zip": "release",
    "sites preview s r --yes": "site_act",
    "sites activate s r --yes": "site_act",
    "sites rollback s --yes": "site_act",
    "sites maintenance s on --yes": "site_act",
    "snapshots list": "snapshots",
    "snapshots show p20261128-174819": "snapshot",
    "snapshots estimate": "disk_need",
    "snapshots sync --yes": "fetched",
    "snapshots import {folder} --yes": "fetched",
    "snapshots publish p20261128-174819 --ring 1 --yes": "publication",
    "snapshots prune --kind patches --yes": "pruned",
    "snapshots prune --kind patches --dry-run": "pruned",
    "internet list": "internet_list",
    "internet show fgw": "internet",
    "internet refused fgw": "internet_refused",
    "internet test fgw http://www.games.test/": "internet_path",
    "internet set fgw --off --yes": "internet_act",
    "internet policy list": "internet_policies",
    "internet policy show": "internet_policy",
    "internet policy set {folder}/table.yaml --reason x --yes": "internet_policy",
    "rollouts create --policy 3 --reason x": "rollout",
    "rollouts list": "rollouts",
    "rollouts show 4": "rollout",
    "rollouts create --kind patches --snapshot p1 --reason x": "rollout",
    "rollouts create --kind patches --snapshot p1 --reason x --dry-run": "rollout_preview",
    "rollouts release 4 --yes": "rollout",
    "rollouts pause 4 --reason x --yes": "rollout",
    "rollouts resume 4 --yes": "rollout",
    "rollouts abort 4 --reason x --yes": "rollout",
    "rollouts rollback 4 --reason x --yes": "rollout",
    "freezes list": "freezes",
    "freezes set --reason x": "freeze",
    "freezes lift 3 --second li --reason x --yes": "freeze",
    "worker status": "worker",
    "probes list": "probes",
    "requests list": "requests",
    "requests show 147": "request",
    "requests new fgw public_site --note x": "request",
    "requests submit 147 --yes": "request",
    "requests submit 147 --dry-run": "request_preview",
    "requests new fgw public_site --dry-run": "request_problems",
    "requests sign 147 --reason x --yes": "request",
    "requests letter 147 --number 14 --date 2026-11-24 --brought-by x --yes": "request",
    "requests return 147 --reason x --yes": "request",
    "requests refuse 147 --reason x --yes": "request",
    "requests withdraw 147 --yes": "request",
    "requests answer 147 --text x --yes": "request",
    "requests comment 147 --text x": "request",
    "requests comment 147 --part web:web/web.vhost/fgw --text x": "request",
    "requests parts 147": "request_parts",
    f"requests import {__file__} --tenant fgw --service directory --yes": "request",
    f"requests import {__file__} --tenant fgw --service directory --dry-run": "request_rows",
    "requests mark 147 web:web/web.vhost/fgw": "request_parts",
    "requests retry 147 --yes": "request",
    "users list": "users",
    "tokens list": "tokens",
    "webhooks list": "webhooks",
    "webhooks create tickets https://hooks.example.test/ --about run --yes": "new_webhook",
    "webhooks rotate 3 --yes": "new_webhook",
    "webhooks end 3 --yes": "webhook",
    "webhooks deliveries": "deliveries",
    "webhooks resend 12 --yes": "delivery",
    "contexts list": "contexts",
    "tokens create wangwei --name backup --scope tenants:read --yes": "new_token",
    "tokens revoke 12 --yes": "token",
    "users show wangwei": "user",
    "users grant wangwei operator --reason x --yes": "user",
    "users revoke wangwei operator --reason x --yes": "user",
    "substitutes list": "substitutions",
    "substitutes name lina approver --tenant fgw --until 2026-12-31 --reason x --yes": "substitution",
    "substitutes end 12 --reason x --yes": "substitution",
    "substitutes staffing": "staffing",
    "emergencies list": "emergencies",
    "emergencies apply 147 --reason x --yes": "emergency",
    "emergencies review 3 --text x --yes": "emergency",
    "classes show": "classes",
    "classes history": "class_tables",
    "classes propose {folder}/table.yaml --reason x --yes": "class_table",
    "classes sign 3 --yes": "class_table",
    "classes refuse 3 --reason x --yes": "class_table",
    "users add night": "one_time_password",
    "users reset account:night --yes": "one_time_password",
    "probes run": "results",
    "config": "config",
    "db show": "database",
    "internet log --case Q --reason x --from 2026-11-24 --to 2026-11-25": "internet_log",
    "record status": "record_status",
    "record collect": "record_collect",
    "record verify": "record_verify",
    "record purge --yes": "record_purge",
    "record purge --dry-run": "record_purge",
    "record hold set --case Q --reason x --from 2026-11-24 --to 2026-11-25 --yes": "record_hold",
    "record hold lift 3 --second W --reason x --yes": "record_hold",
    "record holds": "record_holds",
    "record searches": "record_searches",
    "record register list": "record_register",
    "audit list": "audit",
    "audit verify": "audit_verify",
    "mail list": "mails",
    "mail retry 12 --yes": "mail",
    "record register add 10.94.1.10 --machine PC --from 2026-11-24 --yes": "record_added",
}


def schema(form: str) -> dict[str, Any]:
    found = DOCUMENT["forms"][form]
    inner = found["schema"]
    if found.get("list"):
        inner = {
            "type": "object",
            "required": ["items", "total", "next"],
            "additionalProperties": False,
            "properties": {"items": {"type": "array", "items": inner}, "total": {"type": "integer"}},
        }
        inner["properties"]["next"] = {"type": "null"}
    return {"$schema": DOCUMENT["$schema"], "$defs": DOCUMENT["$defs"], **inner}


def hold(form: str, data: Any) -> None:
    problems = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema(form)).iter_errors(data)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("form", DOCUMENT["forms"])
def test_forms_are_sound(form: str) -> None:
    Draft202012Validator.check_schema(schema(form))


@pytest.mark.parametrize(("line", "form"), VERBS.items())
def test_answers_fit_their_form(gasp: Gasp, tmp_path: Path, line: str, form: str) -> None:
    (tmp_path / "site.zip").write_bytes(b"PK")
    (tmp_path / "table.yaml").write_text("most_tenants: 22\n")
    answer = gasp(*line.format(folder=tmp_path).split(), "-o", "json")
    assert answer.code == 0, answer.err
    hold(form, answer.json)


def test_events_are_json_lines(gasp: Gasp) -> None:
    import json

    lines = gasp("runs", "follow", "482", "-o", "json").out.splitlines()
    assert len(lines) > 5
    for line in lines:
        hold("event", json.loads(line))


def test_errors_fit_their_form(gasp: Gasp) -> None:
    import json

    hold("error", json.loads(gasp("plan", "-o", "json", plan=Invalid([Problem("x", t("bad"), field="a")])).err))
    hold("error", json.loads(gasp("plan", "-o", "json", plan=RuntimeError("x")).err))
    hold("error", json.loads(gasp("plan", "-o", "json", "--none").err))


def test_a_plan_of_the_engine_fits_its_form() -> None:
    """The model's own JSON, with every list filled."""
    from datetime import UTC, datetime

    now = datetime(2026, 11, 24, tzinfo=UTC)
    owner = Owner("t_1", "fgw", "public_site")
    kinds = {"k": Kind("k", "dns", 50)}
    wanted = {i: Resource(f"dns:{i}", "k", part, owner, {"a": i}) for i, part in (("1", "dns:a"), ("2", "dns:b"))}
    seen = {
        "dns:3": Observed("dns:3", "k", owner.marker, {}),
        "dns:4": Observed("dns:4", "k", owner.marker, {}, retiring_until=datetime(2026, 11, 25, tzinfo=UTC)),
    }
    looks = [
        Measured("dns:a", now, seen, (Foreign("dns:f", "k", "f", ("dns:1",)),)),
        CouldNotMeasure("dns:b", now, t("SERVFAIL")),
    ]
    desired = {r.id: r for r in wanted.values()}
    plan = diff("estate", desired, looks, kinds, Memory({}, {}, {owner.marker: owner}), lambda *_: True, now)
    assert plan.changes
    assert plan.foreign
    assert plan.retiring
    hold("plan", plan.as_json())


def test_every_form_names_verbs_and_is_tested() -> None:
    assert set(VERBS.values()) | {"event", "error", "lab", "rollout_event"} == set(DOCUMENT["forms"])
    assert AT.endswith("+00:00")


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_pages_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    reference = tool("reference")
    assert reference.JSON_PAGE.read_text("utf-8") == reference.json_page(), "run tools/reference.py write"
    assert reference.CLI_PAGE.read_text("utf-8") == reference.cli_page(), "run tools/reference.py write"


def test_catalogue_is_complete() -> None:
    """Every sentence of the product is translated, none is fuzzy, unused or has other placeholders; `.mo` = `.po`."""
    assert tool("messages").faults() == []


def test_sentences_name_commands_that_exist() -> None:
    """A remedy that names a command must name one that can be typed."""
    wrong = []
    for message in tool("messages").template():
        text = message.id if isinstance(message.id, str) else " ".join(message.id)
        for words in re.findall(r"\bgasp ([a-z-]+)(?: ([a-z-]+))?", text):
            noun = root.get_command(click.Context(root), words[0])
            verb = noun.get_command(click.Context(noun), words[1]) if isinstance(noun, Group) and words[1] else noun
            if verb is None:
                wrong.append((words, text))
    assert wrong == []
