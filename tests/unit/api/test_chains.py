"""Schemathesis's state machine over the links of the document, in four roles: one act after the other, and still no
5xx, no status and no form but the declared, no traceback.

What is sent is right and its things are there; wrong input is for `test_any_input.py`. Each step is tried in the role
whose turn it is; what that role may not do or does not see, the next one does who may, so that chains go on.
What is wrong is collected, since the world is another one when a chain is tried again.
`GASP_API_CHAINS` sets how many chains each role begins at least in each family of operations.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from itertools import count, cycle
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.stateful.control import TransitionController

from control_plane.api import application
from control_plane.api.links import links
from control_plane.api.operation import OPERATIONS
from nightly.any_input import CHECKS
from nightly.roles import WHO
from tests.unit.api.conftest import Programs

assert application.MODULES
CHAINS = int(os.environ.get("GASP_API_CHAINS", "1"))
#: Steps of one chain.
STEPS = 9
#: Times that a family is gone through, at most, until every link that must be followed was.
MOST = 30
#: Operations that are tried together, and links between them that must be followed: such as can be again and again, or
#: that nothing else in the family takes away. The first request is signed first.
FAMILIES = {
    "signing": (
        "requests request sign comment request_parts mark_part",
        "requests>request request>sign request>comment request>request_parts",
    ),
    "emergencies": (
        "requests request make_emergency emergencies review_emergency job run",
        "requests>request request>make_emergency make_emergency>job",
    ),
    "answering": ("requests request send_back answer", "requests>request request>send_back"),
    "refusing": ("requests request record_letter refuse retry", "requests>request"),
    "asking": (
        "tenants tenant offerings ask request change_request submit",
        "tenants>tenant tenant>offerings offerings>ask ask>request ask>change_request change_request>request"
        " ask>submit",
    ),
    "withdrawing": ("ask request withdraw", "ask>request request>withdraw withdraw>request"),
    "files": ("ask requests request attach attachments detach attachment_content take_rows", "request>attachments"),
    "plans": (
        "make_plan plan apply job withdraw_job all_jobs run",
        "make_plan>plan make_plan>apply plan>apply all_jobs>job job>withdraw_job withdraw_job>job",
    ),
    "runs": (
        "runs run run_events stop_run resume_run undo_run plan job",
        "runs>run run>run_events run>resume_run resume_run>job",
    ),
    "holding": (
        "set_freeze freeze freezes lift_freeze drift keep_drift accept_drift revert_drift job",
        "set_freeze>freeze drift>revert_drift revert_drift>job",
    ),
    "departments": (
        "tenants tenant subscriptions subscription internet_of_all internet internet_refusals test_address"
        " internet_policies internet_policy make_internet_policy restore_tenant plan",
        "tenants>tenant internet_of_all>internet internet>internet_refusals internet_policies>internet_policy",
    ),
    "sites": (
        "sites releases room upload_release delete_releases build_notices",
        "sites>releases sites>room sites>build_notices",
    ),
    "notices": (
        "sites notice_board write_notice notice change_notice withdraw_notice notice_file",
        "sites>notice_board notice_board>notice",
    ),
    "people": (
        "accounts account users user let_leave add_account take_list issue_sheet reviews review decide_review"
        " move_reviewed request tenants tenant job",
        "accounts>account account>let_leave let_leave>job tenant>issue_sheet users>user",
    ),
    "groups": (
        "groups group make_group rename_group change_members end_group job withdraw_job",
        "groups>group group>end_group end_group>job",
    ),
    "machines": (
        "hosts host mend_host retire_host transfer_host enrol_host measure scan fetch_signatures findings"
        " settle_findings job",
        "hosts>host host>mend_host measure>job scan>job",
    ),
    "rollouts": (
        "rollouts rollout rollout_events create_rollout release_rollout pause_rollout resume_rollout abort_rollout"
        " roll_back_rollout snapshots snapshot fetch_snapshots publish_snapshot delete_snapshots job",
        "rollouts>rollout rollout>rollout_events",
    ),
    "duties": (
        "substitutions name_substitute end_substitution classes class_tables propose_classes sign_classes"
        " refuse_classes",
        "name_substitute>end_substitution",
    ),
    "deliveries": ("deliveries resend_delivery", "deliveries>resend_delivery"),
    "programs": (
        "token tokens end_token webhooks end_webhook",
        "token>end_token tokens>end_token end_token>tokens webhooks>end_webhook",
    ),
}
#: What is there, by the names of parts of addresses.
PLACES = {
    **{"code": "fgw", "name": "fgw", "site": "fgw.qingdao.test", "group": "all", "offering": "public_site"},
    **{"reference": "R-2026-0001", "number": 1},
}
#: The same by the names of fields of bodies, and what is right for them.
FIELDS: dict[str, Any] = {
    **{"tenant": "fgw", "offering": "public_site", "action": "change", "scope": "tenant:fgw", "column": "notices/"},
    **{"day": "2026-11-24", "date": "2026-11-24", "until": "2026-12-31", "to": "2026-11-24", "what": []},
    **dict.fromkeys(("tier", "file", "role", "part", "plan", "spec")),
    "confirm": "",
}
#: What else an operation needs in its body.
NEEDS: dict[str, dict[str, Any]] = {
    "name_substitute": {"person": "helper9", "role": "operator", "tenant": None, "since": None, "stands_for": None},
    "change_request": {"spec": {}, "tier": "S"},
    "set_freeze": {"scope": "tenant:jyj"},
    "apply": {"scope": None},
    "issue_sheet": {"uids": []},
    "write_notice": {"title": "a notice", "text": "x"},
}


@pytest.fixture(scope="module")
def document(programs: Programs) -> Any:
    """The document as Schemathesis reads it; no links but its own."""
    phase = {"inference": {"algorithms": []}, "generation": {"mode": "positive"}}
    without = {"constants": {"enabled": False}}  # what is drawn does not hang on which tests came before
    config = schemathesis.Config.from_dict({"phases": {"stateful": phase}, "analysis": without})
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", programs.world.app, config=config)


@pytest.fixture(scope="module", autouse=True)
def _filled(programs: Programs) -> None:
    """A world with something of each kind."""
    world = programs.world
    for role in WHO:
        programs.token(role)
    world.directory.add("helper9", "fgw")
    world.store.people.ensure("directory:helper9", "九", "fgw", "directory:person/helper9")
    reference = world.ask("clerk1", "fgw", "chains")
    NEEDS["ask"] = {
        "action": "change",
        "spec": world.client.acting_as("directory:clerk1").requests.show(reference)["spec"],
    }
    given = {"column": "notices/", "title": "a notice", "day": "2026-11-24", "text": "x"}
    world.client.acting_as("directory:clerk1").posts.save("fgw.qingdao.test", **given)
    operator = world.client.acting_as("directory:operator1")
    table = {**operator.classes.show()["table"], "most_tenants": 7}
    operator.classes.propose(table, reason="so that there is a proposal")
    hook = operator.webhooks.create(name="chains", url="https://hooks.example.test/", families=["run"])
    world.store.webhooks.gather(world.store.webhooks.get(hook["id"]), {9: {"type": "run.ended"}}, 9)
    zone = world.drivers[0].things["dns:qingdao.test"]
    zone.pop(next(name for name in zone if name.startswith("dns:gaj.")))


class Beginning(TransitionController):
    """Chains begin with what needs nothing that is there."""

    def allow_root_transition(self, source: str, bundles: Any) -> bool:
        """Whether it is its turn; never what has parts in its address."""
        return source in self.roots and super().allow_root_transition(source, bundles)


def machine_of(programs: Programs, document: Any, family: str, followed: Counter[str], faults: list[str]) -> Any:
    """A machine whose chains take the roles in turn. It counts the links that were followed, and tells `faults`."""
    turns, keys = cycle(WHO), count(1)
    base = document.include(operation_id=FAMILIES[family][0].split()).as_state_machine()

    class Machine(base):  # type: ignore[misc]
        def setup(self) -> None:
            self.control = Beginning(self._transitions, [one for one in self._root_labels if "{" not in one])
            programs.world.clock.advance(60)  # another minute for the limit
            role = next(turns)
            self.roles = [role, *(one for one in WHO if one != role)]

        def step(self, input: Any) -> Any:
            case = input.case
            self._mend(case, {name for _, name in input.applied_parameters})
            output = super().step(input)
            # what the world does not allow any more was led to, all the same; who may not, or sees nothing, was not
            if input.transition is not None and input.is_applied and output.response.status_code not in (403, 404):
                source = self.recorder.cases[input.transition.parent_id].value
                followed[f"{_id(source)}>{_id(case)}"] += 1
            return output

        def _mend(self, case: Any, linked: set[str | None]) -> None:
            needs = {**FIELDS, **NEEDS.get(_id(case), {})}
            for part, known in ((case.path_parameters, PLACES), (case.body, needs)):
                if isinstance(part, dict):
                    part.update({name: known[name] for name in (part.keys() & known.keys()) - linked})
            if isinstance(case.body, dict):
                case.body = {**NEEDS.get(_id(case), {}), **case.body}
            case.query = {name: value for name, value in (case.query or {}).items() if name == "dry_run"}
            case.headers.pop("If-None-Match", None)
            if case.method == "POST":
                case.headers["Idempotency-Key"] = f"{family}-{next(keys)}"

        def call(self, case: Any, **_: Any) -> Any:
            for role in self.roles:
                token = programs.token(role)
                sent = {"headers": {"Authorization": f"Bearer {token}", "Accept-Language": "en"}}
                response = case.call(**sent)
                if response.status_code not in (403, 404):
                    break
                self.validate_response(response, case)
            if _id(case) == "end_token" and response.status_code == 201 and response.json()["hint"] == token[-4:]:
                programs.tokens = {name: one for name, one in programs.tokens.items() if one != token}
            return response

        def validate_response(self, response: Any, case: Any, *_: Any, **sent: Any) -> None:
            try:
                case.validate_response(response, checks=CHECKS, transport_kwargs=sent, recorder=self.recorder)
            except FailureGroup as group:
                faults.extend(f"{_id(case)}: {failure}\n{response.text[:500]}" for failure in group.exceptions)

    return Machine


def _id(case: Any) -> str:
    found: str = case.operation.definition.raw["operationId"]
    return found


def test_every_operation_that_leads_on_or_is_led_to_has_a_family() -> None:
    linked = {one.id: links(one, one.form) for one in OPERATIONS.values()}
    ends = {name for name, leads in linked.items() if leads} | {name for leads in linked.values() for name in leads}
    mine = {name for names, _ in FAMILIES.values() for name in names.split()}
    assert ends - mine == set(), "these are in no family"
    assert mine <= set(OPERATIONS)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_act_after_the_other(programs: Programs, document: Any, family: str) -> None:
    followed, faults, must = Counter[str](), list[str](), set(FAMILIES[family][1].split())
    machine = machine_of(programs, document, family, followed, faults)
    careful = hypothesis.settings(
        max_examples=len(WHO), stateful_step_count=STEPS, deadline=None, database=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    for number in range(max(CHAINS, MOST)):
        if number >= CHAINS and must <= followed.keys():
            break
        with suppress(FlakyStrategyDefinition):  # it began as an earlier one, and the world had moved on
            hypothesis.seed(number)(machine).run(settings=careful)
    assert not faults, "\n\n".join(faults)
    assert must <= followed.keys(), must - followed.keys()
