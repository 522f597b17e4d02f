"""Asking for a service: begin, one question a page, the last look with its preview, and handing it in.

What was typed is kept at every step, right or wrong; with scripts also whenever a field is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.attachment import LARGEST
from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, StalePlan
from control_plane.model.file_kind import ENDINGS
from control_plane.model.people import Act
from control_plane.model.questions import Page, Several
from control_plane.model.text import t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.forms import Compared, Form, Stop, compared
from control_plane.web.portal import asked_for
from control_plane.web.remedies import remedy_words
from control_plane.web.services import services
from control_plane.workflow.attachments import RULE as FILES_RULE

pages = Blueprint("asking", __name__)
#: What the address says that came from a file (`web/many.py`).
TAKEN = ("added", "changed", "same")
_ON_TOP = t("What was saved there is kept. Go on again, and this page as you see it here takes its place.")


@pages.post("/portal/requests")
@needs(Act.ASK)
def begin() -> Any:
    """A draft for a service: new, change or end; pressed twice it is the same one."""
    offering = asked_for(request.form.get("offering", ""))
    client, first = door.client().requests, offering.questions.first if offering.questions else {}
    row = client.draft(request.form.get("tenant", ""), offering.id, request.form.get("action") or "new")
    if row["action"] == "new" and first and not row["spec"]:
        row = client.save(row["id"], spec=first)
    return redirect(url_for("asking.page", reference=row["reference"], step=form_of(row).first().name), 303)


@pages.get("/portal/requests/<reference>/form/<step>")
@needs(Act.ASK)
def page(reference: str, step: str) -> Any:
    """One page of the form."""
    row = _editable(reference)
    form = form_of(row)
    return _page(row, form, form.stop(step), more=request.args.get("more", ""))


@pages.post("/portal/requests/<reference>/form/<step>")
@needs(Act.ASK)
def answer(reference: str, step: str) -> Any:
    """Keep what was sent, and go where the button says: on, later, one row or thing more or less."""
    act, _, rest = request.form.get("act", "go").partition(":")
    try:
        row, form, stop, target = _kept(reference, step, act, rest)
    except StalePlan as error:
        return _stale(reference, step, act, error)
    wrong = [p for p in form.problems(stop, told(row["problems"])) if p.severity == "error"]
    if act == "keep":
        faults = {p.field: _sentence(p) for p in wrong if p.field}
        return {"saved": str(_saved(row)), "problems": faults, "version": row["version"]}
    if target is not None:
        return redirect(_address(row, target, rest if act in ("more", "drop") else ""), 303)
    if act == "later":
        return redirect(url_for("requests.mine", said="kept"), 303)
    if wrong:
        return _page(row, form, stop, Invalid(wrong)), 422
    follows = None if request.form.get("back") == "check" and not _again(form, stop) else form.after(stop)
    if follows is None:
        return redirect(url_for("asking.check", reference=row["reference"]), 303)
    return redirect(_address(row, follows), 303)


def _kept(reference: str, step: str, act: str, rest: str) -> tuple[Json, Form, Stop, Stop | None]:
    """Put the page into what is kept, and carry out its button. Raises StalePlan when it was saved in between."""
    row = _editable(reference)
    form = form_of(row)
    stop = form.stop(step)
    form.answer(stop, request.form)
    target = _act(form, stop, act, rest)
    row = door.client().requests.save(
        row["id"], spec=form.answers["spec"] if row["action"] != "end" else None,
        tier=form.answers.get("tier") or None, note=form.answers.get("reason") or "",
        version=_opened(row["version"]),
    )  # fmt: skip
    return row, form, stop, target


def _opened(now: int) -> int:
    """The version that was there when the page was opened."""
    sent = request.form.get("version", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else now


def _stale(reference: str, step: str, act: str, error: StalePlan) -> Any:
    """Nothing is kept: another window came first. The page shows what was typed, on top of what was kept there."""
    if act == "keep":
        return {"saved": f"{error.text} {_ON_TOP}", "problems": {}}, 409
    row = _editable(reference)
    form = form_of(row)
    stop = form.stop(step)
    form.answer(stop, request.form)
    return _page(row, form, stop, StalePlan(error.text, _ON_TOP)), 409


@pages.get("/portal/requests/<reference>/check")
@needs(Act.ASK)
def check(reference: str) -> Any:
    """All answers, what would happen, who signs, and the button that hands it in."""
    return _check(_editable(reference))


@pages.post("/portal/requests/<reference>/check")
@needs(Act.ASK)
def submit(reference: str) -> Any:
    """Hand it in: what was previewed, not something else."""
    client = door.client().requests
    row = client.show(reference)
    digest, text = request.form.get("digest") or None, request.form.get("text", "").strip()
    try:
        if row["state"] == "returned":
            row = client.answer(row["id"], text=text, digest=digest)
        else:
            row = client.submit(row["id"], digest=digest)
    except StalePlan:
        return redirect(url_for("asking.check", reference=row["reference"], moved=1), 303)
    except ControlPlaneError as error:
        return _check(row, error, text), 422
    return redirect(url_for("requests.request_page", reference=row["reference"], said="submitted"), 303)


def form_of(row: Json) -> Form:
    """The form of a request with its answers; at the end of a service only the purpose is asked for."""
    answers = {"spec": row["spec"], "tier": row["tier"], "reason": row["note"]}
    return Form(asked_for(row["offering"]), answers, only=("reason",) if row["action"] == "end" else ())


def answers_of(row: Json, problems: Sequence[Problem] = ()) -> Compared:
    """Its answers, a change beside what is in force."""
    before = None
    if row["action"] == "change" and row["base"]:
        before = form_of({**row, "spec": row["base"]["spec"], "tier": row["base"]["tier"], "note": ""}).sections()
    return compared(form_of(row).sections(problems), before)


def told(problems: list[Json]) -> list[Problem]:
    """Problems as the client says them."""
    return [
        Problem(
            p["code"],
            t("{reason}", reason=p["detail"]),
            t("{reason}", reason=p["remedy"]) if p["remedy"] else None,
            field=p["pointer"],
            severity=p["severity"],
        )
        for p in problems
    ]


def _editable(reference: str) -> Json:
    """A request whose content may be changed by who asks; otherwise where it can be looked at."""
    row = door.client().requests.show(reference)
    if "save" not in row["acts"]:
        raise Locked(row["reference"])
    return row


class Locked(Exception):
    """The content of this request cannot be changed (any more)."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference


