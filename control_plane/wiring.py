"""The one place that puts rooms together: which drivers, offerings, lab and database this process works with.

Entry points take everything from here; imports are inside the functions, so that a command loads what it needs.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane import __version__
from control_plane.model.errors import TemporaryError
from control_plane.model.network import GENERATED_FROM, AddressPlan, plan_for
from control_plane.model.rollout import MOVING
from control_plane.model.text import Text, t
from control_plane.settings import Settings

if TYPE_CHECKING:
    from control_plane.drivers.directory_accounts import DirectoryAccounts
    from control_plane.drivers.machine_link import Link
    from control_plane.drivers.ssh import SshRunner
    from control_plane.model.client import Client
    from control_plane.model.machine import Depot, Hands, Repository, Ring
    from control_plane.model.offering import HostView
    from control_plane.model.ports import Driver
    from control_plane.model.run import Actor
    from control_plane.model.upstream import UpstreamDocument
    from control_plane.store.repository import Store
    from control_plane.workflow.access_record import AccessRecord
    from control_plane.workflow.applying import Applier
    from control_plane.workflow.catalogue import Catalogue
    from control_plane.workflow.internet import Internet
    from control_plane.workflow.local import LocalClient
    from control_plane.workflow.mail import MailTicker
    from control_plane.workflow.people import People
    from control_plane.workflow.request_tick import RequestTicker
    from control_plane.workflow.rollout_carriers import Carrier
    from control_plane.workflow.rollout_tick import Ticker
    from control_plane.workflow.sign_in import SignIn
    from control_plane.workflow.signals import Signals
    from control_plane.workflow.status import Check
    from control_plane.workflow.worker import Chore
    from lab.lab import Lab, Progress
    from lab.topology import Topology
    from lab.upstream import Upstream

#: The command line as another process of ours.
GASP = (sys.executable, "-c", "from control_plane.cli.main import run; run()")
#: All that a centre keeps in its state folder; `clean` deletes these and nothing else.
STATE = (
    *("gasp.db", "gasp.db-wal", "gasp.db-shm", "gasp.db.before-*", "bringup.json", "web.*", "worker.*", "log"),
    *("secrets", "ca", "releases", "lab", "ansible", "ssh", "repository", "access"),
)


@cache
def settings() -> Settings:
    """Settings of this process."""
    return Settings.from_environment()


def now() -> datetime:
    """The time. Every rule that needs it is given this function."""
    return datetime.now(UTC)


@cache
def address_plan() -> AddressPlan:
    """Ranges of the lab in use."""
    return plan_for(settings().lab)


@cache
def signals() -> Signals:
    """What wakes the worker's chores."""
    from control_plane.workflow.signals import Signals

    return Signals(settings().state / "signals")


@cache
def store() -> Store:
    """The database, brought to the newest form."""
    from control_plane.store.repository import Store

    settings().state.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Store(settings().database_url, clock=now, wake=signals().give)
    made.upgrade()
    return made


@cache
def topology() -> Topology:
    """The hosts: shared ones from the topology file, one workstation a tenant that has a network (generated
    tenants have none)."""
    from lab.topology import load_topology

    return load_topology(address_plan(), [(code, n) for code, n in networked_tenants() if n < GENERATED_FROM])


def networked_tenants() -> list[tuple[str, int]]:
    """Code and network index of every tenant with a network; from the documents until they were imported."""
    if store().estate.document() is not None:
        rows = store().estate.tenants()
        return [(row.code, row.network_index) for row in rows if row.network_index is not None]
    import yaml

    documents = (
        yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        for path in sorted(settings().estate.glob("*.yaml"))
        if path.name not in ("estate.yaml", "costs.yaml")
    )
    return [(d["code"], d["network"]["index"]) for d in documents if d.get("network")]


@cache
def authority() -> Any:
    """The centre's certificate authority and its certificate store."""
    from control_plane.drivers.authority import Authority

    return Authority(settings().state, store().certificates)


@cache
def lab() -> Lab:
    """The lab of real hosts that this state belongs to."""
    from lab.lab import Lab

    made = Lab(topology(), settings().state, settings().cache, authority().ca_pem())
    made.join()
    return made


