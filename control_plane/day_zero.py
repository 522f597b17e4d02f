"""Day 0 of this centre: the phases of `make up` over the rooms that `wiring` put together."""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from control_plane import wiring
from control_plane.drivers.secrets import SecretFolder, write_private
from control_plane.model.errors import PermanentError, TemporaryError
from control_plane.model.machine import Depot, Ring
from control_plane.model.network import Segment
from control_plane.model.text import t, tn
from control_plane.model.upstream import UpstreamDocument
from control_plane.workflow.bringup import Phase, Tell

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
#: Hosts that are set up together; a freeze stops between the steps. A step is one or two tasks a host, side by side.
SERVER_STEPS = ("all:!ns_secondary", "ns_secondary")
SERVER_SYSTEMS = ("dns", "directory", "web", "gateway", "snapshots")


def phases() -> Sequence[Phase]:
    """All phases, in order. Each may be killed and repeated. `expected` seconds: two cores, images not built."""
    return (
        Phase("secrets", t("Secrets and certificate authority"), 2, make_secrets),
        Phase("hosts", t("Host images and hosts"), 180, boot_hosts),
        Phase("servers", t("Shared servers (Ansible)"), 60, set_up_servers),
        Phase("snapshots", t("First patches and signatures"), 10, first_snapshots),
        Phase("import", t("Import of the estate"), 5, import_estate),
        Phase("machines", t("Enrolment of machines"), 5, enrol_machines),
        Phase("apply", t("Plan and apply"), 45, apply_estate),
        Phase("signatures", t("Signatures and a first look at machines"), 20, first_look),
        Phase("passwords", t("First passwords"), 15, issue_passwords),
        Phase("worker", t("Worker in the background"), 2, start_worker),
        Phase("console", t("Console and first operator"), 5, open_console),
        Phase("verify", t("Verification from citizen and workstations"), 30, verify),
    )


def first_passwords_file() -> Path:
    """Where the first passwords of a few people a tenant are kept (0600)."""
    return wiring.settings().secrets / "first-passwords.csv"


def make_secrets(tell: Tell) -> str:
    """Everything that must exist before a host boots: it is trusted by it or told to it."""
    wiring.make_centre()
    SecretFolder(wiring.settings().secrets).shared_servers()
    wiring.authority().create(wiring.now())
    return str(t("in {folder}", folder=wiring.settings().secrets))


def boot_hosts(tell: Tell) -> str:
    """The lab: images once, then every host to SSH."""
    wiring.lab().up(lambda step: tell(step.done, step.total, f"{step.phase} {step.message}"))
    return str(tn("{count} host answers", "{count} hosts answer", count=len(wiring.topology().hosts)))


def playbook_variables() -> dict[str, Any]:
    """What the playbooks are told (see playbooks/README.md); there is no secret among it."""
    document, topology, plan = wiring.estate_document(), wiring.topology(), wiring.address_plan()
    tenants = [{"code": host.name, **_networks(host.segment)} for host in topology.tenant_hosts]
    internal = [*_networks(plan.core).values(), *(t_[k] for t_ in tenants for k in ("v4", "v6"))]
    tls = {}
    for role in ("directory", "web", "intranet"):
        for host in topology.role_hosts(role):
            name = f"{host.name}.core.{document.domain}"
            addresses = [str(host.ipv4), str(host.ipv6)]
            certificate, key = wiring.authority().server_certificate([name], addresses, wiring.now())
            tls[host.name] = {"cert": str(certificate), "key": str(key)}
    return {
        "estate": {"domain": document.domain, "base_dn": document.base_dn, "title": document.title.en},
        "networks": {
            "core": _networks(plan.core),
            "internal": [*internal, str(topology.management)],
            "internet": list(_networks(plan.internet).values()),
        },
        "machine": {
            "ipv4": str(topology.machine_core.ip),
            "ipv6": str(plan.core.host_v6(topology.machine_number)),
        },
        "console": wiring.console_door(),
        "tenants": tenants,
        "tls": tls,
        "repository": _repository(wiring.upstream()),
        "ca": str(wiring.authority().ca_path),
    }


