"""`gasp rollouts`: patches, signatures and configuration that go out in waves, are measured, and stop by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.listing import Column, items_words, listing_options, plain, print_table, show_list, show_one
from control_plane.cli.terminal import clean, moment, sentence, state_mark
from control_plane.model.client_rollouts import Json
from control_plane.model.rollout import KINDS, items_of
from control_plane.model.scope import scope_words, wave_words
from control_plane.model.text import Listed, Text, t
from control_plane.model.windows import span_words

COLUMNS = (
    Column("id", t("ID"), show="id"),
    Column("kind", t("KIND"), words=KINDS),
    Column("title", t("WHAT")),
    Column("state", t("STATE"), show="state"),
    Column("wave", t("WAVE")),
    Column("waves_total", t("OF")),
    Column("counts", t("HOW MANY"), show="items"),
    Column("sentence", t("HOW IT STANDS")),
    Column("actor", t("BY"), wide=True),
    Column("created_at", t("MADE"), wide=True, show="time"),
    Column("finished_at", t("FINISHED"), wide=True, show="time"),
)
ITEMS = (
    Column("name", t("NAME")),
    Column("tenant", t("TENANT")),
    Column("wave", t("WAVE")),
    Column("state", t("STATE"), show="item"),
    Column("sentence", t("HOW IT STANDS")),
    Column("fault", t("FAULT"), wide=True),
    Column("at", t("SINCE"), wide=True, show="time"),
)
#: States in which nothing more happens by itself.
STANDING = ("draft", "done", "aborted", "rolled_back", "waiting", "stopped", "paused")
BAD = ("waiting", "stopped", "aborted")
FOLLOW_SECONDS = 0.5

rollouts = Group(
    name="rollouts",
    sentence=t("Changes that go out in waves: patches, signatures, configuration."),
    examples=(
        ("gasp rollouts create --kind patches --snapshot p20261128-1 --reason 'December patches'", t("make one")),
        ("gasp rollouts show 4", t("waves, machines, and what it waits for")),
    ),
)
id_argument = argument("rollout", help=t("Number of the rollout, as gasp rollouts list prints it."), type=int)
reason_option = option("--reason", help=t("Why, in one sentence; it is recorded."), required=True)


@rollouts.verb(
    "list",
    sentence=t("List rollouts, newest first, each with the one sentence of how it stands."),
    examples=(
        ("gasp rollouts list", t("all of them")),
        ("gasp rollouts list --filter state=stopped,waiting", t("those that wait for a person")),
    ),
)
@listing_options
@click.pass_obj
def list_rollouts(app: App) -> None:
    """`gasp rollouts list`."""
    show_list(app.client.rollouts.list(), COLUMNS, empty=t("There are no rollouts yet."), name="id")


@rollouts.verb(
    "show",
    sentence=t("Show a rollout: its waves, what became of each machine, and what it waits for."),
    examples=(
        ("gasp rollouts show 4", t("everything")),
        ("gasp rollouts show 4 --filter state=failed,off,unmeasured -o csv", t("machines that are not there yet")),
    ),
)
@id_argument
@listing_options
@click.pass_obj
def show(app: App, rollout: int) -> None:
    """`gasp rollouts show ID`."""
    _show(app, app.client.rollouts.show(rollout))


@rollouts.verb(
    "create",
    sentence=t(
        "Make a rollout: waves by ring, or by listed groups of departments. It begins when it is released.\n"
        "A wave starts when the one before succeeded by the thresholds; errors are judged first."
    ),
    examples=(
        (
            "gasp rollouts create --kind patches --snapshot p20261128-1 --reason 'December' --dry-run",
            t("see the waves"),
        ),
        (
            "gasp rollouts create --kind configuration --offering internet --patch policy.yaml --group fgw --reason x",
            t("change the wishes of departments, group by group; “rules+:” in the file adds to a list"),
        ),
    ),
)
@option(
    "--kind", help=t("What goes out; with --policy it is configuration."),
    type=click.Choice(["patches", "signatures", "configuration"]),
)  # fmt: skip
@option("--snapshot", help=t("Id of the snapshot or set, as gasp snapshots list prints it."), metavar="ID")
@option("--offering", help=t("Of a configuration: whose subscriptions are changed."), metavar="NAME")
@option(
    "--patch",
    help=t("File (YAML or JSON) that is merged into each spec; null takes a field away, NAME+ adds to a list."),
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@option(
    "--replace-lists", help=t("Agree that departments lose entries of their own lists; see --dry-run."), is_flag=True
)
@option("--policy", help=t("Number of a revision of the centre's policy, as gasp internet policy list prints it."),
        type=int, metavar="NUMBER")  # fmt: skip
@option("--tier", help=t("Change the tier as well."), type=click.Choice(["S", "M", "L"]))
@option("--tenant", "tenants", help=t("Only this department; may be given again."), multiple=True, metavar="CODE")
@option("--group", "groups", help=t("One wave: codes with commas; may be given again."), multiple=True, metavar="CODES")
@option("--success", help=t("Share that must be measured as good, such as 90."), metavar="PERCENT")
@option("--errors", help=t("More failures than this share stop it, such as 2."), metavar="PERCENT")
@option("--error-count", help=t("More failures than this number stop it."), metavar="NUMBER")
@option("--reached", help=t("Share that must answer, else a person decides."), metavar="PERCENT")
@option("--soak", help=t("Time between two waves, such as 90s, 30m, 24h or 2d."), metavar="TIME")
@option(
    "--at", "not_before", help=t("Begin no earlier than this day or time, such as 2026-12-01T20:00."), metavar="TIME"
)
@option("--ignore-windows", help=t("Do not wait for windows, for this reason."), metavar="REASON")
@option("--start", help=t("Release it at once."), is_flag=True)
@reason_option
@consent_options()
@listing_options
@click.pass_obj
def create(app: App, /, start: bool, dry_run: bool, yes: bool, patch: Path | None, **given: Any) -> None:
    """`gasp rollouts create`."""
    if given["policy"] is not None:
        given |= {"kind": given["kind"] or "configuration", "offering": given["offering"] or "internet"}
    elif given["kind"] is None:
        raise click.UsageError(str(t("Say what goes out: --kind, or --policy.")))
    names = ("success", "errors", "error_count", "reached", "soak")
    typed = {name: given.pop(name) for name in names}
    order = {
        **given,
        "thresholds": {name: text for name, text in typed.items() if text is not None},
        "patch": _read(patch) if patch else None,
        "groups": [[code.strip() for code in g.split(",") if code.strip()] for g in given["groups"]],
        "tenants": list(given["tenants"]),
    }
    if dry_run:
        preview = app.client.rollouts.preview(**order)
        show_one(preview, lambda: app.out("\n".join(_preview(preview))), rows="items", name="name", columns=ITEMS)
        lost = preview["replaced"] and not given["replace_lists"]
        rehearsed(True, t("It would be refused without --replace-lists.") if lost else t("The rollout would be made."))
        return
    app.context()
    if start:
        ask(t("Make the rollout and begin it?"), yes)
    made = app.client.rollouts.create(**order)
    _show(app, app.client.rollouts.release(made["id"]) if start else made)


def _read(path: Path) -> Json:
    from control_plane.workflow.yaml_form import read_form

    return read_form(path.read_bytes(), path.name)


def _rehearsed(app: App, dry_run: bool, act: str, rollout: int, would: Text, **given: Any) -> bool:
    """With `--dry-run`: say what would be done to a rollout that allows it, and return True. What is refused is refused
    now, before anybody is asked; of one elsewhere, with `--dry-run`."""
    if dry_run or app.place is None:
        app.client.rollouts.rehearse(act, rollout, **given)
    return rehearsed(dry_run, would)


def _act(verb: str, summary: Text, question: Text, would: Text, first: Text, second: Text) -> Callable[..., Any]:
    """`pause`, `abort` and `rollback` are alike: a number, a reason, a yes."""

    @rollouts.verb(
        verb,
        sentence=summary,
        examples=(
            (f"gasp rollouts {verb} 4 --reason 'calls from the pilots'", first),
            (f"gasp rollouts {verb} 4 --reason 'calls from the pilots' --yes", second),
        ),
    )
    @id_argument
    @reason_option
    @consent_options()
    @listing_options
    @click.pass_obj
    def act(app: App, rollout: int, reason: str, dry_run: bool, yes: bool) -> None:
        if _rehearsed(app, dry_run, verb, rollout, would, reason=reason):
            return
        app.context()
        ask(question, yes)
        _show(app, getattr(app.client.rollouts, verb)(rollout, reason=reason))

    return act


@rollouts.verb(
    "release",
    sentence=t(
        "Begin a rollout, or let one go on that stopped or waits.\n"
        "What failed is done again and judged again; with --go-on the next wave begins, however it was judged."
    ),
    examples=(
        ("gasp rollouts release 4", t("begin it")),
        ("gasp rollouts release 4 --reason 'disk was mended'", t("do again what failed")),
    ),
)
@id_argument
@option("--reason", help=t("Why, in one sentence; it is recorded."), default="")
@option("--go-on", help=t("Go on although it was judged as it was."), is_flag=True)
@option("--confirm", help=t("The word that the plan of a wave asks for."), metavar="WORD")
@consent_options()
@listing_options
@click.pass_obj
def release(app: App, rollout: int, reason: str, go_on: bool, confirm: str | None, dry_run: bool, yes: bool) -> None:
    """`gasp rollouts release ID`."""
    given: Json = {"reason": reason, "go_on": go_on, "confirm": confirm}
    if _rehearsed(app, dry_run, "release", rollout, t("Rollout {id} would go on.", id=rollout), **given):
        return
    app.context()
    ask(t("Let rollout {id} go on?", id=rollout), yes)
    _show(app, app.client.rollouts.release(rollout, **given))


_act(
    "pause",
    t("Touch no further machine until it is resumed."),
    t("Pause the rollout?"),
    t("The rollout would be paused."),
    t("after a question"),
    t("without a question"),
)


@rollouts.verb(
    "resume",
    sentence=t("Go on where it was paused."),
    examples=(
        ("gasp rollouts resume 4", t("after a question")),
        ("gasp rollouts resume 4 --yes", t("without a question")),
    ),
)
@id_argument
@consent_options()
@listing_options
@click.pass_obj
def resume(app: App, rollout: int, dry_run: bool, yes: bool) -> None:
    """`gasp rollouts resume ID`."""
    if _rehearsed(app, dry_run, "resume", rollout, t("Rollout {id} would go on.", id=rollout)):
        return
    app.context()
    ask(t("Let rollout {id} go on?", id=rollout), yes)
    _show(app, app.client.rollouts.resume(rollout))


_act(
    "abort",
    t("End a rollout; what is installed stays."),
    t("End the rollout? What is installed stays."),
    t("The rollout would end."),
    t("after a question"),
    t("without a question"),
)
_act(
    "rollback",
    t("Give back to rings and machines what they had before. Windows are not waited for."),
    t("Bring all that was touched back to what it had before?"),
    t("All that was touched would go back to what it had before."),
    t("after a question"),
    t("without a question"),
)


@rollouts.verb(
    "follow",
    sentence=t("Show what happens, as it happens, until the rollout ends or waits for a person; exit code 1 then."),
    examples=(
        ("gasp rollouts follow 4", t("a line a step")),
        ("gasp rollouts follow 4 -o json", t("one JSON object a line")),
    ),
)
@id_argument
@option("--no-wait", help=t("What has happened so far, and no more."), is_flag=True)
@option("-o", "--output", help=t("Form of the answer."), type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def follow(app: App, rollout: int, no_wait: bool, output: str) -> None:
    """`gasp rollouts follow ID`."""
    seen = 0
    while True:
        standing = app.client.rollouts.show(rollout)
        for event in app.client.rollouts.events(rollout, seen):
            seen = event["number"]
            if output == "json":
                app.out(json.dumps(event, ensure_ascii=False))
            else:
                app.out(f"{moment(event['at'])}  {clean(event['type'])}  {_detail(event['data'])}".rstrip())
        if no_wait or standing["state"] in STANDING:
            break
        time.sleep(FOLLOW_SECONDS)
    if output == "table":
        app.out(sentence(standing["sentence"]))
    if standing["state"] in BAD:
        raise Stop(FAILED)


def _detail(data: Mapping[str, Any]) -> str:
    words = []
    for key, value in data.items():
        if isinstance(value, Mapping) and "msgid" in value:
            words.append(sentence(Text.from_json(value)))
        elif value not in (None, "", False, []) and key not in ("item",):
            words.append(f"{clean(str(key))}={plain(value)}")
    return " ".join(words)


def _show(app: App, answer: Json) -> None:
    show_one(answer, lambda: _draw(app, answer), rows="items", name="name", columns=ITEMS)


def _draw(app: App, answer: Json) -> None:
    mark, style = state_mark(answer["state"])
    head = t(
        "Rollout {id}  {kind} {title}",
        id=answer["id"],
        kind=KINDS.get(answer["kind"], answer["kind"]),
        title=answer["title"],
    )
    app.out(app.paint(f"{sentence(head)}  {mark}", style))
    app.out("  " + sentence(answer["sentence"]))
    facts = {"who": answer["actor"], "at": moment(answer["created_at"]), "why": answer["reason"]}
    app.out("  " + sentence(t("Made by {who} at {at}: {why}", **facts)))
    app.out("\n".join([*_waves(answer), *_replaced(answer)]))
    if answer["items"]:
        print_table(app, answer["items"], ITEMS)
    for command in _next(answer):
        app.out(sentence(t("Next: {command}", command=command)))


def _waves(answer: Json) -> Iterator[str]:
    for wave in answer["waves"]:
        facts = {"number": wave["number"], "title": _title(wave), "counts": items_words(wave["counts"])}
        yield "  " + sentence(t("Wave {number}, {title}: {counts}", **facts))


def _title(wave: Json) -> Text | Listed | str:
    """Whom a wave is for, in words."""
    return scope_words(f"ring:{wave['ring']}") if wave["ring"] else wave_words(str(wave["title"]))


def _preview(preview: Json) -> Iterator[str]:
    for wave in preview["waves"]:
        facts: Json = {"number": wave["number"], "title": _title(wave), "names": ", ".join(wave["names"])}
        facts["things"] = items_of(preview["kind"], len(wave["names"]))
        yield sentence(t("Wave {number}, {title}: {things}: {names}", **facts))
    yield from _replaced(preview)
    limits = preview["thresholds"]
    yield sentence(
        t(
            "Stops at more than {errors} % or {count} failures; goes on at {success} % good, after {soak}.",
            errors=limits["errors"],
            count=limits["error_count"],
            success=limits["success"],
            soak=span_words(limits["soak"]),
        )
    )


def _replaced(answer: Json) -> Iterator[str]:
    for one in answer["replaced"]:
        facts = {"tenant": one["tenant"], "field": one["field"], "items": "; ".join(one["items"])}
        yield sentence(t("{tenant} loses of its own in {field}: {items}", **facts))


def _next(answer: Json) -> list[str]:
    number = answer["id"]
    match answer["state"]:
        case "draft":
            return [f"gasp rollouts release {number}"]
        case "stopped" | "waiting":
            return [f"gasp rollouts release {number} --reason WHY", f"gasp rollouts rollback {number} --reason WHY"]
        case "paused":
            return [f"gasp rollouts resume {number}"]
        case "scheduled" | "running" | "soaking" | "rolling_back":
            return [f"gasp rollouts follow {number}"]
        case _:
            return []
