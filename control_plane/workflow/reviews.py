"""The quarterly review of departments' people: asked for by the worker, decided by the department, made real as usual.

Who left is cut at once, other groups are wished or asked for, who moved is moved by the centre. Begins and reminders
follow from the quarter and the database alone, so the worker may be killed anywhere.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.notice import Notice, NoticeKind, one_line
from control_plane.model.people_review import MOST_WORDS, PERIOD, TITLES, Decision, Review, Said, begin_of, quarter_of
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.model.windows import moment_words
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.request_begun import untouched
from control_plane.workflow.staff import Staff
from control_plane.workflow.staff_list import groups_of
from control_plane.workflow.staff_wish import Census, Entry
from control_plane.workflow.wishes import claims_of

if TYPE_CHECKING:
    from control_plane.workflow.requests import Requests

Json = dict[str, Any]
#: Whoever is told, in the department.
ROLES = ("clerk", "approver")
_ORDER = {"overdue": 0, "due": 1, "done": 2}


@dataclass(frozen=True)
class Reviews:
    """Implements `model.client_reviews.ReviewsClient`. `requests` are asked for when groups become a request."""

    store: Store
    staff: Staff
    requests: Callable[[], Requests]
    clock: Callable[[], datetime]
    actor: Callable[[], Actor]

    # looking ------------------------------------------------------------------------------------------------------
    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """See `ReviewsClient.list`."""
        now = self.clock()
        asked = [one for one in self.store.reviews.list() if everything or one.state(now) != "done" or one.moves]
        known = self._census().known if any(one.moves for one in asked) else {}
        rows = [self._row(one, known) for one in asked]
        found = [row for row in rows if everything or row["state"] != "done" or row["moves"]]
        return sorted(found, key=lambda row: (_ORDER[row["state"]], row["due_at"], row["tenant"]))

    def show(self, tenant: str) -> Json:
        """See `ReviewsClient.show`."""
        review, census = self._open(tenant), self._census()
        people = [
            {"uid": uid, "name": e.person["display_name"], "title": e.person.get("title"), "groups": [*_groups(e)]}
            for uid, e in _here(census, tenant).items()
        ]
        return {**self._row(review, census.known), "people": people}

    # deciding -----------------------------------------------------------------------------------------------------
    def decide(
        self, tenant: str, said: Mapping[str, Mapping[str, str]], *, rest: bool = False, ask: bool = False
    ) -> Json:
        """See `ReviewsClient.decide`."""
        with self.store.transaction():
            review, census = self._open(tenant), self._census()
            decided = _checked(_here(census, tenant), _names(census, tenant), said, rest)
            counts = {what.value: 0 for what in Decision} | Counter(one.what.value for one in decided.values())
            left = [uid for uid, one in decided.items() if one.what is Decision.LEFT]
            moves = {uid: one.more for uid, one in decided.items() if one.what is Decision.MOVED}
            others = {uid: groups_of(one.more) for uid, one in decided.items() if one.what is Decision.GROUPS}
            request = self._other_groups(tenant, others, ask) if others else None
            if left:
                self.staff.write_off(left, tenant=tenant, reason=f"review {review.quarter}")
            self.store.reviews.decide(review, counts, moves, self.actor())
        locked = self.staff.lock(left) if left else True
        head = {"tenant": tenant, "quarter": review.quarter, "counts": counts, "moves": moves}
        return {**head, "locked": locked, "request": request}

    def _other_groups(self, tenant: str, others: Mapping[str, builtins.list[str]], ask: bool) -> str | None:
        census = self._census()
        row, spec = census.rows[tenant], deepcopy(census.specs[tenant])
        for person in spec["people"]:
            if person["uid"] in others:
                person["groups"] = others[person["uid"]]
        if ask:
            requests = self.requests()
            draft = untouched(requests, tenant, row.offering)
            note = str(t("Other groups, by the review of people: {count}.", count=len(others)))
            saved = requests.save(draft["id"], spec=spec, note=note, version=draft["version"], computed=True)
            return str(saved["reference"])
        change = SubscriptionChange(tenant, row.offering, row.tier, spec, row.generation)
        self.store.estate.change(self.actor(), "review", [change], claims_of(census.catalogue, [change]))
        return None

    def move(self, review: int, *, on_event: Callable[[Json], None] | None = None) -> Json:
        """See `ReviewsClient.move`."""
        found = next((one for one in self.store.reviews.list() if one.id == review), None)
        if found is None:
            raise NotFound(t("There is no review {id}.", id=review), t("See gasp accounts review list."))
        census = self._census()
        moves = self._row(found, census.known)["moves"]
        known = {uid: code for uid, to in moves.items() if (code := census.code_of(to))}
        going = {uid: code for uid, code in known.items() if code != found.tenant}
        left = sorted(moves.keys() - going.keys())
        if not going:
            raise Rejected(
                t("Nobody of review {id} can be moved: no department of this centre is named.", id=review),
                t("Make a list with columns 单位 and 账号: gasp accounts import FILE"),
            )
        text = "单位,账号\n" + "".join(f"{code},{uid}\n" for uid, code in sorted(going.items()))
        content = text.encode()
        seen = self.staff.check(content)
        done = self.staff.take(content, digest=seen["digest"], confirm=seen["confirm"], on_event=on_event)
        return {"id": review, "moved": sorted(going), "left": left, "run": done["run"]}

    # by itself ----------------------------------------------------------------------------------------------------
    def tick(self) -> builtins.list[str]:
        """See `ReviewsClient.tick`."""
        now = self.clock()
        quarter, begin = quarter_of(now), begin_of(now)
        census, told = self._census(), []
        asked = {one.tenant for one in self.store.reviews.list() if one.quarter == quarter}
        since = {row.code: row.created_at for row in self.store.estate.tenants()}
        for code in sorted(census.specs.keys() - asked):
            # who came in this quarter has just said who is there
            if since[code] < begin and _here(census, code):
                with self.store.transaction():
                    if self.store.reviews.begin(census.rows[code].tenant_id, quarter, now + PERIOD):
                        self._tell(NoticeKind.REVIEW, census.rows[code].tenant_id, quarter, now + PERIOD)
                        told.append(code)
        late = {
            f"{one.tenant_id}/{one.quarter}": one for one in self.store.reviews.list() if one.state(now) == "overdue"
        }
        known = self.store.mail.known([f"review_late/{key}" for key in late])
        for key, one in sorted(late.items(), key=lambda item: item[1].tenant):
            if f"review_late/{key}" not in known:
                self._tell(NoticeKind.REVIEW_LATE, one.tenant_id, one.quarter, one.due_at)
                told.append(one.tenant)
        return told

    def _tell(self, kind: NoticeKind, tenant_id: str, quarter: str, due: datetime) -> None:
        params: dict[str, str | Text] = {"subject": quarter, "due": moment_words(due)}
        self.store.mail.notify(Notice(f"{kind}/{tenant_id}/{quarter}", kind, (), ROLES, (), tenant_id, params))

    # parts --------------------------------------------------------------------------------------------------------
    def _census(self) -> Census:
        return Census(self.staff.applier.planner.catalogue)

    def _open(self, tenant: str) -> Review:
        """The oldest that is still to be done: it is the one that is late first."""
        found = [one for one in self.store.reviews.list(tenant) if one.decided_at is None]
        if not found:
            raise NotFound(
                t("Nothing is to be confirmed about the people of {tenant} now.", tenant=tenant),
                t("It is asked once a quarter: gasp accounts review list --all"),
            )
        return found[-1]

    def _row(self, one: Review, known: Mapping[str, Entry]) -> Json:
        here = {uid for uid, entry in known.items() if entry.code == one.tenant and not entry.left}
        return {
            "id": one.id,
            "tenant": one.tenant,
            "quarter": one.quarter,
            "state": one.state(self.clock()),
            "opened_at": one.opened_at.isoformat(),
            "due_at": one.due_at.isoformat(),
            "decided_at": one.decided_at.isoformat() if one.decided_at else None,
            "decided_by": one.decided_by,
            "counts": dict(one.counts),
            "moves": {uid: to for uid, to in sorted(one.moves.items()) if uid in here},
        }


def _here(census: Census, tenant: str) -> dict[str, Entry]:
    return {uid: entry for uid, entry in census.known.items() if entry.code == tenant and not entry.left}


def _groups(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.person.get("groups", ()))


def _names(census: Census, tenant: str) -> frozenset[str]:
    return frozenset(group["name"] for group in census.specs.get(tenant, {}).get("groups", ()))


def _checked(
    here: Mapping[str, Entry], groups: frozenset[str], said: Mapping[str, Mapping[str, str]], rest: bool
) -> dict[str, Said]:
    """What was said of each, by uid. Raises Invalid with every fault; the field is the uid."""
    problems, found = [], dict[str, Said]()
    for uid in sorted(said.keys() - here.keys()):
        text = t("Nobody of this department has the account “{uid}”.", uid=uid[:80])
        problems.append(Problem("unknown-person", text, t("Load the list again."), field=uid[:80]))
    for uid, entry in here.items():
        word, more = said.get(uid, {}).get("what", ""), one_line(said.get(uid, {}).get("more", ""))[:MOST_WORDS]
        if not word and rest:
            word = Decision.STAYS
        if word not in list(Decision):
            text = t("Of {name} it is not said what became of them.", name=entry.person["display_name"])
            remedy = t("Say one of {words}.", words=", ".join(str(title) for title in TITLES.values()))
            problems.append(Problem("undecided", text, remedy, field=uid))
            continue
        found[uid] = Said(Decision(word), more)
        if word == Decision.MOVED and not more:
            text = t("Where {name} moved is not said.", name=entry.person["display_name"])
            problems.append(Problem("no-department", text, t("Write the name of the department."), field=uid))
        for name in groups_of(more) if word == Decision.GROUPS else ():
            if name not in groups:
                text = t("{name}: there is no group “{group}”.", name=entry.person["display_name"], group=name)
                remedy = t("Groups are: {names}.", names=", ".join(sorted(groups)) or "–")
                problems.append(Problem("unknown-group", text, remedy, field=uid))
    if problems:
        raise Invalid(problems)
    return found