@cache
def runner() -> SshRunner:
    """Commands on hosts, through the system's OpenSSH and the lab's known hosts."""
    from control_plane.drivers.ssh import SshRunner

    return SshRunner(lab().ssh_config(), settings().state / "ssh")


@cache
def hosts_of_centre() -> Sequence[HostView]:
    """Shared hosts with their addresses."""
    from control_plane.model.offering import HostView

    plan = topology()
    views = []
    for host in plan.hosts:
        if host.zone == "tenant":
            continue
        public = plan.public_address(host.name) if host.name in plan.public else (None, None)
        views.append(
            HostView(
                host.name,
                host.role,
                str(host.ipv4),
                str(host.ipv6),
                str(public[0]) if public[0] else None,
                str(public[1]) if public[1] else None,
            )
        )
    return views


@cache
def drivers() -> Sequence[Driver]:
    """One driver a system: names, directory, web hosts, internet gateway, tenants' machines."""
    from control_plane.drivers.directory import DirectoryDriver
    from control_plane.drivers.dns import DnsDriver
    from control_plane.drivers.gateway import GatewayDriver
    from control_plane.drivers.host_files import HostFilesDriver
    from control_plane.drivers.machines import MachinesDriver

    document = store().estate.document()
    domain = document.domain if document else estate_document().domain
    base_dn = document.base_dn if document else estate_document().base_dn
    plan = topology()
    secrets = settings().secrets
    return (
        DnsDriver(
            str(plan.role_hosts("ns-primary")[0].ipv4),
            53,
            [domain, f"intra.{domain}"],
            "gasp-internal.",
            secrets / "tsig-internal",
        ),
        DirectoryDriver(
            str(plan.role_hosts("directory")[0].ipv4),
            636,
            server_name=f"directory.core.{domain}",
            ca_file=authority().ca_path,
            base_dn=base_dn,
            bind_dn=f"cn=control-plane,ou=system,{base_dn}",
            password_path=secrets / "ldap-control-plane",
        ),
        HostFilesDriver(
            runner(),
            [h.name for role in ("web", "intranet") for h in plan.role_hosts(role)],
            authority(),
            releases(),
            now,
        ),
        GatewayDriver(runner(), [h.name for h in plan.role_hosts("gateway")], now),
        MachinesDriver(machine_link(), store().machines.touched, signing_key, now),
    )


@cache
def machine_link() -> Link:
    """The way to machines."""
    from control_plane.drivers.machine_link import Link

    return Link(runner())


def machine_hands() -> Hands:
    """Measures machines and acts on them."""
    from control_plane.drivers.machine_hands import MachineHands
    from control_plane.model.advisory import Advisory, deadline, worst

    def judge(rows: Sequence[Mapping[str, Any]]) -> tuple[str | None, date | None]:
        found = [Advisory.from_json(row) for row in rows]
        days = [day for day in (deadline(advisory, exposed=False) for advisory in found) if day is not None]
        return worst(found), min(days, default=None)

    return MachineHands(machine_link(), now, lambda: repository().advisories(), judge)


def signing_key() -> str:
    """The repository's public key, armoured, as bring-up fetched it. Raises TemporaryError while there is none."""
    try:
        return repository_key().read_text("ascii")
    except OSError as error:
        text = t("The repository's signing key is not here yet: {path}", path=repository_key())
        raise TemporaryError(text, t("Run make up.")) from error


def directory_accounts() -> DirectoryAccounts:
    """Passwords and sign-in, as the service account."""
    from control_plane.drivers.directory_accounts import DirectoryAccounts
    from control_plane.drivers.directory_session import Endpoint

    document = estate_document()
    return DirectoryAccounts(
        Endpoint(
            str(topology().role_hosts("directory")[0].ipv4),
            636,
            f"directory.core.{document.domain}",
            authority().ca_path,
        ),
        document.base_dn,
        f"cn=control-plane,ou=system,{document.base_dn}",
        settings().secrets / "ldap-control-plane",
    )


