"""Every answer has the form that the document says, and the document says everything that there is."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from control_plane.api import application
from control_plane.api.forms import form as form_of
from control_plane.api.forms import forms
from control_plane.api.operation import OPERATIONS, Operation
from control_plane.model.people import ROLES, Act
from control_plane.model.problem_type import PROBLEM_TYPES
from control_plane.model.token import SCOPES
from tests.unit.api.conftest import Programs
from tests.web.world import BASE

assert application.MODULES, "operations are declared by them"
READING = [one for one in OPERATIONS.values() if one.method == "GET"]


@pytest.fixture(scope="module")
def filled(programs: Programs) -> Programs:
    """With something of everything: a request, a freeze, a plan, a job, a hand-made change."""
    world = programs.world
    world.person("clerk")
    text = base64.b64encode(b"Seven days.").decode()
    plan = {"name": "安排.txt", "content": text}
    draft = world.ask("clerk1", "fgw", "formed", submit=False)
    assert programs.post(f"/requests/{draft}/attachments", plan, "clerk").status_code == 201
    assert world.client.attachments.scan()["clean"] == 1
    assert programs.post(f"/requests/{draft}/submissions", None, "clerk").status_code == 201
    assert programs.post("/freezes", {"scope": "tenant:jyj", "reason": "audit"}).status_code == 201
    assert programs.post("/plans", {"scope": "tenant:fgw"}).status_code == 201
    world.directory.add("helper9", "fgw")
    world.store.people.ensure("directory:helper9", "九", "fgw", "directory:person/helper9")
    helper = {"person": "helper9", "role": "clerk", "tenant": "fgw", "until": "2026-12-31", "reason": "leave"}
    assert programs.post("/substitutions", helper, "clerk").status_code == 201
    policy = world.client.policies.show(0)["policy"] | {"last": []}
    assert programs.post("/internet-policies", {"policy": policy, "reason": "video is open"}).status_code == 201
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2026Q4", world.clock())
    world.client.sheets.issue("fgw", uids=["dingfanghui"], reason="new")
    given = {"name": "formed", "url": "https://hooks.example.test/", "families": ["run"]}
    hook = world.store.webhooks.get(world.client.acting_as("directory:operator1").webhooks.create(**given)["id"])
    world.store.webhooks.gather(hook, {hook.seen + 1: {"type": "run.ended"}}, hook.seen + 1)
    site = "/tenants/fgw/sites/fgw.qingdao.test"
    notice = {"title": "放假通知", "day": "2026-11-20", "file": plan}
    assert programs.post(f"{site}/notices", notice, "clerk").status_code == 201
    assert programs.post(f"{site}/notice-releases", None, "clerk").status_code == 201
    zone = world.drivers[0].things["dns:qingdao.test"]
    del zone[next(name for name in zone if name.startswith("dns:gaj."))]
    return programs


def address(programs: Programs, operation: Operation) -> str:
    digest = programs.world.client.status()["last_plan"]["digest"]
    named = {"code": "fgw", "offering": "public_site", "name": "fgw", "digest": digest, "reference": "R-2026-0001"}
    named |= {"uid": "dingfanghui", "group": "all", "site": "fgw.qingdao.test", "person": "operator1"}
    named |= {"name": "p20261124-020000"} if operation.id == "snapshot" else {}
    path = re.sub(r"\{(\w+)\}", lambda m: named.get(m[1], "1"), operation.path.removeprefix("/v1"))
    return f"{path}?subject=fgw" if operation.id == "explain" else path


def who(operation: Operation) -> str:
    """A role that gets the answer."""
    return "auditor" if operation.act in (Act.SEE_AUDIT, Act.SEE_PEOPLE) else "operator"


def schema(form: dict[str, Any]) -> dict[str, Any]:
    return {"$defs": forms()["$defs"], **form}


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.id)
def test_answers_fit_their_form(filled: Programs, operation: Operation) -> None:
    answer = filled.get(address(filled, operation), who(operation))
    assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.text
    form = schema(form_of(operation.form))
    rows = answer.json["items"] if operation.rows or operation.form == "audit" else [answer.json]
    assert rows or operation.id in ("emergencies", "class_tables")
    for row in rows:
        faults = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(form).iter_errors(row)]
        assert not faults, "\n".join(faults)
    if operation.rows:
        assert all(operation.rows in row for row in rows)
        assert len({row[operation.rows] for row in rows}) == len(rows)
        properties = schema_properties(form)
        assert {*operation.filters, operation.rows} <= properties, "a filter is a field of the form"


def schema_properties(form: dict[str, Any]) -> set[str]:
    found = {*form.get("properties", ()), *form.get("required", ())}
    if "$ref" in form:
        found |= schema_properties(form["$defs"][form["$ref"].rpartition("/")[2]])
    return found


@pytest.mark.parametrize("operation", [one for one in READING if one.rows], ids=lambda one: one.id)
def test_every_list_is_cut_filtered_and_sorted(filled: Programs, operation: Operation) -> None:
    where, role = address(filled, operation), who(operation)
    whole = filled.get(f"{where}?limit=200", role).json
    cut = filled.get(f"{where}?limit=1&fields={operation.rows}&sort={operation.rows}", role).json
    assert (len(cut["items"]), cut["total"]) == (min(1, whole["total"]), whole["total"])
    assert all(set(item) == {operation.rows} for item in cut["items"])
    assert bool(cut["next"]) == (whole["total"] > 1)
    for name in operation.filters:
        value = next((row[name] for row in whole["items"] if isinstance(row[name], str)), None)
        if value is not None and "," not in value:
            found = filled.get(f"{where}?limit=200&{name}={value}", role).json["items"]
            assert found
            assert all(row[name] == value for row in found)


def test_the_document_is_sound_and_whole(programs: Programs) -> None:
    answer = programs.world.app.test_client().get("/api/v1/openapi.json", base_url=BASE)
    document = answer.json
    assert document["openapi"].startswith("3.1")
    for name, component in document["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        Draft202012Validator.check_schema(component)
    declared = {(method.upper(), f"/v1{path}") for path, methods in document["paths"].items() for method in methods}
    routes = {
        (method, re.sub(r"<(?:int:)?(\w+)>", r"{\1}", rule.rule))
        for rule in programs.world.app.extensions["gasp-api"].url_map.iter_rules()
        for method in rule.methods - {"HEAD"}
    }
    pages = {("GET", f"/v1/{name}") for name in ("openapi.json", "docs", "docs.css")}
    assert declared | pages == routes
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_operations_name_what_exists() -> None:
    acts = {act for role in ROLES.values() for act in role.acts}
    for operation in OPERATIONS.values():
        assert operation.scope is None or operation.scope in SCOPES
        assert operation.act in acts or operation.scope is None
        assert set(operation.refuses) <= set(PROBLEM_TYPES)
        assert operation.summary.endswith((".", "`."))
        assert (operation.method == "POST") <= operation.starts, "whoever begins work says a key"
        assert operation.tenant is None or f"{{{operation.tenant}}}" in operation.path
    assert {one.scope for one in OPERATIONS.values()} - {None} == set(SCOPES)