def _repository(upstream: UpstreamDocument) -> dict[str, Any]:
    return {
        "packages": [source.model_dump() for source in upstream.packages],
        "signatures": upstream.signatures.model_dump() if upstream.signatures else None,
        "key_files": [
            {"path": f"/etc/gasp/repository/{name}.asc", "content": text} for name, text in upstream.keys.items()
        ],
        "reach": [str(network) for network in upstream.reach],
        "ports": upstream.ports,
        "reserve_octets": upstream.reserve_mb * 1_000_000,
    }


def _networks(segment: Segment) -> dict[str, str]:
    return {"v4": str(segment.v4), "v6": str(segment.v6)}


def set_up_servers(tell: Tell) -> str:
    """Roles of `playbooks/site.yml` on the shared hosts."""
    from control_plane.drivers.ansible import run_playbook

    state = wiring.settings().state
    done: set[tuple[str, str]] = set()

    def follow(phase: str, host: str | None, task: str, outcome: str) -> None:
        done.add((phase, host or ""))
        tell(0, 0, f"{phase} {host or ''}")

    changed = 0
    for hosts in SERVER_STEPS:
        _ask_for_servers()
        result = run_playbook(
            PLAYBOOKS / "site.yml",
            wiring.topology().inventory(),
            playbook_variables(),
            {"secrets": SecretFolder(wiring.settings().secrets).shared_servers()},
            workdir=state / "ansible",
            ssh_config=wiring.lab().ssh_config(),
            on_event=follow,
            limit=hosts,
        )
        if not result.ok:
            raise TemporaryError(
                t("{failures}", failures="; ".join(str(f.text) for f in result.failures)),
                t("Mend that host and run it again; gasp lab status shows all hosts."),
            )
        changed += result.changed
    return str(t("{changed} changes", changed=changed))


def _ask_for_servers() -> None:
    """Raises Frozen when a freeze covers the centre's own servers or one of their systems."""
    for system in SERVER_SYSTEMS:
        for ring in (Ring.CENTRE, Ring.SERVERS):
            wiring.store().freezes.check(ring=ring, system=system)


def first_snapshots(tell: Tell) -> str:
    """The repository's key, and something in every ring that has nothing yet. Whatever a ring has stays."""
    from control_plane.workflow.snapshots import first_publication

    repository, upstream = wiring.repository(), wiring.upstream()
    wiring.repository_key().parent.mkdir(mode=0o700, exist_ok=True)
    write_private(wiring.repository_key(), repository.public_key().encode())
    kinds: list[Depot] = []
    kinds += ["patches"] if upstream.packages else []
    kinds += ["signatures"] if upstream.signatures else []
    return str(first_publication(repository, kinds, tell, wiring.publication_fence))


def import_estate(tell: Tell) -> str:
    """The folder of tenant documents, once: afterwards the database is the truth."""
    client = wiring.local_client()
    if wiring.store().estate.document() is not None:
        return str(t("kept: the database already holds an estate"))
    preview = client.preview_import(wiring.settings().estate)
    client.import_tenants(wiring.settings().estate, digest=preview["digest"])
    return str(tn("{count} tenant", "{count} tenants", count=len(preview["create"])))


def enrol_machines(tell: Tell) -> str:
    """The machines that subscribed tenants' documents ask for, as they really are. What was retired stays retired."""
    workstations = {host.name for host in wiring.topology().tenant_hosts}
    count, complaints = wiring.local_client().machines.enrol_wanted(lambda c: c if c in workstations else None)
    if complaints:
        return str(t("{count} enrolled; not enrolled: {names}", count=count, names="; ".join(complaints[:5])))
    return str(t("{count} enrolled", count=count))


def apply_estate(tell: Tell) -> str:
    """Bring to life what bring-up itself imported, and make missing things again. Later wishes and hand-made
    changes wait for somebody who has seen their plan."""
    client = wiring.local_client()
    own, _ = _pending_wishes()

    def follow(event: dict[str, Any]) -> None:
        if event["type"] == "part.progress":
            tell(event["data"]["done"], event["data"]["total"], "")

    run = client.apply("estate", spare_hand_made=True, wishes=own, on_event=follow)
    if run["state"] not in ("done", "done_with_conflicts", "partly"):  # verification says what these lack
        raise PermanentError(
            t("Run {run}: {sentence}", run=run["id"], sentence=run["sentence"]),
            t("gasp runs show {run} says more; then run it again.", run=run["id"]),
        )
    return str(run["sentence"])