@cache
def repository() -> Repository:
    """The repository host: snapshots of packages, sets of signatures."""
    from control_plane.drivers.repository import HostRepository

    return HostRepository(runner(), topology().role_hosts("repository")[0].name)


def repository_key() -> Path:
    """Where the public key of the repository lies (armoured), for machines to trust; made at bring-up."""
    return settings().state / "repository" / "archive-key.asc"


def lab_upstream() -> Upstream:
    """The upstream that the lab's outside host plays."""
    from lab.upstream import Upstream

    def run(host: str, argv: Sequence[str], stdin: bytes) -> bytes:
        done = runner().run(host, argv, stdin, 120.0)
        if done.rc:
            reason = done.stderr.decode("utf-8", "replace").strip()[-400:]
            raise TemporaryError(
                t("Host {host} gave no answer: {reason}", host=host, reason=reason),
                t("See whether it is up: gasp lab status."),
            )
        return done.stdout

    return Upstream(topology(), run)


@cache
def upstream() -> UpstreamDocument:
    """Where packages and signatures come from: the estate's own document, else the lab's outside host."""
    from control_plane.drivers.upstream_file import read_upstream
    from control_plane.model.upstream import UpstreamDocument

    found = read_upstream(settings().estate)
    if found is not None:
        return found
    play = lab_upstream()
    return UpstreamDocument.model_validate(play.sources(play.begin()))


def estate_document() -> Any:
    """`estate.yaml` of the estate folder, before anything was imported."""
    import yaml

    from control_plane.model.tenant import EstateDocument

    return EstateDocument.model_validate(yaml.safe_load((settings().estate / "estate.yaml").read_text("utf-8")))


@cache
def releases() -> Any:
    """Content of sites by release id."""
    from control_plane.drivers.releases import ReleaseFolder

    return ReleaseFolder(settings().state / "releases")


@cache
def local_client() -> LocalClient:
    """The control plane in this process."""
    from control_plane.drivers.probes import SshProber
    from control_plane.model.windows import chinese_calendar
    from control_plane.offerings import discover
    from control_plane.offerings.network import network_probes
    from control_plane.workflow.applying import Applier
    from control_plane.workflow.catalogue import Catalogue
    from control_plane.workflow.local import LocalClient
    from control_plane.workflow.planning import Planner
    from control_plane.workflow.requests import Requests
    from control_plane.workflow.snapshots import Snapshots
    from control_plane.workflow.status import Status

    catalogue = Catalogue(store(), discover(), address_plan(), hosts_of_centre, settings().ttl, network_probes)
    planner = Planner(catalogue, drivers(), now, settings().touch_limit, settings().cut_limit)
    applier = Applier(planner, store(), now, settings().fault)
    return LocalClient(
        planner,
        applier,
        store(),
        releases(),
        SshProber(runner(), now),
        Status(catalogue, drivers(), store(), host_rows, checks(), __version__, now, console_url()),
        actor_name(),
        shown_settings,
        Snapshots(repository, lambda: upstream().keep, publication_fence, store(), actor),
        machine_hands(),
        access_record(),
        internet(catalogue, applier),
        repository,
        settings().state,
        people(),
        lambda actor: Requests(store(), planner, chinese_calendar, actor, settings().fault),
    )


def publication_fence(ring: Ring | None) -> None:
    """Raises Frozen when a ring may be given nothing now; None: when the repository host may not be changed."""
    store().freezes.check(None, ring, "snapshots")


def actor_name() -> str:
    """Who runs this process."""
    return f"local:{pwd.getpwuid(os.getuid()).pw_name}"


def actor() -> Actor:
    """Who runs this process, as an actor."""
    return store().actors.get(actor_name())


@cache
def access_record() -> AccessRecord:
    """The access record: the gateways' spools, the files of lines, the ledger."""
    from control_plane.drivers.record_archive import ParquetArchive
    from control_plane.drivers.record_seal import KeySeal
    from control_plane.drivers.record_spool import SpoolReader
    from control_plane.workflow.access_record import AccessRecord

    return AccessRecord(
        store(),
        lambda: [SpoolReader(runner(), host.name) for host in topology().role_hosts("gateway")],
        ParquetArchive(settings().state / "access"),
        KeySeal(settings().secrets),
        address_plan(),
        settings().record_days,
        now,
        actor,
    )


