"""The check as a whole: bounded in time and number; its findings as the page shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import requests
import schemathesis
from schemathesis.core.failures import FailureGroup

from control_plane.api import application
from control_plane.api.operation import OPERATIONS, Operation
from control_plane.model.text import Text, t, tn
from control_plane.settings import LONGEST_LINE
from nightly.any_input import CHECKS, examine
from nightly.asking import KEYS, Asker
from nightly.isolation import Finding, Isolation, names_somebody
from nightly.roles import BOUND, WHO

assert application.MODULES
#: Findings that are kept; all are counted.
KEPT = 50
LONGEST_CURL = 2000
Json = dict[str, Any]


class Check:
    """`only`: ids of the operations that are asked; without it all. `examples` of each kind an operation gets in each
    role; after `seconds` it ends where it is."""

    def __init__(
        self, askers: Mapping[str, Asker], own: str, other: str | None, only: Collection[str], examples: int,
        seconds: float,
    ) -> None:  # fmt: skip
        self.askers, self.own, self.other, self.examples = dict(askers), own, other, examples
        self.operations = [one for one in OPERATIONS.values() if not only or one.id in only]
        self.end = time.monotonic() + seconds
        self.found: dict[tuple[str, str, str], Finding] = {}
        self.left_out: list[Text] = []
        self.done: set[str] = set()
        self.complete = True

    def run(self, tell: Callable[[str], None]) -> Json:
        """Everything; `tell` hears how far it is. Returns what `Nightly.end` keeps."""
        answer = self.askers["operator"].ask("GET", "/openapi.json")
        answer.raise_for_status()
        document = answer.json()
        for step in (self._isolation(), self._any_input(document)):
            for what in step:
                tell(what)
                if time.monotonic() > self.end:
                    self.complete = False
                    break
        findings = [*self.found.values()]
        return {
            "version": document["info"]["version"],
            "complete": self.complete,
            "operations": len(self.done),
            "of": len(OPERATIONS),
            "cases": sum(asker.cases for asker in self.askers.values()),
            "found": len(findings),
            "findings": [
                {"operation": f.operation, "who": f.who, "what": f.what.as_json(), "curl": f.curl[:LONGEST_CURL]}
                for f in findings[:KEPT]
            ],
            "left_out": [text.as_json() for text in self.left_out],
        }

    def _note(self, finding: Finding) -> None:
        self.found.setdefault((finding.operation, finding.who, str(finding.what)), finding)

    # one department and another -----------------------------------------------------------------------------------
    def _isolation(self) -> Iterator[str]:
        if self.other is None:
            self.left_out.append(t("What departments see of each other: there are fewer than two with a website."))
            return
        inside = {who: self.askers[who] for who in ("clerk", "approver", BOUND)}
        isolation = Isolation(inside, self.askers["operator"], self.own, self.other)
        lacking: dict[str, list[str]] = {}
        for operation in self.operations:
            if (part := isolation.lacks(operation)) is not None:
                lacking.setdefault(part, []).append(operation.id)
            elif names_somebody(operation) or (operation.rehearses and operation.id == "ask"):
                self._noting(operation, isolation.compare)
            if "tenant" in operation.filters and operation.method == "GET":
                self._noting(operation, isolation.listed)
            yield f"isolation: {operation.id}"
        for part, names in lacking.items():
            said = t("Not compared, because {tenant} has no such thing ({part}): {names}.",
                     tenant=self.other, part=part, names=", ".join(names))  # fmt: skip
            self.left_out.append(said)

    def _noting(self, operation: Operation, look: Callable[[Operation], Iterator[Finding]]) -> None:
        try:
            for finding in look(operation):
                self._note(finding)
        except (requests.RequestException, ValueError, KeyError) as error:
            self._note(Finding(operation.id, "clerk", t("{why}", why=_short(error)), ""))

    # any input ----------------------------------------------------------------------------------------------------
    def _any_input(self, document: Json) -> Iterator[str]:
        schema = schemathesis.openapi.from_dict(document)
        there = {**_there(self.askers["operator"]), "code": self.own, "tenant": self.own, "scope": f"tenant:{self.own}"}
        stopped = [o.id for o in self.operations if o.method != "GET" and not o.rehearses]
        rehearsed = [o.id for o in self.operations if o.rehearses]
        for operation in self.operations:
            for role in WHO:
                one = schema.find_operation_by_id(operation.id)
                examine(one, self.examples, there, partial(self._send, operation, role))
            if time.monotonic() <= self.end:
                self.done.add(operation.id)
            yield f"any input: {operation.id}"
        if stopped:
            self.left_out.append(
                tn("{count} operation that begins something was asked without its key: role, address and body are"
                   " judged, then it is refused, and what comes after was not checked: {names}.",
                   "{count} operations that begin something were asked without their key: role, address and body are"
                   " judged, then they are refused, and what comes after was not checked: {names}.",
                   count=len(stopped), names=", ".join(stopped))
            )  # fmt: skip
        if rehearsed:
            self.left_out.append(
                tn("{count} operation was rehearsed only (dry_run): {names}.",
                   "{count} operations were rehearsed only (dry_run): {names}.",
                   count=len(rehearsed), names=", ".join(rehearsed))
            )  # fmt: skip

    def _send(self, operation: Operation, role: str, case: Any) -> None:
        if time.monotonic() > self.end:
            return
        asker = self.askers[role]
        for name in [name for name in case.headers or {} if name.lower() in KEYS]:
            del case.headers[name]
        if operation.rehearses:
            case.query = {"dry_run": True, **(case.query or {})}
        if _octets(case, asker) > LONGEST_LINE:
            return  # the server before the interface takes no such address
        try:
            answer = asker.patient(lambda: case.call(base_url=asker.base, **asker.sent))
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                self._note(Finding(operation.id, role, t("{why}", why=_short(failure)), _curl(case, asker)))
        except requests.RequestException as error:
            self._note(Finding(operation.id, role, t("{why}", why=_short(error)), _curl(case, asker)))


def _there(estate: Asker) -> Json:
    """Something of each kind that is there, by the names of parts and of fields."""
    found: Json = {"offering": "public_site", "action": "change", "number": 1}
    for path, fields in (
        ("/hosts?limit=1", {"name": "name"}),
        ("/accounts?limit=1", {"uid": "uid"}),
        ("/requests?limit=1", {"reference": "reference"}),
        ("/runs?limit=1", {"number": "id"}),
        ("/groups?limit=1", {"group": "name"}),
    ):
        for row in estate.rows(path)[:1]:
            found |= {part: row[name] for part, name in fields.items() if name in row}
    return found


def _octets(case: Any, asker: Asker) -> int:
    """Octets of the first line that would be sent."""
    sent = case.as_transport_kwargs(base_url=asker.base)
    address = requests.Request(sent["method"], sent["url"], params=sent.get("params")).prepare().path_url
    return len(f"{sent['method']} {address} HTTP/1.1")


def _short(error: Any) -> str:
    title = getattr(error, "title", None) or type(error).__name__
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{title}: {first}"[:300] if first and first != title else str(title)


def _curl(case: Any, asker: Asker) -> str:
    line: str = case.as_curl_command(headers={"Authorization": "Bearer x"}, base_url=asker.base)
    line = line.replace("curl ", f"curl --cacert {asker.authority} ", 1)
    return line.replace("'Authorization: [Filtered]'", '"Authorization: Bearer $TOKEN"')
