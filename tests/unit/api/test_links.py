"""Links of the document: whatever begins something leads on, or says here why not; what they name is there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from control_plane.api import application, openapi
from control_plane.api.forms import fields
from control_plane.api.links import NAMED, links
from control_plane.api.operation import OPERATIONS
from tests.unit.api.conftest import Programs
from tests.web.world import BASE

assert application.MODULES
#: What begins something and leads nowhere, and why.
LEADS_NOWHERE = {
    "check_rows": "it keeps nothing: the rows of a table are looked at for a form that was not begun",
    "measure_promises": "the answer is all there is: what was measured is not kept as a thing with an address",
}


def test_whatever_begins_something_leads_on_or_has_a_reason() -> None:
    begins = {one.id: one for one in OPERATIONS.values() if one.starts or one.method != "GET"}
    assert set(LEADS_NOWHERE) == {name for name, one in begins.items() if not links(one, one.form)}


@pytest.mark.parametrize("named", NAMED, ids=lambda one: f"{one.forms}: {one.address}")
def test_what_is_named_is_in_the_answer_and_has_an_address(named: Any) -> None:
    read = [
        *named.parts.values(),
        *(one for said in named.sends.values() for one in ([said] if isinstance(said, str) else said)),
    ]
    for form in named.forms.split():
        assert any(form in (one.form, one.rehearses) for one in OPERATIONS.values()), form
        assert {one.split("/")[0] for one in read if not one.startswith("$")} <= fields(form), form
        made = [
            target for one in OPERATIONS.values() for target in links(one, form) if form in (one.form, one.rehearses)
        ]
        assert any(OPERATIONS[target].path.startswith(f"/v1{named.address.rpartition('/')[0]}") for target in made), (
            form
        )


def test_a_link_says_every_part_of_the_address_that_it_leads_to(programs: Programs) -> None:
    document = openapi.document("1")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                for name, link in answer.get("links", {}).items():
                    target = OPERATIONS[link["operationId"]]
                    places = link.get("parameters", {})
                    assert name == target.id and status.startswith("2") and link["description"] == target.summary
                    assert set(re.findall(r"\{(\w+)\}", target.path)) == {one for one in places if "." not in one}
                    own = {said.removeprefix("$request.path.") for said in places.values() if "$request" in said}
                    assert own <= set(re.findall(r"\{(\w+)\}", path)), (operation["operationId"], name)
                    assert set(link.get("requestBody", {})) <= set(target.body.model_fields if target.body else ())
                    assert ("header.If-Match" in places) == (target.method == "PATCH")
    found = document["paths"]["/requests"]["post"]["responses"]["201"]["links"]
    assert found["sign"] == {
        "operationId": "sign",
        "description": "Sign what was shown.",
        "parameters": {"reference": "$response.body#/reference"},
        "requestBody": {"digest": "$response.body#/digest"},
    }
    assert {"request", "submit", "withdraw", "change_request"} <= set(found)
    assert set(document["paths"]["/requests/{reference}/withdrawals"]["post"]["responses"]["201"]["links"]) == {
        "request"
    }
    first = document["paths"]["/runs"]["get"]["responses"]["200"]["links"]
    assert first["run"]["parameters"] == {"number": "$response.body#/items/0/id"}
    page = programs.world.app.test_client(use_cookies=False).get("/api/v1/docs", base_url=BASE).text
    assert '<a href="#op-withdraw_job">withdraw_job</a>' in page
