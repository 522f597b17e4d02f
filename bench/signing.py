"""Departments that ask and people who sign, as a session of a browser does it: orders as lines of JSON.

`python -m bench.signing` runs in the environment of the control plane. Times are of the monotonic clock, which all
processes share.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from control_plane import wiring
from control_plane.model.request import FINAL, RequestState
from control_plane.workflow.local import LocalClient

ROLES = ("operator", "security_officer", "deputy_director")
OPEN = [state for state in RequestState if state not in FINAL | {RequestState.FAILED}]


class Office:
    """Everybody that a request needs."""

    def __init__(self) -> None:
        self.client = wiring.local_client()
        self.acting: dict[str, LocalClient] = {}

    def who(self, role: str) -> LocalClient:
        """The control plane as somebody with this role."""
        if role not in self.acting:
            self.acting[role] = self.client.acting_as(account(role))
        return self.acting[role]

    def hire(self, codes: Sequence[str]) -> int:
        """A clerk and an approver of all these departments, and one of each role of the centre; once."""
        store = self.client.store
        wanted = [(role, code) for role in ("clerk", "approver") for code in codes] + [(role, None) for role in ROLES]
        actor = store.actors.get("local:bench")
        with store.transaction():
            for role, code in wanted:
                person = store.people.ensure(account(role), role)
                if (role, code) not in {(grant.role, grant.tenant) for grant in person.grants}:
                    store.people.grant(person, role, code, None, "bench", actor)
        return len(wanted)

    def ask(self, code: str, alias: str) -> int:
        """One more name for the department's internal website: the number of the request, handed in as previewed."""
        clerk = self.who("clerk").requests
        draft = clerk.draft(code, "intranet", "change")
        spec = copy.deepcopy(draft["spec"])
        names = spec["sites"][0]["names"]
        names["aliases"] = [*names.get("aliases", ()), alias]
        clerk.save(draft["id"], spec=spec, note="bench")
        return int(clerk.submit(draft["id"], digest=clerk.preview(draft["id"])["digest"])["id"])

    def sign(self, numbers: Sequence[int]) -> list[float]:
        """Sign each with all roles that it needs; when the last signature of each was given."""
        given = []
        for number in numbers:
            shown = self.who("clerk").requests.show(number)
            for need in shown["needs"]:
                signing = self.who(need["role"]).requests
                signing.sign(number, digest=shown["digest"], role=need["role"])
            given.append(time.monotonic())
        return given

    def over(self, numbers: Sequence[int], seconds: float) -> dict[str, Any]:
        """Wait until all are live: when, how many runs that took, and what became of those that are not."""
        requests, end = self.client.store.requests, time.monotonic() + seconds
        while time.monotonic() < end:
            if not {row.id for row in requests.list(states=OPEN)} & set(numbers):
                break
            time.sleep(0.1)
        at, rows = time.monotonic(), [requests.get(number) for number in numbers]
        wrong = [f"{r.reference}: {r.state} {r.why or ''}" for r in rows if r.state is not RequestState.LIVE]
        return {"at": at, "runs": len({row.run_id for row in rows}), "wrong": wrong}


def account(role: str) -> str:
    """Who holds a role here."""
    return f"account:bench-{role}".replace("_", "-")


def main() -> None:
    """Orders `[name, arguments…]`, one a line; one answer each."""
    office = Office()
    for line in sys.stdin:
        name, *given = json.loads(line)
        print(json.dumps(getattr(office, name)(*given)), flush=True)


if __name__ == "__main__":
    main()
