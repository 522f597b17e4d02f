"""The audit trail: what kinds of acts it knows, what one entry says, and how its chain is computed.

People are in it by their opaque key. Must not be changed after it was written: that is the store's rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from control_plane.model.text import Text, t

#: What the first entry follows.
FIRST = "0" * 64


class AuditAct(StrEnum):
    """What was done. Each has one sentence (`SENTENCES`); the part before the dot is its family."""

    RUN_BEGAN = "run.began"
    RUN_ENDED = "run.ended"
    RUN_STOP = "run.stop"
    TENANTS_IMPORTED = "tenant.imported"
    TENANT_CHANGED = "tenant.changed"
    TENANT_ENDED = "tenant.ended"
    SERVICE_CHANGED = "service.changed"
    DRIFT_KEPT = "drift.kept"
    DRIFT_ACCEPTED = "drift.accepted"
    RELEASE_ADDED = "release.added"
    RELEASE_DELETED = "release.deleted"
    RELEASE_CHECKED = "release.checked"
    ATTACHMENT_ADDED = "attachment.added"
    ATTACHMENT_REMOVED = "attachment.removed"
    ATTACHMENT_CHECKED = "attachment.checked"
    POST_SAVED = "post.saved"
    POST_WITHDRAWN = "post.withdrawn"
    MACHINE_ENROLLED = "machine.enrolled"
    MACHINE_OBSERVED = "machine.observed"
    MACHINE_RING = "machine.ring"
    MACHINE_TRANSFERRED = "machine.transferred"
    MACHINE_RETIRED = "machine.retired"
    MACHINE_LOST = "machine.lost"
    MACHINE_MEASURED = "machine.measured"
    MACHINE_MENDED = "machine.mended"
    MACHINE_SCANNED = "machine.scanned"
    SIGNATURES_REFRESHED = "machine.refreshed"
    FINDINGS_CLEARED = "finding.cleared"
    SNAPSHOT_FETCHED = "snapshot.fetched"
    SNAPSHOT_PUBLISHED = "snapshot.published"
    SNAPSHOTS_PRUNED = "snapshot.pruned"
    SIGNATURES_STUCK = "snapshot.stuck"
    ROLLOUT_CREATED = "rollout.created"
    ROLLOUT_RELEASED = "rollout.released"
    ROLLOUT_PAUSED = "rollout.paused"
    ROLLOUT_RESUMED = "rollout.resumed"
    ROLLOUT_WAITING = "rollout.waiting"
    ROLLOUT_STOPPED = "rollout.stopped"
    ROLLOUT_ABORTED = "rollout.aborted"
    ROLLOUT_BACK = "rollout.rolled_back"
    ROLLOUT_ENDED = "rollout.ended"
    REQUEST_SUBMITTED = "request.submitted"
    REQUEST_COMMENTED = "request.commented"
    REQUEST_SIGNED = "request.signed"
    REQUEST_LETTER = "request.letter"
    REQUEST_RETURNED = "request.returned"
    REQUEST_ANSWERED = "request.answered"
    REQUEST_REFUSED = "request.refused"
    REQUEST_WITHDRAWN = "request.withdrawn"
    REQUEST_APPROVED = "request.approved"
    REQUEST_REPLANNED = "request.replanned"
    REQUEST_VOIDED = "request.voided"
    REQUEST_EMERGENCY = "request.emergency"
    REQUEST_GOES_BACK = "request.goes_back"
    REQUEST_WENT_BACK = "request.went_back"
    REQUEST_REVIEWED = "request.reviewed"
    REQUEST_RECLASSIFIED = "request.reclassified"
    REQUEST_WAITING = "request.waiting"
    REQUEST_STARTED = "request.started"
    REQUEST_APPLIED = "request.applied"
    REQUEST_LIVE = "request.live"
    REQUEST_FAILED = "request.failed"
    REQUEST_RETRIED = "request.retried"
    MAIL_RETRIED = "mail.retried"
    FREEZE_SET = "freeze.set"
    FREEZE_LIFTED = "freeze.lifted"
    ROLE_GRANTED = "role.granted"
    ROLE_REVOKED = "role.revoked"
    CLASSES_PROPOSED = "classes.proposed"
    CLASSES_SIGNED = "classes.signed"
    CLASSES_REFUSED = "classes.refused"
    SUBSTITUTE_NAMED = "substitute.named"
    SUBSTITUTE_ENDED = "substitute.ended"
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_RESET = "account.reset"
    PASSWORD_CHANGED = "account.password"
    FACTOR_ENROLLED = "account.factor"
    FIRST_PASSWORDS = "account.first_passwords"
    PEOPLE_TAKEN = "account.taken"
    GROUP_CHANGED = "account.group"
    PEOPLE_REVIEWED = "account.reviewed"
    PERSON_LEFT = "account.left"
    PEOPLE_REMOVED = "account.removed"
    PASSWORDS_ISSUED = "account.issued"
    SHEET_OPENED = "account.sheet_opened"
    COLLEAGUE_LEFT = "account.colleague_left"
    PERSON_EXPORTED = "person.exported"
    PERSON_ERASED = "person.erased"
    TOKEN_MADE = "token.made"
    TOKEN_ENDED = "token.ended"
    WEBHOOK_MADE = "webhook.made"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_ENDED = "webhook.ended"
    WEBHOOK_RESENT = "webhook.resent"
    SIGNED_IN = "sign_in.opened"
    SIGN_IN_REFUSED = "sign_in.refused"
    SIGN_IN_LOCKED = "sign_in.locked"
    INTERNET_TESTED = "internet.tested"
    POLICY_MADE = "internet.policy"
    RECORD_SEARCHED = "record.searched"
    RECORD_PURGED = "record.purged"
    RECORD_CLOSED = "record.closed"
    RECORD_HELD = "record.held"
    RECORD_LIFTED = "record.lifted"
    RECORD_REGISTERED = "record.registered"


SENTENCES: Mapping[AuditAct, Text] = {
    AuditAct.RUN_BEGAN: t("began a run"),
    AuditAct.RUN_ENDED: t("a run ended"),
    AuditAct.RUN_STOP: t("asked a run to stop"),
    AuditAct.TENANTS_IMPORTED: t("imported tenants from a file"),
    AuditAct.TENANT_CHANGED: t("entered or changed a tenant"),
    AuditAct.TENANT_ENDED: t("ended a tenant"),
    AuditAct.SERVICE_CHANGED: t("changed what is wished of a service"),
    AuditAct.DRIFT_KEPT: t("kept a hand-made change until a date"),
    AuditAct.DRIFT_ACCEPTED: t("accepted a hand-made change"),
    AuditAct.RELEASE_ADDED: t("uploaded a release of a site"),
    AuditAct.RELEASE_DELETED: t("deleted an old release of a site"),
    AuditAct.RELEASE_CHECKED: t("a release of a site was checked for malware"),
    AuditAct.ATTACHMENT_ADDED: t("added a file to a request"),
    AuditAct.ATTACHMENT_REMOVED: t("took a file out of a request"),
    AuditAct.ATTACHMENT_CHECKED: t("a file of a request was checked for malware"),
    AuditAct.POST_SAVED: t("wrote a notice for a site"),
    AuditAct.POST_WITHDRAWN: t("took a notice off a site"),
    AuditAct.MACHINE_ENROLLED: t("enrolled a machine"),
    AuditAct.MACHINE_OBSERVED: t("entered a machine from another console's list"),
    AuditAct.MACHINE_RING: t("moved a machine to another ring"),
    AuditAct.MACHINE_TRANSFERRED: t("gave a machine to another tenant"),
    AuditAct.MACHINE_RETIRED: t("took a machine out"),
    AuditAct.MACHINE_LOST: t("gave a machine up as lost"),
    AuditAct.MACHINE_MEASURED: t("measured machines"),
    AuditAct.MACHINE_MENDED: t("mended a machine"),
    AuditAct.MACHINE_SCANNED: t("scanned machines"),
    AuditAct.SIGNATURES_REFRESHED: t("let machines fetch signatures"),
    AuditAct.FINDINGS_CLEARED: t("settled findings"),
    AuditAct.SNAPSHOT_FETCHED: t("fetched a snapshot or set"),
    AuditAct.SNAPSHOT_PUBLISHED: t("gave a ring a snapshot or set"),
    AuditAct.SNAPSHOTS_PRUNED: t("deleted old snapshots or sets"),
    AuditAct.SIGNATURES_STUCK: t("signatures could not be fetched by themselves"),
    AuditAct.ROLLOUT_CREATED: t("made a rollout"),
    AuditAct.ROLLOUT_RELEASED: t("released a rollout"),
    AuditAct.ROLLOUT_PAUSED: t("paused a rollout"),
    AuditAct.ROLLOUT_RESUMED: t("resumed a rollout"),
    AuditAct.ROLLOUT_WAITING: t("a rollout waits for a decision"),
    AuditAct.ROLLOUT_STOPPED: t("a rollout stopped"),
    AuditAct.ROLLOUT_ABORTED: t("aborted a rollout"),
    AuditAct.ROLLOUT_BACK: t("rolled a rollout back"),
    AuditAct.ROLLOUT_ENDED: t("a rollout ended"),
    AuditAct.REQUEST_SUBMITTED: t("submitted a request"),
    AuditAct.REQUEST_COMMENTED: t("wrote about a request"),
    AuditAct.REQUEST_SIGNED: t("signed a request"),
    AuditAct.REQUEST_LETTER: t("recorded a department's stamped letter as its signature"),
    AuditAct.REQUEST_RETURNED: t("asked back about a request"),
    AuditAct.REQUEST_ANSWERED: t("answered about a request"),
    AuditAct.REQUEST_REFUSED: t("did not approve a request"),
    AuditAct.REQUEST_WITHDRAWN: t("took a request back"),
    AuditAct.REQUEST_APPROVED: t("a request is approved"),
    AuditAct.REQUEST_REPLANNED: t("a request was planned again, because the world moved"),
    AuditAct.REQUEST_VOIDED: t("signoffs of a request hold no longer"),
    AuditAct.REQUEST_EMERGENCY: t("made a request real as an emergency, ahead of its signatures"),
    AuditAct.REQUEST_GOES_BACK: t("an emergency is being taken back"),
    AuditAct.REQUEST_WENT_BACK: t("an emergency has ended"),
    AuditAct.REQUEST_REVIEWED: t("reviewed an emergency"),
    AuditAct.REQUEST_RECLASSIFIED: t("the table of classes was changed, so others sign a request"),
    AuditAct.REQUEST_WAITING: t("a request waits"),
    AuditAct.REQUEST_STARTED: t("a request is being made real"),
    AuditAct.REQUEST_APPLIED: t("the systems were changed for a request"),
    AuditAct.REQUEST_LIVE: t("a request is live"),
    AuditAct.REQUEST_FAILED: t("a request failed"),
    AuditAct.REQUEST_RETRIED: t("let a request try again"),
    AuditAct.MAIL_RETRIED: t("let a mail be handed over again"),
    AuditAct.FREEZE_SET: t("set a freeze"),
    AuditAct.FREEZE_LIFTED: t("lifted a freeze"),
    AuditAct.ROLE_GRANTED: t("gave a role"),
    AuditAct.ROLE_REVOKED: t("took a role away"),
    AuditAct.CLASSES_PROPOSED: t("proposed another table of classes"),
    AuditAct.CLASSES_SIGNED: t("signed another table of classes; it is in force"),
    AuditAct.CLASSES_REFUSED: t("refused or withdrew a proposed table of classes"),
    AuditAct.SUBSTITUTE_NAMED: t("named a substitute"),
    AuditAct.SUBSTITUTE_ENDED: t("ended a substitution"),
    AuditAct.ACCOUNT_ADDED: t("added a local account"),
    AuditAct.ACCOUNT_RESET: t("reset somebody's sign-in"),
    AuditAct.PASSWORD_CHANGED: t("changed a password"),
    AuditAct.FACTOR_ENROLLED: t("set up a second factor"),
    AuditAct.FIRST_PASSWORDS: t("issued first passwords"),
    AuditAct.PEOPLE_TAKEN: t("took over a list of people"),
    AuditAct.GROUP_CHANGED: t("changed a group of a department"),
    AuditAct.PEOPLE_REVIEWED: t("confirmed who is still in a department"),
    AuditAct.PERSON_LEFT: t("people left; their accounts were cut"),
    AuditAct.PEOPLE_REMOVED: t("accounts of people who left were removed"),
    AuditAct.PASSWORDS_ISSUED: t("issued one-time passwords"),
    AuditAct.SHEET_OPENED: t("opened a sheet of one-time passwords"),
    AuditAct.PERSON_EXPORTED: t("gave out what is known of a person"),
    AuditAct.PERSON_ERASED: t("erased what is known of a person"),
    AuditAct.COLLEAGUE_LEFT: t("somebody of the centre left; what they could do was cut and handed over"),
    AuditAct.TOKEN_MADE: t("made a token for programs"),
    AuditAct.TOKEN_ENDED: t("a token for programs ended"),
    AuditAct.WEBHOOK_MADE: t("made a webhook"),
    AuditAct.WEBHOOK_ROTATED: t("gave a webhook a new secret"),
    AuditAct.WEBHOOK_ENDED: t("ended a webhook"),
    AuditAct.WEBHOOK_RESENT: t("let a webhook be told again"),
    AuditAct.SIGNED_IN: t("signed in"),
    AuditAct.SIGN_IN_REFUSED: t("a sign-in was refused"),
    AuditAct.SIGN_IN_LOCKED: t("a sign-in was locked for a while"),
    AuditAct.INTERNET_TESTED: t("tried the way to an address from a machine"),
    AuditAct.POLICY_MADE: t("made a revision of the centre's policy"),
    AuditAct.RECORD_SEARCHED: t("searched the access record"),
    AuditAct.RECORD_PURGED: t("purged the access record"),
    AuditAct.RECORD_CLOSED: t("closed a day of the access record"),
    AuditAct.RECORD_HELD: t("set a legal hold"),
    AuditAct.RECORD_LIFTED: t("lifted a legal hold"),
    AuditAct.RECORD_REGISTERED: t("added to the register of addresses"),
}


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What an act was about. `kind`: tenant, service, resource, machine, site, person, run, rollout, freeze, request,
    snapshot, finding, mail, entry, post, classes, webhook. A tenant's `value` is its opaque id, a service's
    `ID/offering`, a person's a key."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Signoff:
    """Who agreed: opaque key, in which role. `verified` False: only named by who acted."""

    key: str
    role: str
    verified: bool = True

    def as_json(self) -> list[Any]:
        """Storable form."""
        return [self.key, self.role, self.verified]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. `roles`: those that the actor held then, such as `operator` or `clerk/TENANT-ID`; `digest`: the
    plan's, a file's or a ledger entry's; `requests`: on which requests it was done."""

    number: int
    at: datetime
    act: str
    actor: str
    roles: Sequence[str]
    signoffs: Sequence[Signoff]
    subjects: Sequence[Subject]
    digest: str | None
    outcome: str
    reason: str
    requests: Sequence[str]
    detail: Mapping[str, Any]
    former: str
    hash: str

    def body(self) -> str:
        """All but number, time, act and actor, as it is kept."""
        return orjson.dumps(
            {
                "roles": list(self.roles),
                "signoffs": [s.as_json() for s in self.signoffs],
                "subjects": [[s.kind, s.value] for s in self.subjects],
                "digest": self.digest,
                "outcome": self.outcome,
                "reason": self.reason,
                "requests": list(self.requests),
                "detail": self.detail,
            },
            default=str,
            option=orjson.OPT_SORT_KEYS,
        ).decode()


def chained(number: int, at: datetime, act: str, actor: str, body: str, former: str) -> str:
    """The hash that an entry must have."""
    return hashlib.sha256(orjson.dumps([number, at.isoformat(), act, actor, body, former])).hexdigest()


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is asked of the trail; everything given must fit. `tenants`: opaque ids, any of them; `actors`: opaque keys,
    any of them; `act`: an act or a family; `subjects`: values of subjects, any of them, of `kind` if given; `before`:
    entries with smaller numbers; `limit` None: all."""

    tenants: frozenset[str] | None = None
    subjects: frozenset[str] | None = None
    kind: str | None = None
    actors: frozenset[str] | None = None
    act: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int | None = 200
