"""Makes approved requests real: many at once become one apply, then every promise of theirs is measured.

Level-triggered: nothing is remembered but in the database, so the worker may be killed anywhere and the next turn goes
on. Each apply carries what was signed: the plan under the lease is held against it before anything is written. What
one department's request has wrong stops no other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from control_plane.model.content_check import UNCHECKED, CheckState, infected_release
from control_plane.model.errors import ControlPlaneError, StalePlan, TemporaryError, told_of
from control_plane.model.freeze import Freeze, Frozen, covering
from control_plane.model.plan import Plan
from control_plane.model.ports import Prober, ProbeResult
from control_plane.model.request import MOVING, OPEN, Request, RequestEvent, RequestState, Signoff
from control_plane.model.run import Actor, Event, EventType, RunState
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t, tn
from control_plane.store.audit import BY_ITSELF, Behalf
from control_plane.store.leases import LeaseLost
from control_plane.store.repository import Store
from control_plane.store.requests import behalf_of
from control_plane.store.run_rows import RunChange
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.request_duties import Duties
from control_plane.workflow.request_forms import RequestForms, Wish, clash_problem
from control_plane.workflow.request_journal import RequestJournal
from control_plane.workflow.request_machines import NamedMachines
from control_plane.workflow.request_plans import Agreed, RequestPlans, agreed, digest_of, lacking_of, moved
from control_plane.workflow.requests import Requests

LEASE = "requests"
#: Seconds until what waits is tried again: at first, and at most. It waits as long again as it has waited.
AGAIN_SECONDS, SELDOM_SECONDS = 10, 300
#: How long promises may take to be kept after the systems were changed, in seconds.
KEPT_SECONDS = 45
#: So many requests go into one apply, and so often a turn looks again at what moved.
MOST, ROUNDS = 200, 4
#: States of changes that are made.
DONE = ("applied", "already")
GOOD = (RunState.DONE, RunState.DONE_WITH_CONFLICTS)
#: What departments are told of a freeze: neither who nor why.
HELD = t("The centre has frozen what it would change.")


class PlanMoved(StalePlan):
    """The plan under the lease is not what was signed, for these requests."""

    def __init__(self, found: Mapping[int, tuple[Agreed, str]]) -> None:
        super().__init__(
            tn(
                "The world moved since {count} request was signed.",
                "The world moved since {count} requests were signed.",
                count=len(found),
            )
        )
        self.found = found


@dataclass(frozen=True)
class Item:
    """A request on its way, with what is still to be written and the subscriptions it reaches."""

    request: Request
    wish: Wish
    scope: tuple[str, ...]


@dataclass
class RequestTicker:
    """Moves approved requests on. What it does is the centre's own doing, whoever started the worker."""

    requests: Requests
    applier: Applier
    prober: Prober
    machines: NamedMachines

    def __post_init__(self) -> None:
        self.store: Store = self.requests.store
        self.forms: RequestForms = self.requests.forms
        self.plans: RequestPlans = self.requests.plans
        self.journal: RequestJournal = self.requests.journal
        self.clock = self.requests.planner.clock

    def tick(self) -> list[str]:
        """One turn; returns the references of what moved. Nothing is done while another process does it."""
        ended = self._close_ended()
        if not self.store.requests.list(states=MOVING, limit=1):
            return ended
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return []
        try:
            return ended + self._turn()
        finally:
            self.store.leases.release(lease)

    def _turn(self) -> list[str]:
        touched: set[str] = set()
        for _ in range(ROUNDS):
            items = self._items()
            if not items:
                break
            touched |= {item.request.reference for item in items}
            for batch in _apart(items):
                self._try(batch)
        touched |= set(self._measure())
        return sorted(touched)

    def _close_ended(self) -> list[str]:
        """What a department asked for ends with it: whoever gets its code finds nothing of it."""
        closed = []
        for request in self.store.requests.of_ended_tenants(OPEN | {RequestState.DRAFT}):
            why = t("The department {code} was ended.", code=request.content.tenant)
            values = {"state": RequestState.WITHDRAWN, "finished_at": self.clock(), "why": why}
            self.journal.step(request, RequestEvent.WITHDRAWN, None, {"why": why.as_json()}, values=values)
            closed.append(request.reference)
        return closed

    # --- what is to be done ---

    def _items(self) -> list[Item]:
        """Requests that are to be written or applied now, oldest first. What cannot be is settled on the way."""
        found = []
        now, freezes = self.clock(), self.store.freezes.list()
        for request in reversed(self.store.requests.list(states=MOVING)):
            if request.applied_at is not None or (request.why != UNCHECKED and self._rests(request, now)):
                continue
            if self._frozen(request, freezes):
                if request.why != HELD:  # nothing is tried meanwhile
                    self._wait(request, HELD)
                continue
            if self._shut(request):
                continue
            try:
                wish = self.forms.wish(request)
                scope = self.forms.scope(request, wish.spec)
            except Exception as error:  # one request's trouble, as below
                self._fail(request, told_of(error))
                continue
            gone = self._gone(request) if wish.change is not None else []
            if wish.clash:
                self._hand_back(request, wish.clash)
            elif gone:
                self._void(request, gone)
            else:
                found.append(Item(request, wish, scope))
        return found[:MOST]

    @staticmethod
    def _rests(request: Request, now: datetime) -> bool:
        """Whether it waits and was tried a moment ago: the longer it waits for the same, the longer this moment."""
        if request.why is None:
            return False
        tried = max(request.changed_at, request.tried_at or request.changed_at)
        waited = (tried - request.changed_at).total_seconds()
        return now < tried + timedelta(seconds=min(max(waited, AGAIN_SECONDS), SELDOM_SECONDS))

    def _frozen(self, request: Request, freezes: Sequence[Freeze]) -> bool:
        """Whether a freeze covers a department or a system of what was agreed on. Rings are left to the apply."""
        kinds = self.requests.planner.kinds
        systems = {kinds[row[1]].system for row in request.agreed.get("rows", ()) if row[1] in kinds}
        tenants = {request.content.tenant, *request.agreed.get("affected", ())}
        return any(covering(freezes, code, system=name) for code in tenants for name in systems or (None,))

    def _shut(self, request: Request) -> bool:
        """Whether it would show content that the antivirus engine has not passed. It waits for that; where malware was
        found it is over: the department brings other content."""
        for check in self.requests.new_contents(request):
            if check.state is CheckState.INFECTED:
                why = infected_release(check.name, check)
                values = {"state": RequestState.REFUSED, "finished_at": self.clock(), "why": why}
                self.journal.step(request, RequestEvent.REFUSED, None, {"why": why.as_json()}, values=values)
                return True
            if check.state is CheckState.WAITING:
                if request.why != UNCHECKED:
                    self._wait(request, UNCHECKED)
                return True
        return False

    def _gone(self, request: Request) -> list[Signoff]:
        """Signoffs of people who do not hold the role any more in which they signed."""
        tenant = request.content.tenant
        return [s for s in request.holding if not Duties(self.store, s.actor).still(s, tenant)]

    def _void(self, request: Request, gone: Sequence[Signoff]) -> None:
        """It waits for whoever holds these roles now; what others signed holds."""
        why = t("Somebody who signed it does not hold the role any more.")
        left = len(request.holding) - len(gone)
        values = {"state": RequestState.REVIEW if left else RequestState.SUBMITTED, "why": why}
        keys = frozenset(signoff.actor.key for signoff in gone)
        self.journal.step(
            request, RequestEvent.VOIDED, None, {"why": why.as_json()}, void=why, void_of=keys, values=values
        )

    # --- applying ---

    def _try(self, items: Sequence[Item]) -> None:
        """Apply a batch. What is wrong with single ones is found out and they are left out; a fault that cannot be
        told apart is tried one by one."""
        try:
            items = self._met(self._sound(items))
            if items:
                self._apply(items)
        except PlanMoved as error:
            for item in items:
                if item.request.id in error.found:
                    self._replanned(item, *error.found[item.request.id])
        except LeaseLost:
            raise
        except (TemporaryError, Frozen) as error:
            for item in items:
                self._wait(self._fresh(item), HELD if isinstance(error, Frozen) else error.text)
        except StalePlan:  # somebody wrote in between: the next round reads it
            return
        except Exception as error:  # whatever it is, it is one request's trouble and stops no other's
            if len(items) > 1:
                for item in items:
                    self._try([item])
            else:
                self._fail(self._fresh(items[0]), told_of(error))

    def _sound(self, items: Sequence[Item]) -> list[Item]:
        """Those whose wishes can be written together; the others are named."""
        while items:
            changes = [item.wish.change for item in items if item.wish.change is not None]
            _, problems = self.forms.trial(changes)
            bad = {p.where: p for p in problems if p.severity == "error"}
            wrong = [
                item for item in items if item.wish.change is not None and item.request.content.subscription in bad
            ]
            if not wrong:
                break
            for item in wrong:
                self._fail(item.request, bad[item.request.content.subscription].text)
            items = [item for item in items if item not in wrong]
        return list(items)

    def _met(self, items: Sequence[Item]) -> list[Item]:
        """Those whose machines are enrolled, now that it is agreed on; each of the others waits or fails by itself."""
        met = []
        for item in items:
            try:
                self.machines.meet(item.wish.change)
            except TemporaryError as error:
                self._wait(item.request, error.text)
            except ControlPlaneError as error:
                self._fail(item.request, told_of(error))
            else:
                met.append(item)
        return met

    def _apply(self, items: Sequence[Item]) -> None:
        started = [self._start(item) for item in items]
        scope = str(parse_scope(",".join(f"subscription:{name}" for item in started for name in item.scope)))
        runs: list[int] = []

        def commit() -> None:
            self.forms.write(
                [
                    (
                        _last_signer(item.request),
                        f"request {item.request.id}",
                        item.wish.change,
                        behalf_of(item.request),
                    )
                    for item in started
                    if item.wish.change is not None
                ]
            )

        def follow(event: Event) -> None:
            if event.type is EventType.CREATED:
                runs.append(event.run)

        writes = any(item.wish.change is not None for item in started)
        order = Order(
            scope, kind="request", spare="everything", commit=commit if writes else None,
            accept=lambda plan: self._accept(started, plan),
        )  # fmt: skip
        each = [behalf_of(item.request) for item in started]
        signed = dict.fromkeys(signoff for behalf in each for signoff in behalf.signoffs)
        with self.store.audit.under(Behalf([r for behalf in each for r in behalf.requests], tuple(signed))):
            self.applier.apply(order, self.store.actors.get(BY_ITSELF), follow)
        self._settle(started, runs[0])

    def _start(self, item: Item) -> Item:
        request = item.request
        if request.state is RequestState.APPROVED:
            values = {"state": RequestState.APPLYING, "why": None}
            request = self.journal.step(request, RequestEvent.STARTED, None, {"digest": request.digest}, values=values)
        return Item(request, item.wish, item.scope)

    def _accept(self, items: Sequence[Item], plan: Plan) -> None:
        """Hold the plan against what was signed. What was written before was accepted then: of it nothing more may be
        lost. Raises PlanMoved."""
        found: dict[int, tuple[Agreed, str]] = {}
        for item in items:
            reached, came_with = set(item.scope), self.machines.came_with(item.request)
            own = (c for c in plan.changes if f"{c.tenant}/{c.offering}" in reached and not came_with(c))
            short = agreed(own, self.requests.planner.personal)
            before = item.request.agreed
            more = set(short.lost) - set(before.get("lost", ()))
            if more or (item.wish.change is not None and moved(before, short)):
                found[item.request.id] = short, plan.digest
        if found:
            raise PlanMoved(found)

    def _settle(self, items: Sequence[Item], run_id: int) -> None:
        """What became of each request in a run. One was applied when the run ended well, or when all of its own was
        seen, done and verified: what others lack is not its own."""
        run = self.store.runs.get(run_id)
        plan = self.store.plans.load(run.digest).body if run.digest else {"changes": (), "unmeasured": (), "broken": ()}
        bad: dict[str, list[RunChange]] = {}
        for change in (changes := self.store.runs.changes(run_id)):
            if change.state not in DONE:
                bad.setdefault(f"{change.tenant}/{change.offering}", []).append(change)
        blocked = {f"{c['tenant']}/{c['offering']}": c["id"] for c in plan["changes"] if c["action"] == "conflict"}
        halted = run.state is RunState.STOPPED
        on_request = halted and self.store.runs.stop_requested(run_id)
        done = {change.resource_id for change in changes if change.state in DONE}
        lacking = None if halted else lacking_of(plan, done, self.store.runs.events(run_id))
        unseen = run.sentence or t("It was not seen whole.")
        for item in items:
            request = self._fresh(item)
            faults = [c for name in item.scope for c in bad.get(name, ())]
            real = [c for c in faults if c.state != "held"]
            hit = next((blocked[name] for name in item.scope if name in blocked), None)
            if real:
                change = real[0]
                place = f" ({change.file}:{change.line})" if change.file else ""
                text = t("{id}: {said}", id=f"{change.resource_id}{place}", said=change.text or change.state)
                self._fail(request, text, run_id)
            elif on_request:
                self._fail(request, t("Its run was stopped on request."), run_id)
            elif hit is not None:
                self._fail(request, t("{id} is blocked by what is not ours.", id=hit), run_id)
            elif halted or (faults and not plan["unmeasured"]):  # nothing but a freeze holds what is seen
                self._wait(request, HELD, run_id)
            elif run.state in GOOD or (lacking is not None and not lacking & set(item.scope)):
                values = {"run_id": run_id, "applied_at": self.clock(), "why": None}
                data = {"run": run_id, "digest": request.digest, "plan": run.digest}
                self.journal.step(request, RequestEvent.APPLIED, None, data, values=values)
            else:
                self._wait(request, unseen, run_id)

    # --- measuring ---

    def _measure(self) -> list[str]:
        """Measure the promises of what was applied; those that are kept are live."""
        found = [r for r in self.store.requests.list(states=MOVING) if r.applied_at is not None]
        if not found:
            return []
        names = {r.content.subscription for r in found if r.content.action != "end"}
        results: Sequence[ProbeResult] = ()
        if names:
            scope = parse_scope(",".join(f"subscription:{name}" for name in sorted(names)))
            results = self.prober.run(self.requests.planner.catalogue.probes(scope))
        for request in found:
            try:
                self._judge(request, results)
            except StalePlan:  # somebody wrote in between: the next turn measures again
                continue
        return [r.reference for r in found]

    def _judge(self, request: Request, results: Sequence[ProbeResult]) -> None:
        own = [r for r in results if f"{r.probe.tenant}/{r.probe.offering}" == request.content.subscription]
        bad = next((r for r in own if r.state in ("failed", "unmeasured")), None)
        if bad is None:
            values = {"state": RequestState.LIVE, "finished_at": self.clock(), "why": None}
            data = {"run": request.run_id, "promises": len(own), "late": self._late(request)}
            self.journal.step(request, RequestEvent.LIVE, None, data, values=values)
        elif self.clock() > (request.applied_at or self.clock()) + timedelta(seconds=KEPT_SECONDS):
            text = t("{promise}: {said}", promise=bad.probe.title, said=bad.text)
            self._fail(request, text, request.run_id)

    def _late(self, request: Request) -> bool:
        view = self.requests.view()
        until = view.due(request)
        return until is not None and until.at < self.clock()

    # --- what else can become of one ---

    def _replanned(self, item: Item, short: Agreed, plan: str) -> None:
        """The world moved: a new plan is kept with the request. Signoffs hold unless more is lost or others must sign;
        then they are void and it is decided anew."""
        request = self._fresh(item)
        if request.state is RequestState.APPLYING:
            request = self.journal.step(request, RequestEvent.WAITING, None, values={"state": RequestState.APPROVED})
        classified = self.plans.classified(request, item.wish.spec, short)
        content = request.agreed.get("content", "")
        names = moved(request.agreed, short)
        worse = bool(set(short.lost) - set(request.agreed.get("lost", ()))) or not set(classified.needs) <= {
            s.role for s in request.holding
        }
        values = {"digest": digest_of(content, short), "agreed": short.as_json(content)}
        data = {"moved": names[:50], "count": len(names), "signoffs_hold": not worse}
        why = t("The world moved since it was planned: {names}.", names=", ".join(names[:5]))
        with self.store.transaction():
            request = self.journal.step(
                request, RequestEvent.REPLANNED, None, {**data, "why": why.as_json()}, values=values
            )
            if worse:
                again = {
                    "state": RequestState.SUBMITTED,
                    "needs": classified.needs,
                    "change_class": classified.change_class,
                    "reasons": classified.reasons,
                    "why": why,
                }
                self.journal.step(request, RequestEvent.VOIDED, None, {"why": why.as_json()}, void=why, values=again)

    def _hand_back(self, request: Request, fields: Sequence[str]) -> None:
        """Somebody else changed the same fields: the department decides what it wants now."""
        why = clash_problem(fields[0]).text
        values = {**self.requests.paused(request), **self.forms.handed_back(request), "why": why}
        data = {"fields": list(fields), "why": why.as_json()}
        self.journal.step(request, RequestEvent.RETURNED, None, data, void=why, values=values)

    def _wait(self, request: Request, why: Text, run_id: int | None = None) -> None:
        """It stays as it is and is tried again by itself; said once for each reason."""
        if request.why is not None and request.why.as_json() == why.as_json():
            self.store.requests.tried(request, run_id)
            return
        values = {"why": why} if run_id is None else {"why": why, "run_id": run_id}
        self.journal.step(request, RequestEvent.WAITING, None, {"why": why.as_json(), "run": run_id}, values=values)

    def _fail(self, request: Request, why: Text, run_id: int | None = None) -> None:
        """A named person has to act."""
        request = self.store.requests.get(request.id)
        values = {"state": RequestState.FAILED, "why": why, "run_id": run_id or request.run_id}
        view = self.requests.view()
        told = view.has_it(replace(request, state=RequestState.FAILED))
        data = {"why": why.as_json(), "run": run_id, "told": told["names"]}
        self.journal.step(request, RequestEvent.FAILED, None, data, values=values)

    def _fresh(self, item: Item) -> Request:
        return self.store.requests.get(item.request.id)


def _last_signer(request: Request) -> Actor:
    return request.holding[-1].actor if request.holding else request.asker


def _apart(items: Sequence[Item]) -> list[list[Item]]:
    """Batches in which no two requests reach the same subscription."""
    batches: list[tuple[list[Item], set[str]]] = []
    for item in items:
        for batch, reached in batches:
            if not reached & set(item.scope):
                batch.append(item)
                reached |= set(item.scope)
                break
        else:
            batches.append(([item], set(item.scope)))
    return [batch for batch, _ in batches]
