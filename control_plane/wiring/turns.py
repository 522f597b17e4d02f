"""What the worker does again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from control_plane.model.errors import TemporaryError
from control_plane.model.rollout import MOVING
from control_plane.model.text import t
from control_plane.wiring.centre import estate_document, now, settings, store
from control_plane.wiring.gateways import volumes
from control_plane.wiring.hosts import lab, runner, topology
from control_plane.wiring.in_process import local_client
from control_plane.wiring.machines import machine_hands, repository
from control_plane.wiring.planning import applier, catalogue, prober
from control_plane.wiring.processes import console_url_for_departments
from control_plane.wiring.webhooks import webhook_ticker

if TYPE_CHECKING:
    from control_plane.model.machine import Depot
    from control_plane.workflow.local import LocalClient
    from control_plane.workflow.mail import MailTicker
    from control_plane.workflow.request_tick import RequestTicker
    from control_plane.workflow.rollout_carriers import Carrier, MachineCarrier
    from control_plane.workflow.rollout_configuration import ConfigurationCarrier
    from control_plane.workflow.rollout_tick import Ticker
    from control_plane.workflow.worker import Chore


def ticker() -> Ticker:
    """What moves rollouts on."""
    from control_plane.model.windows import chinese_calendar
    from control_plane.workflow.rollout_tick import Ticker

    return Ticker(store(), _Carriers(), chinese_calendar(), now, settings().fault, volumes)


class _Carriers(dict[str, "Carrier"]):
    """Each made when a rollout of its kind moves: machines wait for nothing that only plans need."""

    def __missing__(self, what: str) -> Carrier:
        made = self[what] = configuration_carrier() if what == "configuration" else machine_carrier(cast("Depot", what))
        return made


def machine_carrier(what: Depot) -> MachineCarrier:
    """Brings packages or signatures to machines."""
    from control_plane.drivers.pyinfra import PyinfraInstaller, Reach
    from control_plane.workflow.rollout_carriers import MachineCarrier
    from control_plane.workflow.rollout_promises import Promises

    here = lab()
    reach = Reach(
        lambda: {host.name: (str(host.mgmt), 22) for host in here.topology.hosts},
        lambda: here.access.identity,
        lambda: here.access.known_hosts,
    )
    hands = PyinfraInstaller(reach, machine_hands().refresh_signatures)
    promises = Promises(catalogue(), prober())
    return MachineCarrier(
        what,
        store().machines.all,
        store().machines.prepared,
        repository(),
        hands,
        lambda machines: the_worker().machines.look(machines),
        promises.of_tenants,
    )


def configuration_carrier() -> ConfigurationCarrier:
    """Brings wishes to subscriptions."""
    from control_plane.workflow.rollout_configuration import ConfigurationCarrier
    from control_plane.workflow.rollout_promises import Promises

    return ConfigurationCarrier(catalogue(), applier(), store(), Promises(catalogue(), prober()))


def request_ticker() -> RequestTicker:
    """What makes approved requests real."""
    from control_plane.workflow.request_machines import NamedMachines
    from control_plane.workflow.request_tick import RequestTicker

    made = the_worker()
    named = NamedMachines(store(), made.machines.enrol_named)
    return RequestTicker(made.requests, made.applier, made.prober, named)


def mail_ticker() -> MailTicker:
    """What makes mails of notices and hands them to the mail host."""
    from control_plane.drivers.smtp import MailHost
    from control_plane.workflow.mail import MailTicker

    def post() -> MailHost:
        host = topology().role_hosts("mail")[0]
        return MailHost(str(host.ipv4), runner(), host.name)

    domain = (store().estate.document() or estate_document()).domain
    operators = settings().mail_operators or f"operators@{domain}"
    requests = the_worker().requests
    words = (domain, console_url_for_departments(), settings().mail_gather, operators)
    return MailTicker(store(), post, requests.view, now, *words, settings().fault)


@cache
def the_worker() -> LocalClient:
    """The control plane with the worker as who acts: nobody else asked for what it does when a time is over."""
    from control_plane.store.audit import BY_ITSELF

    return local_client().acting_as(BY_ITSELF)


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
        found = the_worker().machines.survey()
        return f"{found['measured']} measured, {found['silent']} silent"

    def collect_record() -> str | None:
        found = the_worker().record.collect()
        return f"{sum(host['lines'] for host in found['hosts'])} lines, {found['state']}"

    def purge_record() -> str | None:
        gone = the_worker().record.purge_by_itself(settings().record_purge_days)
        return f"{gone} days purged" if gone else None

    def tell_volumes() -> str | None:
        from control_plane.workflow.volume import VolumeTeller

        told = VolumeTeller(store(), volumes).tick()
        return f"told: {', '.join(told)}" if told else None

    def send_mail() -> str | None:
        return mail_ticker().tick()

    def tell_webhooks() -> str | None:
        return webhook_ticker().tick()

    def check_files() -> str | None:
        if store().attachments.waiting(1, due=True):
            return looked_at(the_worker().attachments.scan(due=True))
        if store().content_checks.waiting_files(1, due=True):
            return looked_at(the_worker().checks.look_at_files(due=True))
        return None

    def check_releases() -> str | None:
        if not store().content_checks.waiting_releases(1, due=True):
            return None
        return looked_at(the_worker().checks.look_at_releases(due=True))

    def recheck_releases() -> str | None:
        found = the_worker().checks.look_again()
        return looked_at(found) if any(found.values()) else None

    def looked_at(found: Mapping[str, Any]) -> str:
        if found["error"]:  # tried later and later, and told as a failed chore
            raise TemporaryError(t("{why}", why=found["error"]))
        return f"{found['clean']} clean, {found['infected']} infected, {found['odd']} could not be looked at"

    def sweep_contents() -> str | None:
        swept = the_worker().contents.sweep()
        return ", ".join(f"{count} {what} deleted" for what, count in swept.items() if count) or None

    def move_emergencies() -> str | None:
        moved = the_worker().emergencies.tick()
        return f"emergencies {', '.join(map(str, moved))}" if moved else None

    def tidy_substitutes() -> str | None:
        ended = the_worker().substitutes.tidy()
        return f"substitutions ended: {', '.join(map(str, ended))}" if ended else None

    def finish_retirements() -> str | None:
        gone = the_worker().retirements.tick()
        return f"{len(gone)} things of removed sites taken away" if gone else None

    def tidy_accounts() -> str | None:
        gone, ended = the_worker().staff.remove_left(), the_worker().sheets.expire()
        said = [f"{len(gone)} accounts of leavers removed"] if gone else []
        said += [f"sheets expired: {', '.join(map(str, ended))}"] if ended else []
        return "; ".join(said) or None

    def ask_reviews() -> str | None:
        told = the_worker().reviews.tick()
        return f"reviews of people: {', '.join(told)}" if told else None

    def forget_answers() -> str | None:
        gone = store().answers.tidy()
        return f"{gone} answers forgotten" if gone else None

    def scan_machines() -> str | None:
        return the_worker().scans.turn()

    def move_signatures() -> str | None:
        here = the_worker()
        return "; ".join(filter(None, (here.new_signatures.turn(), here.first_signatures.turn()))) or None

    def close_runs() -> str | None:
        ended = store().runs.mark_interrupted(process_alive)
        return f"interrupted runs: {', '.join(map(str, ended))}" if ended else None

    def do_jobs(lanes: Sequence[str]) -> str | None:
        done = the_worker().jobs.work(lanes)
        return f"job {done.id} {done.kind.name} {done.state}" if done else None

    return (
        Chore("requests", 1, move_requests),
        *(Chore(name, 1, partial(do_jobs, lanes)) for name, lanes in CHORES.items()),
        Chore("rollouts", 3, move_rollouts),
        Chore("mail", 2, send_mail),
        Chore("webhooks", 2, tell_webhooks),
        Chore("files", 2, check_files),
        Chore("releases", 2, check_releases),
        Chore("live_releases", 600, recheck_releases),
        Chore("contents", 300, sweep_contents),
        Chore("runs", 30, close_runs),
        Chore("emergencies", 5, move_emergencies),
        Chore("substitutes", 30, tidy_substitutes),
        Chore("retirements", 30, finish_retirements),
        Chore("accounts", 30, tidy_accounts),
        Chore("reviews", 600, ask_reviews),
        Chore("record", 60, collect_record),
        Chore("old_record", 3600, purge_record),
        Chore("answers", 3600, forget_answers),
        Chore("volume", 60, tell_volumes),
        Chore("machines", 3600, measure_machines),
        Chore("scans", 10, scan_machines),
        Chore("signatures", 30, move_signatures),
    )