@pages.errorhandler(Locked)
def _locked(error: Locked) -> Any:
    return redirect(url_for("requests.request_page", reference=error.reference, said="locked"), 303)


def _act(form: Form, stop: Stop, act: str, rest: str) -> Stop | None:
    """Carry out a button of the page; the page that it leads to, if it is not the next one."""
    number = int(rest.rpartition(":")[2]) if rest.rpartition(":")[2].isdecimal() and len(rest) < 80 else -1
    if isinstance(stop.part, Several):
        if act == "add":
            return form.add(stop.part, services().clock().astimezone(show.ZONE).date())
        if act == "remove":
            form.remove(stop.part, number)
            return stop
    if act == "drop":
        form.drop(stop, rest.rpartition(":")[0], number)
    return stop if act in ("more", "drop") else None


def _again(form: Form, stop: Stop) -> bool:
    """Whether a thing of a list was begun and has further pages that were never filled in."""
    follows = form.after(stop)
    return follows is not None and follows.base == stop.base and bool(form.problems(follows))


def _address(row: Json, stop: Stop, rest: str = "") -> str:
    field = rest.partition(":")[0]
    more = field if request.form.get("act", "").startswith("more:") else None
    return url_for(
        "asking.page",
        reference=row["reference"],
        step=stop.name,
        more=more,
        back=request.form.get("back") or None,
        _anchor=f"field-{field}" if field else None,
    )


def _saved(row: Json) -> Any:
    return t("Draft saved {when}", when=f"{services().clock().astimezone(show.ZONE):%H:%M}")


def _sentence(problem: Problem) -> str:
    return f"{problem.text} {remedy_words(problem.remedy)}" if problem.remedy else str(problem.text)


def _page(row: Json, form: Form, stop: Stop, error: ControlPlaneError | None = None, more: str = "") -> Any:
    several = stop.part if isinstance(stop.part, Several) else None
    return render_template(
        "ask-list.html" if several else "ask.html",
        row=row,
        stop=stop,
        part=stop.part,
        of=form.whose(stop),
        fields=form.fields(stop, error.problems if error else (), more) if isinstance(stop.part, Page) else [],
        things=[form.called(several, item) for item in form.items(several)] if several else [],
        opens=several.pages[0].name if several else "",
        error=error,
        count=len(form.parts),
        before=form.before(stop),
        back=request.values.get("back") or "",
    )


def check_page(reference: str, error: ControlPlaneError) -> Any:
    """The last look at a request with what went wrong; one that cannot be edited is looked at elsewhere."""
    row = door.client().requests.show(reference)
    if "save" not in row["acts"]:
        return redirect(url_for("requests.request_page", reference=row["reference"], said="locked"), 303)
    return _check(row, error), 422


def _check(row: Json, error: ControlPlaneError | None = None, text: str = "") -> Any:
    client = door.client().requests
    form = form_of(row)
    wrong = form.wrong(told(row["problems"]))
    faults = [(stop, problem) for stop, problem in wrong if problem.severity == "error"]
    preview = blind = None
    if not faults:
        try:
            preview = client.preview(row["id"])
        except Invalid as found:
            faults = form.wrong(found.problems)
        except ControlPlaneError as found:
            blind = found
    return render_template(
        "ask-check.html",
        row=row,
        answers=answers_of(row, [problem for problem in told(row["problems"]) if problem.severity == "error"]),
        faults=faults,
        warnings=[problem for _, problem in wrong if problem.severity == "warning"],
        preview=preview,
        blind=blind,
        error=error,
        text=text,
        moved=request.args.get("moved"),
        before=form.stops[-1],
        files=client_files(row),
        taken=[request.args.get(name, 0, type=int) for name in TAKEN] if TAKEN[0] in request.args else None,
        endings=" ".join(ENDINGS),
        files_rule=str(FILES_RULE),
        most=LARGEST >> 20,
    )


def client_files(row: Json) -> list[Json]:
    """Files that go with a request."""
    return door.client().attachments.list(row["id"])
