"""What the command line (and later the HTTP client and the web) may ask of a control plane.

Every answer is JSON-able and equals the later REST body. Errors are `ControlPlaneError`s.
Stage A has the in-process implementation (`workflow/local.py`); another one must pass the same tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from control_plane.model.client_attachments import AttachmentsClient
    from control_plane.model.client_audit import AuditClient
    from control_plane.model.client_by_itself import ByItselfClient
    from control_plane.model.client_classes import ClassesClient
    from control_plane.model.client_emergencies import EmergenciesClient
    from control_plane.model.client_groups import GroupsClient
    from control_plane.model.client_internet import InternetClient
    from control_plane.model.client_jobs import JobsClient
    from control_plane.model.client_mail import MailClient
    from control_plane.model.client_persons import PersonsClient
    from control_plane.model.client_policies import PoliciesClient
    from control_plane.model.client_posts import PostsClient
    from control_plane.model.client_restores import RestoresClient
    from control_plane.model.client_reviews import ReviewsClient
    from control_plane.model.client_rollouts import FreezesClient, RolloutsClient, WorkerClient
    from control_plane.model.client_snapshots import SnapshotsClient
    from control_plane.model.client_staff import SheetsClient, StaffClient
    from control_plane.model.client_substitutes import SubstitutesClient
    from control_plane.model.client_tokens import TokensClient
    from control_plane.model.client_views import ViewsClient
    from control_plane.model.client_webhooks import WebhooksClient

from control_plane.model.client_machines import MachinesClient
from control_plane.model.client_people import PeopleClient
from control_plane.model.client_record import RecordClient
from control_plane.model.client_requests import RequestsClient

Json = dict[str, Any]
OnEvent = Callable[[Json], None]
"""Called with each event of a run (`Event.as_json()`), in order, as it happens."""


class Client(Protocol):
    """Operations of the control plane, one method a verb."""

    def rehearse(self, act: Callable[[], object]) -> None:
        """Judge an act of the database alone without doing it: raises what it would raise. Of one
        elsewhere only what is judged here is known."""

    @property
    def machines(self) -> MachinesClient:
        """Machines of tenants: inventory, measuring, antivirus."""
        ...

    @property
    def by_itself(self) -> ByItselfClient:
        """Scans and signatures that need no command."""
        ...

    @property
    def jobs(self) -> JobsClient:
        """What was asked for on pages."""
        ...

    @property
    def record(self) -> RecordClient:
        """The access record."""
        ...

    @property
    def people(self) -> PeopleClient:
        """Who may sign in, with which role."""
        ...

    @property
    def tokens(self) -> TokensClient:
        """Tokens of programs."""
        ...

    @property
    def views(self) -> ViewsClient:
        """Views of lists that one keeps."""
        ...

    @property
    def webhooks(self) -> WebhooksClient:
        """Programs elsewhere that are told what happened."""
        ...

    # plans and runs -------------------------------------------------------------------------------
    def plan(self, scope: str = "estate") -> Json:
        """Make and store a plan. Returns `Plan.as_json()` plus `guards: [{code, detail, confirm}]`
        (reasons why a yes is not enough and the word that must be typed)."""
        ...

    def get_plan(self, digest: str) -> Json:
        """A stored plan by digest or unique prefix (≥ 6), as `plan`; with `restores` when it undoes a run or brings a
        tenant back, then with `left` too."""
        ...

    def apply(
        self,
        target: str,
        *,
        confirm: str | None = None,
        spare_hand_made: bool = False,
        wishes: frozenset[str] | None = None,
        on_event: OnEvent | None = None,
        wait: float = 600.0,
    ) -> Json:
        """Apply a stored plan (digest or prefix) or a scope (planned now). Returns the run (see `run`).
        `spare_hand_made`: overwrite no hand-made change (what is missing is made again), for callers that show
        nobody a plan; `wishes` then names the only subscriptions whose new wishes are made real.

        Raises StalePlan (the world moved), UnsafePlan (a guard wants `confirm`), TemporaryError (another
        run holds the lease for longer than `wait` seconds), CouldNotMeasureError (nothing was seen).
        """
        ...

    def runs(self, *, limit: int = 50, state: str | None = None) -> list[Json]:
        """Newest first: {id, state, sentence, scope, digest, kind, actor: {key, name}, started_at, finished_at,
        counts: {applied, already, refused, failed, held, unknown, total}}."""
        ...

    def run(self, run_id: int) -> Json:
        """One run as in `runs` plus `failures: [{change_id, tenant, text, file, line}]`, `affected_tenants`."""
        ...

    def run_events(self, run_id: int, after: int = 0) -> list[Json]:
        """Numbered events of a run with number > `after`."""
        ...

    def stop_run(self, run_id: int) -> Json:
        """Ask a run to stop at the next boundary."""
        ...

    def resume_run(self, run_id: int, *, on_event: OnEvent | None = None) -> Json:
        """Finish a stopped or interrupted run: its remaining changes only. Raises StalePlan if those moved."""
        ...

    def undo_run(self, run_id: int) -> Json:
        """Make (and store) the plan that brings back what was desired before the run; as `plan`, plus
        `restores: [{subscription, from_generation, to_generation}]`. Applying it makes the older spec desired."""
        ...

    # drift ----------------------------------------------------------------------------------------
    def drift(self, scope: str = "estate") -> list[Json]:
        """Hand-made changes: [{id, kind, label, tenant, offering, part, action, before, after, kept_until, reason}];
        here `before` is what we last wrote or want and `after` what was found."""
        ...

    def drift_keep(self, ids: Sequence[str], *, until: str, reason: str) -> list[Json]:
        """Leave hand-made states out of plans until a date (ISO)."""
        ...

    def drift_accept(self, ids: Sequence[str], *, reason: str) -> list[Json]:
        """Make the found state the desired one."""
        ...

    def drift_revert(self, ids: Sequence[str], *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """Plan and apply these resources only; returns the run. Raises UnsafePlan when a guard wants `confirm`."""
        ...

    # looking --------------------------------------------------------------------------------------
    def explain(self, subject: str) -> Json:
        """{subject, matches: [{type, id, title, tenant, offering, asked_by, desired, observed, since, state,
        last_change: {run, at, actor, action} | None, next}]} for a tenant code, host, address, DN, URL, uid."""
        ...

    def at_work(self) -> list[Json]:
        """What goes on just now, oldest first within its kind: {kind: run|rollout|job, id}."""
        ...

    def stamp(self) -> str:
        """Another word whenever tenants, accounts, probes or sites may have changed: what was read before may be
        shown again as long as it is the same."""
        ...

    def status(self) -> Json:
        """{version, estate, tenants: {status: n}, subscriptions: {total, pending, by_offering}, hosts: {state: n},
        last_run, last_plan, busy, drift_kept, console_url}: quick, reads no outside system."""
        ...

    def doctor(self) -> list[Json]:
        """Checks of this installation: [{check, state: passed|warning|failed, detail, remedy}]."""
        ...

    def hosts(self) -> list[Json]:
        """Hosts and machines; see `MachinesClient.rows`."""
        ...

    def accounts(self, tenant: str | None = None) -> list[Json]:
        """[{uid, tenant, name, uid_number, status, groups}]."""
        ...

    def probes(self, scope: str = "estate") -> list[Json]:
        """[{id, kind, vantage, tenant, offering, title}]."""
        ...

    def run_probes(self, scope: str = "estate") -> list[Json]:
        """Measure now: the above plus {state, at, seconds, detail}."""
        ...

    # tenants --------------------------------------------------------------------------------------
    def tenants(self) -> list[Json]:
        """[{code, id, name_zh, name_en, kind, status, network_index, subscriptions: [offering…]}]."""
        ...

    def tenant(self, code: str) -> Json:
        """One tenant with its document and subscriptions' generations."""
        ...

    def subscription(self, name: str) -> Json:
        """One service of a tenant, `CODE/OFFERING`: {id, tenant, offering, tier, spec, generation,
        observed_generation, state, revisions: [{generation, tier, at, actor, cause, ended}]}, newest first."""
        ...

    def preview_import(self, path: Path) -> Json:
        """Check a file or folder whole: {digest, encoding, create: [code], update: [{code, fields: [...]}], unchanged,
        end: [], estate: {...}}. Raises Invalid with every problem of every file."""
        ...

    def import_tenants(self, path: Path, *, digest: str | None = None) -> Json:
        """Import what `preview_import` showed, in one transaction; `digest` guards against a changed file."""
        ...

    def export_tenants(self, folder: Path, codes: Sequence[str] = ()) -> Json:
        """Write documents; exporting and importing again is a no-op. Returns {files: [...]}."""
        ...

    def diff_tenants(self, path: Path) -> Json:
        """What an import would change, field by field."""
        ...

    def preview_offboard(self, code: str) -> Json:
        """Everything that goes: {code, plan: {...}, subscriptions, shared_by_others, people, sites, releases,
        retiring_seconds}."""
        ...

    def offboard(self, code: str, *, confirm: str, archive: Path, on_event: OnEvent | None = None) -> Json:
        """Export the tenant's data, end its subscriptions, apply, and return the receipt
        {code, tenant_id, run, archive, archive_sha256, remaining: [], others_changed: [], issued_at}. Sites
        of others are no longer shared with it; that is part of the same plan."""
        ...

    # sites ----------------------------------------------------------------------------------------
    def sites(self) -> list[Json]:
        """[{site, tenant, offering, names: [...], release, release_at, state, url}]."""
        ...

    def infected_sites(self) -> list[str]:
        """Main names of sites in whose live content malware was found."""
        ...

    def publish_release(self, site: str, archive: Path, *, note: str = "") -> Json:
        """Check and store an archive as a release of a site, not yet live: {release, site, files, bytes, check,
        warnings, deleted: [release]}; old ones make room for it. Raises Invalid with figures when there is none, and
        with the file in which malware was found."""
        ...

    def releases(self, site: str) -> list[Json]:
        """Releases of a site, newest first: [{release, at, actor, note, files, bytes, state: live|preview|stored,
        check: waiting|clean|infected, check_sentence, why: why it could not be checked | None}]."""
        ...

    def room(self, site: str) -> Json:
        """Room for releases of the site's department: {site, tenant, used, limit (octets), keep, rule: sentence,
        prunable: [release]}; `prunable`: what the rule deletes of this site."""
        ...

    def prune_releases(self, site: str, *, release: str | None = None) -> Json:
        """Delete what the rule of `room` says, or one release that nothing needs: {site, removed: [release], octets}.
        Raises Rejected when it is needed, NotFound."""
        ...

    def preview_release(
        self, site: str, release: str, *, confirm: str | None = None, on_event: OnEvent | None = None
    ) -> Json:
        """Put a release on its preview address: {url, run}. Like all acts on sites it raises UnsafePlan when a guard
        wants `confirm`."""
        ...

    def activate_release(
        self, site: str, release: str, *, confirm: str | None = None, on_event: OnEvent | None = None
    ) -> Json:
        """Make a release live; returns {run, previous, release, url}."""
        ...

    def rollback_release(self, site: str, *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """Make the release that was live before live again."""
        ...

    def maintenance(self, site: str, on: bool, *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """Answer with a maintenance page (503), or stop doing so."""
        ...

    @property
    def posts(self) -> PostsClient:
        """Notices on departments' first home pages."""
        ...

    @property
    def restores(self) -> RestoresClient:
        """One tenant back to a former day."""
        ...

    # patches and signatures -----------------------------------------------------------------------
    @property
    def snapshots(self) -> SnapshotsClient:
        """Snapshots of packages and sets of signatures."""
        ...

    # services -------------------------------------------------------------------------------------
    @property
    def internet(self) -> InternetClient:
        """Internet access of tenants."""
        ...

    @property
    def policies(self) -> PoliciesClient:
        """What the centre decides for everybody's internet access."""
        ...

    # requests -------------------------------------------------------------------------------------
    @property
    def requests(self) -> RequestsClient:
        """What departments ask for."""
        ...

    @property
    def attachments(self) -> AttachmentsClient:
        """Files that go with requests."""
        ...

    @property
    def classes(self) -> ClassesClient:
        """The table of classes: who must sign which change."""
        ...

    @property
    def emergencies(self) -> EmergenciesClient:
        """What was made real ahead of its signatures."""
        ...

    @property
    def substitutes(self) -> SubstitutesClient:
        """Who stands in for whom, and whether roles have enough people."""
        ...

    # people of departments -------------------------------------------------------------------------
    @property
    def staff(self) -> StaffClient:
        """People of departments and their accounts."""
        ...

    @property
    def groups(self) -> GroupsClient:
        """Groups of people of departments."""
        ...

    @property
    def reviews(self) -> ReviewsClient:
        """Whether everybody is still there, once a quarter."""
        ...

    @property
    def sheets(self) -> SheetsClient:
        """One-time passwords of people of departments."""
        ...

    @property
    def persons(self) -> PersonsClient:
        """Everything that is known of one person."""
        ...

    # rollouts, freezes, the worker -----------------------------------------------------------------
    @property
    def rollouts(self) -> RolloutsClient:
        """Changes that go out in waves."""
        ...

    @property
    def freezes(self) -> FreezesClient:
        """What must not be changed now."""
        ...

    @property
    def worker(self) -> WorkerClient:
        """What goes on by itself."""
        ...

    # what was done --------------------------------------------------------------------------------
    @property
    def audit(self) -> AuditClient:
        """The audit trail."""
        ...

    @property
    def mail(self) -> MailClient:
        """Mail that the centre sends."""
        ...

    def database(self) -> Json:
        """The control plane's own database: {url, kind, revision, tables: [{table, rows}]}; no password."""
        ...

    def config(self) -> Mapping[str, Any]:
        """Settings in force and where each comes from; secrets are never among them."""
        ...