def _pending_wishes() -> tuple[frozenset[str], frozenset[str]]:
    """Services whose wish is not real yet: those that bring-up itself imported, and those of a later wish."""
    pending = {
        s.id: s.generation for s in wiring.store().estate.subscriptions() if s.generation > s.observed_generation
    }
    imported = wiring.store().estate.revisions_by_cause("import 1")
    own = frozenset(name for name, revision in imported if pending.get(name) == revision.generation)
    return own, frozenset(pending) - own


def first_look(tell: Tell) -> str:
    """Enrolled machines get their ring's signatures and are looked at. One that is off catches up with the chores."""
    machines = wiring.local_client().machines
    done = machines.refresh_signatures()
    rows = machines.security()
    names = ("clean", "old_signatures", "not_scanned", "silent", "unprotected")
    counts = {name: sum(row[name] for row in rows) for name in names}
    if done["failed"]:
        text = next(row["text"] for row in done["machines"] if row["state"] == "failed")
        raise TemporaryError(
            tn(
                "{count} machine did not load its signatures: {text}",
                "{count} machines did not load their signatures: {text}",
                count=done["failed"],
                text=text,
            ),
            t("Mend that host and run it again; gasp lab status shows all hosts."),
        )
    return str(
        t(
            "{clean} clean, {old_signatures} with old signatures, {not_scanned} not scanned, {silent} silent,"
            " {unprotected} unprotected",
            **counts,
        )
    )


def random_first_password() -> str:
    """16 characters with all four classes, without look-alikes."""
    letters = "abcdefghijkmnpqrstuvwxyz"
    pools = (letters, letters.upper(), "23456789", "+-=@%")
    rest = [secrets.choice("".join(pools)) for _ in range(12)]
    word = [*(secrets.choice(pool) for pool in pools), *rest]
    secrets.SystemRandom().shuffle(word)
    assert set(string.whitespace).isdisjoint(word)
    return "".join(word)


def issue_passwords(tell: Tell) -> str:
    """Five named people a tenant get a password."""
    from control_plane.workflow.first_passwords import issue_first_passwords

    days = wiring.settings().first_password_days
    with wiring.directory_accounts() as accounts:
        count = issue_first_passwords(
            wiring.local_client().planner.catalogue,
            accounts,
            first_passwords_file(),
            random_first_password,
            write_private,
            tell,
            lambda tenant: wiring.store().freezes.check(tenant, system="directory"),
            wiring.actor(),
            wiring.now() + timedelta(days=days),
        )
    words = {"count": count, "file": first_passwords_file(), "days": days}
    return str(t("{count} issued, in {file}; good for {days} days", **words))


def start_worker(tell: Tell) -> str:
    """The background process that moves rollouts on, measures and collects; one that runs stays."""
    return str(t("process {pid}", pid=wiring.start_worker()))


def open_console(tell: Tell) -> str:
    """The first operator, once, and the web server in the background."""
    wiring.people().first()
    wiring.start_console()
    return str(t("at {url}", url=wiring.console_url() or "–"))


def verify(tell: Tell) -> str:
    """Every promise, measured with real clients from where its users are. One that is kept slowly is told, no fault:
    all of them at once are the busiest moment of the centre. Nor is one of a later wish, which waits for its apply."""
    _, later = _pending_wishes()
    results = [r for r in wiring.local_client().run_probes() if f"{r['tenant']}/{r['offering']}" not in later]
    slow = sum(r["state"] == "warning" for r in results)
    bad = [r for r in results if r["state"] not in ("passed", "warning")]
    if bad:
        listed = "; ".join(f"{r['id']}: {r['detail']}" for r in bad[:5])
        raise TemporaryError(
            t("{bad} of {total} promises are not kept: {listed}", bad=len(bad), total=len(results), listed=listed),
            t("gasp probes run --filter state=failed,unmeasured"),
        )
    said = [tn("{count} promise kept", "{count} promises kept", count=len(results))]
    if slow:
        said.append(t("{slow} of them slowly", slow=slow))
    if later:
        said.append(
            tn(
                "{count} service waits for its wish to be made real: gasp plan",
                "{count} services wait for their wishes to be made real: gasp plan",
                count=len(later),
            )
        )
    return "; ".join(map(str, said))
