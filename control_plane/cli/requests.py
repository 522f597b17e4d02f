"""`gasp requests`: what departments ask for, from the draft to the live service."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.listing import listing_options, show_list, show_one
from control_plane.cli.request_view import COLUMNS, counted_words, say_preview, say_problems, show, show_parts
from control_plane.cli.terminal import clean, sentence
from control_plane.model.client_requests import Json
from control_plane.model.request import MOST_LISTED
from control_plane.model.text import t

LETTER = "--number 青发改〔2026〕14号 --date 2026-11-24 --brought-by 'Li Na'"

requests = Group(
    name="requests",
    sentence=t("Requests of departments: ask, sign, ask back, refuse, try again."),
    examples=(
        ("gasp requests list --waiting", t("what waits for me")),
        ("gasp requests sign R-2026-0147 --reason 'night shift'", t("look at a request and sign it")),
    ),
)
PART = "web:web/web.vhost/fgw"
request_argument = argument("request", help=t("Reference such as R-2026-0147, or its number."))
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)
part_option = option(
    "--part", "block", help=t("About this part of the plan, as gasp requests parts names it."), metavar="PART"
)


@requests.verb(
    "list",
    sentence=t("List requests with state, whose turn it is, and due date."),
    examples=(
        ("gasp requests list --waiting", t("what waits for me")),
        ("gasp requests list --tenant fgw --filter state=live -o json", t("what one department got, for a program")),
    ),
)
@option("--tenant", help=t("Only this department's."), metavar="CODE")
@option("--waiting", help=t("Only what waits for who asks."), is_flag=True)
@option("--before", help=t("Only older ones than this request; 1000 are listed at once."), metavar="REQUEST")
@listing_options
@click.pass_obj
def list_requests(app: App, tenant: str | None, waiting: bool, before: str | None) -> None:
    """`gasp requests list`."""
    rows = app.client.requests.list(tenant=tenant, waiting_for_me=waiting, before=before)
    show_list(rows, COLUMNS, empty=t("There is no request. Begin one: gasp requests new"), name="reference")
    if len(rows) >= MOST_LISTED:
        last = rows[-1]["reference"]
        app.note(t("Older ones: gasp requests list --before {request}", request=last))


@requests.verb(
    "show",
    sentence=t("Show one request: where it stands, what it changes, who signed, what was said."),
    examples=(
        ("gasp requests show R-2026-0147", t("everything about it")),
        ("gasp requests show 147 -o json", t("for a program")),
    ),
)
@request_argument
@listing_options
@click.pass_obj
def show_request(app: App, request: str) -> None:
    """`gasp requests show REQUEST`."""
    show(app, app.client.requests.show(request))


@requests.verb(
    "parts",
    sentence=t("List the parts of a request's plan, and which of them you marked as looked at."),
    examples=(
        ("gasp requests parts R-2026-0147", t("what is deleted comes first")),
        ("gasp requests parts 147 -o json", t("for a program")),
    ),
)
@request_argument
@listing_options
@click.pass_obj
def parts(app: App, request: str) -> None:
    """`gasp requests parts REQUEST`."""
    show_parts(app.client.requests.blocks(request))


@requests.verb(
    "mark",
    sentence=t("Mark a part of a plan as looked at, for yourself; the mark is gone when the part changes."),
    examples=(
        (f"gasp requests mark R-2026-0147 {PART}", t("looked at")),
        (f"gasp requests mark 147 {PART} --off", t("take the mark away")),
    ),
)
@request_argument
@argument("block", help=t("The part, as gasp requests parts names it."))
@option("--off", help=t("Take the mark away."), is_flag=True)
@consent_options()
@listing_options
@click.pass_obj
def mark(app: App, request: str, block: str, off: bool, dry_run: bool, yes: bool) -> None:
    """`gasp requests mark REQUEST PART`."""
    # A mark changes nothing for anybody else, so nobody is asked.
    if rehearsed(dry_run, t("{part} would be marked.", part=block)):
        return
    app.context()
    show_parts(app.client.requests.mark(request, block=block, viewed=not off))


@requests.verb(
    "new",
    sentence=t(
        "Begin a request, or go on with the draft of one; nothing is handed in yet.\n"
        "The form is a YAML file with what an estate's document has below “spec”. A change without a file begins with"
        " what is there now; look at it with “gasp requests show REQUEST -o yaml”."
    ),
    examples=(
        ("gasp requests new fgw public_site --file form.yaml --note 'for the census'", t("ask for a new service")),
        ("gasp requests new fgw internet --action change --file form.yaml", t("ask for a change")),
    ),
)
@argument("tenant", help=t("Code of the department."))
@argument("offering", help=t("The service, such as public_site."))
@option(
    "--action", help=t("What is asked for."), type=click.Choice(["new", "change", "end"]), default="new",
    show_default=True,
)  # fmt: skip
@option("--file", "file", help=t("The form."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--tier", help=t("S, M or L."), metavar="TIER")
@option("--note", help=t("What it is for; signers read it."))
@consent_options()
@listing_options
@click.pass_obj
def new(
    app: App, tenant: str, offering: str, action: str, file: Path | None, tier: str | None, note: str | None,
    dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """`gasp requests new CODE OFFERING`."""
    # A draft changes nothing for anybody, so nobody is asked.
    spec = _form(file) if file is not None else None
    if dry_run:
        problems = app.client.requests.check(tenant, offering, action, spec, tier)
        show_one({"problems": problems}, lambda: say_problems(app, problems), rows="problems", name="code")
        return
    app.context()
    made = app.client.requests.draft(tenant, offering, action)
    made = app.client.requests.save(made["id"], spec=spec, tier=tier, note=note)
    show(app, made)
    app.note(t("Next: gasp requests submit {request}", request=made["reference"]))


def _form(file: Path) -> Json:
    from control_plane.workflow.yaml_form import read_form

    return read_form(file.read_bytes(), file.name)


@requests.verb(
    "import",
    sentence=t(
        "Ask for many at once: put the rows of a table into the form of a service, and hand it in.\n"
        "The table is CSV or an Excel workbook; its heads are the fields of one list of the form. A row whose key is"
        " there already changes that one, any other is added, nothing is taken away. Every problem of every row is said"
        " at once, and then nothing is kept."
    ),
    examples=(
        (
            "gasp requests import list.csv --tenant fgw --service directory --dry-run",
            t("what it would do"),
        ),
        ("gasp requests import list.csv --tenant fgw --service directory --note '30 new colleagues'", t("hand it in")),
    ),
)
@argument("file", help=t("The table."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--tenant", help=t("Code of the department."), required=True, metavar="CODE")
@option("--service", "offering", help=t("The service, such as directory."), required=True, metavar="NAME")
@option("--list", "part", help=t("Which list of the form, where several can come from a file."), metavar="NAME")
@option("--note", help=t("What it is for; signers read it."))
@consent_options()
@listing_options
@click.pass_obj
def take(
    app: App, file: Path, tenant: str, offering: str, part: str | None, note: str | None, dry_run: bool, yes: bool
) -> None:
    """`gasp requests import FILE`."""
    client, content = app.client.requests, file.read_bytes()
    counted = client.check_rows(tenant, offering, part, content)
    if dry_run:
        show_one(counted, lambda: app.out(sentence(counted_words(counted))), name="list")
        return
    app.context()
    app.note(counted_words(counted))
    ask(t("Put these rows into a draft of {tenant}?", tenant=tenant), yes)
    made = client.draft(tenant, offering, counted["action"])
    client.take_rows(made["id"], counted["list"], content)
    if note is not None:
        client.save(made["id"], note=note)
    app.note(t("It is kept as the draft {request}.", request=made["reference"]))
    _hand_in(app, made["reference"], yes)


@requests.verb(
    "submit",
    sentence=t("Look at what a draft would change, and hand it in."),
    examples=(
        ("gasp requests submit R-2026-0147", t("see the preview, then say yes")),
        ("gasp requests submit 147 --dry-run -o json", t("the preview, for a program")),
    ),
)
@request_argument
@consent_options()
@listing_options
@click.pass_obj
def submit(app: App, request: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests submit REQUEST`."""
    if dry_run:
        seen = app.client.requests.preview(request)
        show_one(seen, lambda: say_preview(app, seen, app.out), name="digest")
        return
    app.context()
    _hand_in(app, request, yes)