def internet(catalogue: Catalogue, applier: Applier) -> Internet:
    """Internet access of tenants."""
    from control_plane.drivers.path import SshPathTester
    from control_plane.offerings.internet import described
    from control_plane.workflow.internet import Internet

    return Internet(
        catalogue, applier, store(), described, volumes, SshPathTester(runner()), host_rows, now,
        actor,
    )  # fmt: skip


def volumes() -> Mapping[str, Mapping[str, Any]]:
    """Volume of each tenant this month, as the gateways count it."""
    from control_plane.drivers.gateway import GatewayDriver

    found: dict[str, Mapping[str, Any]] = {}
    for driver in drivers():
        if isinstance(driver, GatewayDriver):
            for part in driver.parts():
                found |= driver.usage(part.partition(":")[2])
    return found


def ticker() -> Ticker:
    """What moves rollouts on."""
    from control_plane.drivers.pyinfra import PyinfraInstaller, Reach
    from control_plane.model.windows import chinese_calendar
    from control_plane.workflow.rollout_carriers import MachineCarrier
    from control_plane.workflow.rollout_configuration import ConfigurationCarrier
    from control_plane.workflow.rollout_promises import Promises
    from control_plane.workflow.rollout_tick import Ticker

    made, here = local_client(), lab()
    reach = Reach(
        lambda: {host.name: (str(host.mgmt), 22) for host in here.topology.hosts},
        lambda: here.access.identity,
        lambda: here.access.known_hosts,
    )
    hands = PyinfraInstaller(reach, machine_hands().refresh_signatures)
    kinds: Sequence[Depot] = ("patches", "signatures")
    promises = Promises(made.planner.catalogue, made.prober)
    carriers: dict[str, Carrier] = {
        what: MachineCarrier(what, store().machines.all, repository(), hands, made.machines.look, promises.of_tenants)
        for what in kinds
    }
    carriers["configuration"] = ConfigurationCarrier(made.planner.catalogue, made.applier, store(), promises)
    return Ticker(store(), carriers, chinese_calendar(), now, settings().fault, volumes)


def request_ticker() -> RequestTicker:
    """What makes approved requests real."""
    from control_plane.workflow.request_tick import RequestTicker

    made = local_client()
    return RequestTicker(made.requests, made.applier, made.prober, lambda: made.actor)


def mail_ticker() -> MailTicker:
    """What makes mails of notices and hands them to the mail host."""
    from control_plane.drivers.smtp import MailHost
    from control_plane.workflow.mail import MailTicker

    def post() -> MailHost:
        host = topology().role_hosts("mail")[0]
        return MailHost(str(host.ipv4), runner(), host.name)

    domain = (store().estate.document() or estate_document()).domain
    operators = settings().mail_operators or f"operators@{domain}"
    requests = local_client().requests
    words = (domain, console_url(), settings().mail_gather, operators)
    return MailTicker(store(), post, requests.view, now, *words, settings().fault)


def chores() -> Sequence[Chore]:
    """What the worker does again and again: name, seconds, act. Each asks for its rooms anew at every turn."""
    from control_plane.model.jobs import CHORES
    from control_plane.workflow.process import process_alive
    from control_plane.workflow.worker import Chore

    def move_rollouts() -> str | None:
        if not store().rollouts.list(MOVING):
            return None
        moved = ticker().tick()
        return f"rollouts {', '.join(map(str, moved))}" if moved else None

    def move_requests() -> str | None:
        moved = request_ticker().tick()
        return f"requests {', '.join(moved)}" if moved else None

    def measure_machines() -> str | None:
        found = local_client().machines.survey()
        return f"{found['measured']} measured, {found['silent']} silent"

    def collect_record() -> str | None:
        found = access_record().collect()
        return f"{sum(host['lines'] for host in found['hosts'])} lines, {found['state']}"

    def send_mail() -> str | None:
        return mail_ticker().tick()

    def close_runs() -> str | None:
        ended = store().runs.mark_interrupted(process_alive)
        return f"interrupted runs: {', '.join(map(str, ended))}" if ended else None

    def do_jobs(lanes: Sequence[str]) -> str | None:
        done = local_client().jobs.work(lanes)
        return f"job {done.id} {done.kind.name} {done.state}" if done else None

    return (
        Chore("requests", 1, move_requests),
        *(Chore(name, 1, partial(do_jobs, lanes)) for name, lanes in CHORES.items()),
        Chore("rollouts", 3, move_rollouts),
        Chore("mail", 2, send_mail),
        Chore("runs", 30, close_runs),
        Chore("record", 60, collect_record),
        Chore("machines", 3600, measure_machines),
    )


