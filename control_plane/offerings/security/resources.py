"""What antivirus and patching puts on each enrolled machine, and which wishes cannot be met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from control_plane.model.errors import Problem
from control_plane.model.machine import BASELINE, MACHINES_PART, Machine, baseline_id, stated_rings
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Resource, content_hash
from control_plane.model.tenant import Tier
from control_plane.model.text import t, tn
from control_plane.offerings.security.form import SecuritySpec

TIERS: Mapping[Tier, Mapping[str, int]] = {"S": {"machines": 50}, "M": {"machines": 200}, "L": {"machines": 1000}}
CLAMD, FRESHCLAM = "/etc/clamav/gasp-clamd.conf", "/etc/clamav/gasp-freshclam.conf"
KEYRING = "/etc/apt/keyrings/gasp-archive.asc"
DROP_IN = "/etc/systemd/system/clamav-daemon.{unit}.d/gasp.conf"


def _spec(subscription: SubscriptionView) -> SecuritySpec:
    spec: SecuritySpec = subscription.spec
    return spec


def _mine(subscription: SubscriptionView, estate: EstateView) -> list[Machine]:
    code = subscription.tenant.code
    return sorted((m for m in estate.machines if m.tenant == code and m.managed), key=lambda m: m.id)


def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Machines named twice or of others, and more machines than the tier has."""
    problems = []
    names = Counter(m.name for m in _spec(subscription).machines)
    code = subscription.tenant.code
    others = {m.name: m.tenant for m in estate.machines if m.tenant != code}
    others |= {other: other for other in estate.tenants if other != code}
    for index, machine in enumerate(_spec(subscription).machines):
        field = f"machines[{index}].name"
        if names[machine.name] > 1:
            text = t("The machine {name} is listed {count} times.", name=machine.name, count=names[machine.name])
            problems.append(Problem("machine-twice", text, t("Keep one of them."), field=field))
        if machine.name in others:
            text = t("The machine {name} belongs to {tenant}.", name=machine.name, tenant=others[machine.name])
            remedy = t("Take it off the list, or let it be transferred first: gasp hosts transfer")
            problems.append(Problem("machine-of-others", text, remedy, field=field))
    limit = TIERS[subscription.tier]["machines"]
    count = len(names.keys() | {m.name for m in _mine(subscription, estate)})
    if count > limit:
        text = tn(
            "{count} machine is more than tier {tier} has ({limit}).",
            "{count} machines are more than tier {tier} has ({limit}).",
            count=count,
            tier=subscription.tier,
            limit=limit,
        )
        problems.append(Problem("too-many-machines", text, t("Choose a larger tier."), field="machines"))
    return problems


def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """None: machines are told apart by what they are, not by a claim."""
    return []


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """One baseline for each enrolled machine, sorted by id."""
    rings = stated_rings(_spec(subscription).model_dump(exclude_unset=True))
    machines = [replace(m, ring=rings.get(m.name, m.ring)) for m in _mine(subscription, estate)]
    return [_baseline(machine, subscription, estate) for machine in machines]


def _baseline(machine: Machine, subscription: SubscriptionView, estate: EstateView) -> Resource:
    suite = f"ring{int(machine.ring)}"
    server = f"http://repository.core.{estate.domain}"
    uri = f"{server}/debian"
    files = _files(uri, suite, subscription.owner.marker, baseline_id(machine.id), server)
    return Resource(
        id=baseline_id(machine.id),
        kind=BASELINE,
        part=MACHINES_PART,
        owner=subscription.owner,
        attributes={
            "machine": machine.name,
            "tenant": machine.tenant,
            "ring": int(machine.ring),
            "uri": uri,
            "suite": suite,
            "signatures": f"{server}/signatures/{suite}",
            "settings": content_hash(files)[:16],
            "key": "current",
        },
        label=machine.name,
        payload={"files": files},
    )


def _files(uri: str, suite: str, owner: str, id_: str, server: str) -> dict[str, str]:
    head = f"managed by gasp: owner={owner} id={id_}"
    return {
        "/etc/apt/sources.list.d/gasp.sources": (
            f"# {head}\nTypes: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
        ),
        # what is installed, and when, is decided by the centre's rollouts, not by the machine's own timers
        "/etc/apt/apt.conf.d/50gasp": (
            f"// {head}\n"
            f'Acquire::http::Proxy::{server.partition("://")[2]} "DIRECT";\n'
            'APT::Periodic::Update-Package-Lists "0";\n'
            'APT::Periodic::Unattended-Upgrade "0";\n'
        ),
        CLAMD: (
            f"# {head}\n"
            "LocalSocket /run/clamav/clamd.ctl\nUser clamav\nDatabaseDirectory /var/lib/clamav\n"
            "LogTime no\nSelfCheck 600\nConcurrentDatabaseReload yes\nMaxThreads 2\nMaxQueue 20\n"
            "MaxScanSize 100M\nMaxFileSize 25M\nExitOnOOM yes\nCrossFilesystems yes\n"
        ),
        FRESHCLAM: (
            f"# {head}\n"
            "DatabaseDirectory /var/lib/clamav\nDatabaseOwner clamav\n"
            f"PrivateMirror {server}/signatures/{suite}\nDNSDatabaseInfo no\n"
            "ExcludeDatabase main\nExcludeDatabase daily\nExcludeDatabase bytecode\n"
            "MaxAttempts 2\nConnectTimeout 10\nReceiveTimeout 60\nTestDatabases yes\nScriptedUpdates no\n"
        ),
        # the packages' units wait for a database of the makers, which this city does not use
        DROP_IN.format(unit="service"): (
            f"# {head}\n[Unit]\nConditionPathExistsGlob=\n[Service]\nExecStart=\n"
            f"ExecStart=/usr/sbin/clamd --foreground=true --config-file={CLAMD}\n"
        ),
        DROP_IN.format(unit="socket"): f"# {head}\n[Unit]\nConditionPathExistsGlob=\n",
    }
