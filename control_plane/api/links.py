"""OpenAPI `links`: an answer that names a thing leads to what may be done with it. Made from operations and `NAMED`.

An answer that is the thing itself leads to every operation at its address; a list, and an answer that names it in
passing, to the one that shows it; an act upon it leads back to that. Must not know an operation by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from control_plane.api.operation import OPERATIONS, Operation
from control_plane.model.client import Json

_SITE = "/tenants/{code}/sites/{site}"
_GROUP = "/tenants/{code}/groups/{group}"


@dataclass(frozen=True)
class Named:
    """What answers of these forms name.

    `address`: where operations with it are. `parts`: part of that address → field of the answer, of its first row in a
    list; a part that is not there is the request's own. `sends`: field of a body → field of the answer, or of fields
    that are lists; where the address is no thing's, only operations that take it are meant. What begins with `$` is an
    expression already.
    """

    forms: str
    address: str
    parts: Mapping[str, str] = field(default_factory=dict)
    sends: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def is_thing(self) -> bool:
        """Whether the address is that of one thing."""
        return self.address.endswith("}")


#: Of two that lead to the same operation the first holds.
NAMED = (
    Named("plan", "/plans/{digest}", {"digest": "digest"}),
    Named("plan", "/runs", sends={"plan": "digest"}),
    Named("job jobs", "/jobs/{number}", {"number": "id"}),
    Named("run runs", "/runs/{number}", {"number": "id"}),
    Named("job emergency emergencies review_decided", "/runs/{number}", {"number": "run"}),
    Named("freeze freezes", "/freezes/{number}", {"number": "id"}),
    Named("drift", "/drift", sends={"ids": ["id"]}),
    Named("drift_answered", "/drift"),
    Named("rollout rollouts", "/rollouts/{number}", {"number": "id"}),
    # requests
    Named("offerings", "/requests",
          sends={"tenant": "$request.path.code", "offering": "offering", "action": "actions/0"}),
    Named("request_preview", "/requests/{reference}/submissions", sends={"digest": "digest"}),
    Named("request", "/requests/{reference}", {"reference": "reference"}, {"digest": "digest"}),
    Named("requests", "/requests/{reference}", {"reference": "reference"}),
    Named("request_rows", "/requests/{reference}"),
    Named("emergency emergencies review_decided", "/requests/{reference}", {"reference": "request"}),
    Named("request_parts", "/requests/{reference}/marks", sends={"part": "block", "content": "content"}),
    Named("request_marks", "/requests/{reference}/parts"),
    Named("attachment attachments", "/requests/{reference}/attachments/{number}", {"number": "id"}),
    # duties
    Named("substitution substitutions", "/substitutions/{number}", {"number": "id"}),
    Named("emergency emergencies", "/emergencies/{number}", {"number": "id"}),
    Named("classes", "/classes/{number}", {"number": "proposal/number"}, {"digest": "proposal/digest"}),
    Named("class_table class_tables", "/classes/{number}", {"number": "number"}, {"digest": "digest"}),
    Named("classes", "/classes", sends={"table": "table"}),
    Named("token tokens", "/tokens/{token}", {"token": "id"}),
    Named("webhook webhooks", "/webhooks/{number}", {"number": "id"}),
    Named("delivery deliveries", "/webhook-deliveries/{number}", {"number": "id"}),
    # departments
    Named("tenant tenants", "/tenants/{code}", {"code": "code"}),
    Named("subscriptions", "/tenants/{code}/subscriptions/{offering}", {"offering": "offering"}),
    Named("sites", _SITE, {"code": "tenant", "site": "site"}),
    Named("release post_release sites_pruned site_room", f"{_SITE}/releases"),
    Named("releases", f"{_SITE}/release-deletions", sends={"release": "release"}),
    Named("post", f"{_SITE}/notices/{{number}}", {"number": "id"}),
    Named("notice_board", f"{_SITE}/notices/{{number}}", {"number": "posts/0/id"}),
    Named("internet internet_list internet_path", "/tenants/{code}/internet", {"code": "tenant"}),
    Named("internet_policy", "/internet-policies", sends={"policy": "policy", "based_on": "number"}),
    Named("internet_policy internet_policies", "/internet-policies/{number}", {"number": "number"}),
    # people
    Named("accounts", "/accounts/{uid}", {"uid": "uid"}),
    Named("account", "/tenants/{code}/leavers", {"code": "tenant"}, {"uid": "uid"}),
    Named("users", "/users/{person}", {"person": "person"}),
    Named("group groups", _GROUP, {"code": "tenant", "group": "name"}),
    Named("reviews", "/tenants/{code}/review", {"code": "tenant"}),
    Named("review reviews", "/reviews/{number}", {"number": "id"}),
    # machines
    Named("host hosts", "/hosts/{name}", {"name": "name"}),
    Named("findings", "/findings/settlements", sends={"ids": ["id"]}),
    Named("findings_settled", "/findings"),
    Named("snapshot snapshots", "/snapshots/{name}", {"name": "id"}),
)  # fmt: skip


def links(operation: Operation, form: str) -> Mapping[str, Json]:
    """Where an answer of this form leads: the link by the operation."""
    found: dict[str, Json] = {}
    for named in NAMED:
        if form in named.forms.split() and _parts(named.address) <= {*named.parts, *_parts(operation.path)}:
            for target in _next(operation, form, named):
                if target is not operation or form == operation.rehearses:
                    found.setdefault(target.id, _link(operation, form, named, target))
    return found


def _next(operation: Operation, form: str, named: Named) -> list[Operation]:
    shows = [one for one in OPERATIONS.values() if one.method == "GET" and one.path == f"/v1{named.address}"]
    if (named.sends and not named.is_thing) or operation in shows:
        return _targets(named)
    if f"{operation.path}/".startswith(f"/v1{named.address}/"):
        above = f"/v1{named.address.rpartition('/')[0]}"
        return shows or [one for one in OPERATIONS.values() if one.method == "GET" and one.path == above]
    if not shows or (shows[0].form == form and not operation.rows):
        return _targets(named)
    return shows


def _targets(named: Named) -> list[Operation]:
    """Operations at the address, and those below it that need no further part; those that take what is sent."""
    found = (one for one in OPERATIONS.values() if f"{one.path}/".startswith(f"/v1{named.address}/"))
    at = [one for one in found if _parts(one.path) == _parts(named.address)]
    return [one for one in at if _sent(named, one)] if named.sends and not named.is_thing else at


def _sent(named: Named, target: Operation) -> list[str]:
    """Fields that a body is sent: those that it takes, of a thing those that it needs."""
    fields = target.body.model_fields if target.body is not None else {}
    return [name for name in named.sends if name in fields and (fields[name].is_required() or not named.is_thing)]


def _link(operation: Operation, form: str, named: Named, target: Operation) -> Json:
    begin = "items/0/" if operation.rows and operation.form == form else ""

    def expression(said: str) -> str:
        return said if said.startswith("$") else f"$response.body#/{begin}{said}"

    places = {
        part: expression(named.parts[part]) if part in named.parts else f"$request.path.{part}"
        for part in sorted(_parts(target.path))
    }
    if target.method == "PATCH":
        places["header.If-Match"] = "$response.header.ETag"
    found: Json = {"operationId": target.id, "description": target.summary}
    if places:
        found["parameters"] = places
    body: dict[str, Any] = {}
    for name in _sent(named, target):
        said = named.sends[name]
        body[name] = [*map(expression, said)] if isinstance(said, list) else expression(said)
    return {**found, "requestBody": body} if body else found


def _parts(address: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", address))