_estate: list[Any] = []


def renew() -> None:
    """Drop every room that was built for hosts and tenants which are no longer those of the database."""
    document = store().estate.document()
    found = [networked_tenants(), document]
    if _estate and _estate != found:
        for room in list(globals().values()):
            if hasattr(room, "cache_clear") and room not in (settings, store, signals):
                room.cache_clear()
    _estate[:] = found


def client() -> Client:
    """What commands talk to."""
    return local_client()


@cache
def vault() -> Any:
    """Proofs of people."""
    from control_plane.drivers.secrets import SecretFolder
    from control_plane.drivers.vault import Vault

    return Vault(SecretFolder(settings().secrets))


@cache
def people() -> People:
    """People of the centre and their roles."""
    from control_plane.drivers.secrets import random_password, write_private
    from control_plane.workflow.people import People

    return People(
        store(),
        vault(),
        now,
        lambda: local_client().accounts(),
        actor,
        settings().secrets,
        write_private,
        random_password,
    )


@cache
def sign_in() -> SignIn:
    """Signing in to the console."""
    from control_plane.workflow.sign_in import SignIn

    return SignIn(store(), directory_accounts, vault(), now)


def console_names() -> list[str]:
    """Names and addresses that the console answers to."""
    document = store().estate.document() or estate_document()
    return [f"console.core.{document.domain}", "localhost", "127.0.0.1"]


def console_url() -> str | None:
    """Where the console answers, if this centre has one."""
    port = settings().console_port
    return f"https://localhost:{port}/" if port else None


def this_centre() -> dict[str, str]:
    """What a process of ours in the background must know."""
    return {"GASP_STATE": str(settings().state), "GASP_LAB": settings().lab, "GASP_ESTATE": str(settings().estate)}


def web_environment() -> dict[str, str]:
    """What the web server must know: this centre, and that nobody moves it to another mount namespace."""
    return {**this_centre(), "GASP_JOINED": "web"}


def start_console() -> int | None:
    """The web server in the background, started unless it lives; its pid, or None for a centre without console."""
    import ssl
    from http.client import HTTPSConnection

    from control_plane.workflow.background import start_background

    port = settings().console_port
    if not port:
        return None

    def answers() -> bool:
        trusted = ssl.create_default_context(cafile=authority().ca_path)
        connection = HTTPSConnection("localhost", port, timeout=30, context=trusted)
        try:
            connection.request("GET", "/sign-in")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    return start_background(settings().state, "web", web_command(), web_environment(), answers)


def stop_console() -> bool:
    """End the web server in the background; whether there was one."""
    from control_plane.workflow.background import stop_background

    return stop_background(settings().state, "web")


def start_worker() -> int:
    """The worker's keeper in the background, started unless it lives; its pid, once a first chore has begun."""
    from control_plane.workflow.background import start_background

    began = now()

    def answers() -> bool:
        return any(row.started_at is not None and row.started_at >= began for row in store().chores.list())

    return start_background(settings().state, "worker", [*GASP, "worker", "keep"], this_centre(), answers)


def stop_worker() -> bool:
    """End the worker and its keeper; whether there was one. A chore under way is waited for, then killed."""
    from control_plane.workflow.background import stop_background

    return stop_background(settings().state, "worker")


