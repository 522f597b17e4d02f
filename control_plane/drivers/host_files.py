"""Releases, certificates and vhosts on the web hosts: one command a host to look, one to write.

The work is done by the agent (`host_agent.py` and what it imports), which is sent along with each request and
leaves nothing of itself on the host. Must not keep anything between calls: what a write needs travels in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from control_plane.drivers.agents import ask_look, ask_outcomes, attributes_of, pieces
from control_plane.drivers.host_words import sentence
from control_plane.drivers.ssh import Runner
from control_plane.model.errors import ControlPlaneError
from control_plane.model.plan import Change
from control_plane.model.ports import CertificateState, CertificateStore, Fence, Notice, Outcome, ReleaseStore
from control_plane.model.resource import CouldNotMeasure, Foreign, Kind, Look, Measured, Observed
from control_plane.model.text import t

LOOK_MODULES = ("host_state", "host_serving", "host_look", "host_agent")
MODULES = (
    *("host_state", "host_serving", "host_look", "host_check", "host_journal", "host_stage", "host_apply"),
    "host_agent",
)
"""The agent, in the order of its imports; a look is sent the first few only."""
OBSERVE_SECONDS = 60.0
APPLY_SECONDS = 900.0
_MANAGED = "# managed by gasp:"


def request_pieces(request: Mapping[str, Any], archives: Iterable[bytes] = ()) -> list[bytes]:
    """What goes to the agent's standard input: the agent itself, the request, the archives, a closing dot."""
    return [*pieces(LOOK_MODULES if request["verb"] == "observe" else MODULES, request), *archives, b"."]


class HostFilesDriver:
    """Implements `model.ports.Driver` for parts `web:<host>`.

    `options` go to the agent unchanged (tests: another root, other commands). Host tokens are
    `<state hash>|<site folder>|<releases kept there>`.
    """

    kinds: Sequence[Kind] = (
        Kind("web.release", "web", 20, retires=True),  # no data is lost with it: the centre keeps every release
        Kind("web.certificate", "web", 20, retires=True),
        Kind("web.vhost", "web", 30, retires=True),
    )
    stages: Sequence[str] = ("archive.sent", "check.passed", "files.replaced", "reload.done")

    def __init__(
        self,
        runner: Runner,
        hosts: Sequence[str],
        certificates: CertificateStore,
        releases: ReleaseStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._runner, self._hosts = runner, list(hosts)
        self._certificates, self._releases, self._clock = certificates, releases, clock
        self._options = dict(options or {})

    def parts(self) -> Sequence[str]:
        """`web:<host>` for each host."""
        return [f"web:{host}" for host in self._hosts]

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """One command on the host, whatever the number of sites; `tenants` saves nothing here."""
        now = self._clock()
        request = request_pieces({"verb": "observe", "options": self._options})
        look = ask_look(self._runner, part, now, request, OBSERVE_SECONDS, sentence)
        if isinstance(look, CouldNotMeasure):
            return look
        certificates = [row for row in look["resources"] if row.get("fingerprint")]
        states = self._certificates.describe([(r["fingerprint"], r["attributes"]["names"]) for r in certificates], now)
        known = dict(zip((row["id"] for row in certificates), states, strict=True))
        seen = (self._observed(row, known.get(row["id"])) for row in look["resources"])
        foreign = tuple(self._foreign(part, row) for row in look["foreign"])
        return Measured(part, now, {item.id: item for item in seen}, foreign)

    @staticmethod
    def _observed(row: Mapping[str, Any], certificate: CertificateState | None) -> Observed:
        attributes = attributes_of(row)
        if certificate is not None:
            attributes["state"] = certificate
        until = row["retiring_until"]
        return Observed(
            id=row["id"],
            kind=row["kind"],
            owner_marker=row["owner"],
            attributes=attributes,
            label=row["label"],
            hint="renew" if certificate == "due" else None,
            token=f"{row['token']}|{row['site_dir'] or ''}|{','.join(row['have'])}",
            retiring_until=datetime.fromtimestamp(until, UTC) if until is not None else None,
        )

    @staticmethod
    def _foreign(part: str, row: Mapping[str, Any]) -> Foreign:
        blocks = (f"{part}/{row['blocks']}",) if row["blocks"] else ()
        return Foreign(f"{part}{row['path']}", row["kind"], row["path"], blocks)

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """One command on the host: one check of the whole and one reload, extra checks only to find culprits."""
        host = part.partition(":")[2]
        archives: dict[str, bytes] = {}
        with self._certificates.together():
            rows, faults = self._rows([c for c in changes if c.kind == "web.certificate"], archives)
        more, other_faults = self._rows([c for c in changes if c.kind != "web.certificate"], archives)
        rows |= more
        yield from (*faults, *other_faults)
        if not rows:
            return
        request = {
            "verb": "apply",
            "options": self._options,
            "now": int(self._clock().timestamp()),
            "changes": list(rows.values()),
            "archives": [{"id": id_, "size": len(content)} for id_, content in archives.items()],
        }
        fence()
        sent = request_pieces(request, archives.values())
        yield from ask_outcomes(self._runner, host, sent, rows, self.stages, APPLY_SECONDS, sentence)

    def _rows(
        self, changes: Sequence[Change], archives: dict[str, bytes]
    ) -> tuple[dict[str, dict[str, Any]], list[Outcome]]:
        """`_row` of each change by its id, and what became of those that cannot be told."""
        rows: dict[str, dict[str, Any]] = {}
        faults: list[Outcome] = []
        for change in changes:
            try:
                rows[change.id] = self._row(change, archives)
            except ControlPlaneError as error:
                faults.append(Outcome(change.id, "failed", error.text))
            except OSError as error:
                text = t("A file of the centre cannot be read: {reason}", reason=error)
                faults.append(Outcome(change.id, "failed", text))
        return rows, faults

    def _row(self, change: Change, archives: dict[str, bytes]) -> dict[str, Any]:
        """What the agent is told of one change; adds to `archives` what it will not find on the host."""
        token, _, rest = (change.token or "").partition("|")
        site, _, have = rest.partition("|")
        row: dict[str, Any] = {"action": change.action, "id": change.id, "kind": change.kind, "token": token}
        if change.resource is None:
            return row
        payload, owner = change.resource.payload, change.resource.owner.marker
        row |= {
            "owner": owner,
            "main": payload["main"],
            "label": change.resource.label,
            "site_dir": payload.get("site_dir"),
            "attributes": dict(change.resource.attributes),
            "retire_seconds": change.resource.retire_seconds,
        }
        if change.kind == "web.vhost":
            row |= {
                "text": _marked(payload["text"], owner, change.id),
                "gone_text": _marked(payload["gone_text"](), owner, change.id),
            }
        elif change.kind == "web.certificate":
            chain, key = self._certificates.obtain(payload["names"], self._clock())
            row |= {"chain": chain.decode("ascii"), "key": key.read_text("ascii")}
        else:
            row["release"] = change.resource.attributes["release"]
            if site != payload["site_dir"] or row["release"] not in have.split(","):
                archives[change.id] = self._releases.open_archive(payload["source"])
        return row


def _marked(text: str, owner: str, id_: str) -> str:
    """The text with a first line for people that says whose it is."""
    return text if text.startswith(_MANAGED) else f"{_MANAGED} owner={owner} id={id_}\n{text}"