def _hand_in(app: App, request: str, yes: bool) -> None:
    seen = app.client.requests.preview(request)
    say_preview(app, seen, app.note)
    ask(t("Hand it in?"), yes)
    show(app, app.client.requests.submit(request, digest=seen["digest"]))


@requests.verb(
    "sign",
    sentence=t(
        "Sign a request. The signoff is bound to what is shown, and void once the content changes.\n"
        "Whoever asked never signs. An operator on the machine itself stands in for a role, with a reason."
    ),
    examples=(
        ("gasp requests sign R-2026-0147 --reason 'night shift'", t("look at it, then say yes")),
        ("gasp requests sign 147 --role operator --reason 'drill' --yes", t("as one of several roles")),
    ),
)
@request_argument
@option("--role", help=t("As which of the missing roles."), metavar="ROLE")
@option("--note", help=t("A word to the others."), default="")
@option("--reason", help=t("Why you stand in for the role; it is recorded."), default="")
@consent_options()
@listing_options
@click.pass_obj
def sign(app: App, request: str, role: str | None, note: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests sign REQUEST`."""
    row = app.client.requests.show(request)
    if rehearsed(dry_run, t("{request} would be signed.", request=row["reference"])):
        return
    app.context()
    for word in row["words"]:
        app.note(clean(word))
    ask(t("Sign {request} of {tenant}?", request=row["reference"], tenant=row["tenant"]), yes)
    signed = app.client.requests.sign(request, digest=row["digest"] or "", role=role, note=note, reason=reason)
    show(app, signed)
    if signed["state"] == "approved" and not app.client.worker.status()["running"]:
        app.note(t("The worker does not run, so nothing becomes real: gasp worker start"), "bold yellow")


@requests.verb(
    "letter",
    sentence=t(
        "Record a department's stamped letter: it counts as its approver's signature, and is shown as a letter.\n"
        "Who records it signs nothing else of this request."
    ),
    examples=(
        (f"gasp requests letter R-2026-0147 {LETTER}", t("look at it, then say yes")),
        (f"gasp requests letter 147 {LETTER} --yes", t("without a question")),
    ),
)
@request_argument
@option("--number", help=t("Number of the letter."), required=True)
@option("--date", "day", help=t("Date of the letter, such as 2026-11-24."), required=True, metavar="DATE")
@option("--brought-by", help=t("Who brought it."), required=True, metavar="NAME")
@option("--note", help=t("A word to the others."), default="")
@consent_options()
@listing_options
@click.pass_obj
def letter(app: App, request: str, number: str, day: str, brought_by: str, note: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests letter REQUEST`."""
    row = app.client.requests.show(request)
    if rehearsed(dry_run, t("The letter would count as the signature of {tenant}.", tenant=row["tenant"])):
        return
    app.context()
    for word in row["words"]:
        app.note(clean(word))
    ask(t("Let letter {number} stand for the approver of {tenant}?", number=number, tenant=row["tenant"]), yes)
    given = {"number": number, "date": day, "brought_by": brought_by, "note": note}
    show(app, app.client.requests.letter(request, digest=row["digest"] or "", **given))


@requests.verb(
    "return",
    sentence=t("Ask the department back; its clock stops until it answers."),
    examples=(
        ("gasp requests return R-2026-0147 --reason 'which office is it for?'", t("with a question")),
        (f"gasp requests return 147 --part {PART} --reason 'why this name?' --yes", t("about one part of the plan")),
    ),
)
@request_argument
@reason_option
@part_option
@consent_options()
@listing_options
@click.pass_obj
def send_back(app: App, request: str, reason: str, block: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp requests return REQUEST`."""
    act = partial(app.client.requests.send_back, request, reason=reason, block=block)
    if rehearsed(dry_run, t("{request} would go back to the department.", request=request), act):
        return
    app.context()
    ask(t("Ask the department back about {request}?", request=request), yes)
    show(app, act())


@requests.verb(
    "refuse",
    sentence=t("Do not approve a request. Nothing is changed."),
    examples=(
        ("gasp requests refuse R-2026-0147 --reason 'against the rules of 2017'", t("with a reason")),
        ("gasp requests refuse 147 --reason 'asked twice' --yes", t("without being asked")),
    ),
)
@request_argument
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def refuse(app: App, request: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests refuse REQUEST`."""
    act = partial(app.client.requests.refuse, request, reason=reason)
    if rehearsed(dry_run, t("{request} would not be approved.", request=request), act):
        return
    app.context()
    ask(t("Refuse {request}?", request=request), yes)
    show(app, act())


@requests.verb(
    "withdraw",
    sentence=t("Take a request back. Nothing is changed."),
    examples=(
        ("gasp requests withdraw R-2026-0147", t("after a question")),
        ("gasp requests withdraw 147 --reason 'not needed' --yes", t("without a question")),
    ),
)
@request_argument
@option("--reason", help=t("Why, in one sentence; it is recorded."), default="")
@consent_options()
@listing_options
@click.pass_obj
def withdraw(app: App, request: str, reason: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests withdraw REQUEST`."""
    act = partial(app.client.requests.withdraw, request, reason=reason)
    if rehearsed(dry_run, t("{request} would be taken back.", request=request), act):
        return
    app.context()
    ask(t("Take {request} back?", request=request), yes)
    show(app, act())


@requests.verb(
    "answer",
    sentence=t("Answer a question and hand the request in again."),
    examples=(
        ("gasp requests answer R-2026-0147 --text 'for the office of statistics'", t("the form stays as it is")),
        ("gasp requests answer 147 --text 'corrected' --file form.yaml --yes", t("with another form")),
    ),
)
@request_argument
@option("--text", help=t("The answer."), required=True)
@option("--file", "file", help=t("Another form."), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@consent_options()
@listing_options
@click.pass_obj
def answer(app: App, request: str, text: str, file: Path | None, dry_run: bool, yes: bool) -> None:
    """`gasp requests answer REQUEST`."""
    if rehearsed(dry_run, t("{request} would be handed in again.", request=request)):
        return
    app.context()
    ask(t("Answer and hand {request} in again?", request=request), yes)
    if file is not None:
        app.client.requests.save(request, spec=_form(file))
    show(app, app.client.requests.answer(request, text=text))


@requests.verb(
    "comment",
    sentence=t("Add to the conversation of a request."),
    examples=(
        ("gasp requests comment R-2026-0147 --text 'the certificate is ordered'", t("everybody who sees it reads it")),
        (f"gasp requests comment 147 --part {PART} --text 'as in May' -o json", t("about one part of the plan")),
    ),
)
@request_argument
@option("--text", help=t("What to say."), required=True)
@part_option
@consent_options()
@listing_options
@click.pass_obj
def comment(app: App, request: str, text: str, block: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp requests comment REQUEST`."""
    # Words change nothing for anybody, so nobody is asked.
    act = partial(app.client.requests.comment, request, text=text, block=block)
    if rehearsed(dry_run, t("It would be added to {request}.", request=request), act):
        return
    app.context()
    show(app, act())


@requests.verb(
    "retry",
    sentence=t("Try a failed request again, after what was in the way is cleared."),
    examples=(
        ("gasp requests retry R-2026-0147", t("the worker does it within seconds")),
        ("gasp requests retry 147 --yes", t("without a question")),
    ),
)
@request_argument
@consent_options()
@listing_options
@click.pass_obj
def retry(app: App, request: str, dry_run: bool, yes: bool) -> None:
    """`gasp requests retry REQUEST`."""
    act = partial(app.client.requests.retry, request)
    if rehearsed(dry_run, t("{request} would be tried again.", request=request), act):
        return
    app.context()
    ask(t("Try {request} again?", request=request), yes)
    show(app, act())