def keep_worker() -> None:
    """Be the worker's keeper, until SIGTERM."""
    from control_plane.workflow.background import log_of
    from control_plane.workflow.worker_keeper import keep

    keep([*GASP, "worker", "run", "--log", "json"], log_of(settings().state, "worker"))


def stop_processes() -> None:
    """End whatever of ours runs in the background: nothing goes on by itself without hosts."""
    stop_worker()
    stop_console()


def web_command() -> list[str]:
    """The web server's command line: one process, threads, TLS by the centre's authority, no control socket."""
    name, *_ = console_names()
    certificate, key = authority().server_certificate([name, "localhost"], ["127.0.0.1"], now())
    return [
        *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread"),
        *("--workers", "1", "--threads", "16", "--graceful-timeout", "10", "--worker-tmp-dir", "/dev/shm"),
        *("--bind", f"127.0.0.1:{settings().console_port}", "--certfile", str(certificate), "--keyfile", str(key)),
        *("--log-level", "warning", "control_plane.app:make_app()"),
    ]


def host_rows() -> list[dict[str, Any]]:
    """Hosts as `gasp hosts list` and `gasp lab status` show them."""
    from lab.lab import as_json

    return [as_json(status) for status in lab().status()]


def shown_settings() -> Mapping[str, Any]:
    """Settings in force and where each comes from. There is no secret among settings."""
    values = settings()
    return {
        name: {
            "value": str(getattr(values, name)) if getattr(values, name) is not None else None,
            "from": "environment" if f"GASP_{name.upper()}" in os.environ else "default",
            "variable": f"GASP_{name.upper()}",
            "help": field.description,
        }
        for name, field in Settings.model_fields.items()
        if name != "fault"
    }


def checks() -> Mapping[str, Check]:
    """What `gasp doctor` looks at besides the systems."""

    def state_folder() -> tuple[str, Text, Text | None]:
        mode = settings().state.stat().st_mode & 0o777
        if mode & 0o077:
            return (
                "failed",
                t("{path} is open to others (mode {mode}).", path=settings().state, mode=oct(mode)),
                t("chmod 0700 {path}", path=settings().state),
            )
        return "passed", t("{path}, mode 0700", path=settings().state), None

    def secret_files() -> tuple[str, Text, Text | None]:
        kept = [settings().secrets, *settings().secrets.rglob("*")]
        loose = [p for p in kept if p.stat().st_mode & 0o077]
        if loose:
            return (
                "failed",
                t("{count} secrets are open to others.", count=len(loose)),
                t("chmod -R go= {path}", path=settings().secrets),
            )
        return "passed", t("{count} files, open to nobody else", count=sum(p.is_file() for p in kept)), None

    def disk() -> tuple[str, Text, Text | None]:
        usage = os.statvfs(settings().state)
        free = usage.f_bavail * usage.f_frsize // 2**20
        if free < 1024:
            return "warning", t("{free} MB are free.", free=free), t("Free some space below {path}.", path="/var")
        return "passed", t("{free} MB are free.", free=free), None

    def hosts() -> tuple[str, Text, Text | None]:
        rows = host_rows()
        down = [r["name"] for r in rows if r["state"] != "running"]
        if down:
            return (
                "failed",
                t(
                    "{down} of {total} hosts do not run: {names}.",
                    down=len(down),
                    total=len(rows),
                    names=", ".join(down[:5]),
                ),
                t("gasp lab up"),
            )
        return "passed", t("{total} hosts run.", total=len(rows)), None

    from control_plane.workflow.worker import WorkerStatus

    worker = WorkerStatus(store(), settings().state, now).check
    return {"state": state_folder, "secrets": secret_files, "disk": disk, "hosts": hosts, "worker": worker}


def clean(report: Callable[[Progress], None]) -> None:
    """Take the lab down with its disks and delete all state; images in the cache stay."""
    from shutil import rmtree

    stop_processes()
    lab().clean(report)
    for path in (found for name in STATE for found in settings().state.glob(name)):
        if path.is_dir():
            rmtree(path)
        else:
            path.unlink(missing_ok=True)
