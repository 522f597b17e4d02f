"""`gasp internet`: who has access and uses how much, the real path of one address, hand-over, small changes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from control_plane.cli.app import App
from control_plane.cli.base import Group, argument, option
from control_plane.cli.consent import ask, consent_options, rehearsed, with_word
from control_plane.cli.errors import FAILED, Stop
from control_plane.cli.files import Place, keep
from control_plane.cli.listing import Column, listing_options, octets_words, plain, print_table, show_list, show_one
from control_plane.cli.plans import show_plan
from control_plane.cli.run_view import carry_out, end, run_lines
from control_plane.cli.terminal import clean, sentence, state_mark
from control_plane.model.client import Json, OnEvent
from control_plane.model.internet_words import ACTIONS, CATEGORIES, OWNERS, hours_words
from control_plane.model.names import url_both
from control_plane.model.text import Text, t
from control_plane.model.volume import rate_words, what_next

COLUMNS = (
    Column("tenant", t("TENANT")),
    Column("name", t("NAME")),
    Column("state", t("STATE"), show="state"),
    Column("tier", t("TIER")),
    Column("used_percent", t("USED %")),
    Column("used_octets", t("USED"), wide=True, show="octets"),
    Column("month_octets", t("A MONTH"), wide=True, show="octets"),
    Column("rules", t("RULES")),
    Column("direct", t("DIRECT")),
    Column("peers", t("CONNECTED WITH")),
    Column("policy", t("POLICY"), show="id", wide=True),
)
RULE_COLUMNS = (
    Column("id", t("RULE")),
    Column("action", t("ACTION")),
    Column("subject", t("HOSTS"), show="name"),
    Column("when", t("WHEN")),
    Column("since", t("SINCE")),
    Column("reason", t("REASON")),
)
REFUSED_COLUMNS = (
    Column("at", t("LAST"), show="time"),
    Column("host", t("HOST"), show="name"),
    Column("count", t("TIMES")),
    Column("rule", t("RULE")),
    Column("opens", t("OWN RULE OPENS IT")),
    Column("reason", t("REASON")),
)
DIRECT_COLUMNS = (
    Column("source", t("FROM")),
    Column("to", t("TO"), show="name"),
    Column("protocol", t("PROTOCOL")),
    Column("ports", t("PORTS")),
)
internet = Group(
    name="internet",
    sentence=t("Internet access of tenants: use, rules, the real path of an address, hand-over."),
    examples=(
        ("gasp internet test fgw https://www.example.test/", t("open an address from a department's network")),
        (
            "gasp internet log --case Q-118 --reason police --from 2026-11-24 --to 2026-11-24 --nat-port 40112",
            t("who had this port outside"),
        ),
    ),
    lazy={
        "policy": ("internet_policy", t("What the centre decides for everybody: its revisions, and the next one.")),
        "log": ("internet_log", t("Ask the access record, for a case.")),
    },
)
tenant_argument = argument("tenant", help=t("Code of the tenant."))


@internet.verb(
    "list",
    sentence=t("List the tenants with internet access: on or off, tier, volume of this month, rules."),
    examples=(
        ("gasp internet list", t("all tenants")),
        ("gasp internet list --filter state=warned,throttled", t("those that use much")),
    ),
)
@listing_options
@click.pass_obj
def list_access(app: App) -> None:
    """`gasp internet list`."""
    rows = app.client.internet.list()
    show_list(rows, COLUMNS, empty=t("No tenant has internet access."), name="tenant")
    if any(row["state"] == "unmeasured" for row in rows):
        app.note(t("The volume of some tenants could not be measured; it is not 0."))


@internet.verb(
    "show",
    sentence=t("Show a tenant's access: rates, volume, rules in their order, direct access, connections."),
    examples=(
        ("gasp internet show fgw", t("one department's, for people")),
        ("gasp internet show fgw -o json", t("the same for a program")),
    ),
)
@tenant_argument
@listing_options
@click.pass_obj
def show(app: App, tenant: str) -> None:
    """`gasp internet show TENANT`."""
    answer = app.client.internet.show(tenant)
    show_one(answer, lambda: _draw(app, answer), name="tenant")


def _draw(app: App, row: Json) -> None:
    rates = row["rates"]
    used = t("not measured") if row["used_percent"] is None else t("{percent} %", percent=row["used_percent"])
    contact = " · ".join(filter(None, (clean(str(row["contact"][k])) for k in ("name", "phone", "email"))))
    pairs: list[tuple[Text, str]] = [
        (t("Tenant"), f"{clean(row['tenant'])}  {clean(row['name_zh'])} · {clean(row['name_en'])}"),
        (t("State"), f"{state_mark(row['state'])[0]}  {t('tier {tier}', tier=row['tier'])}"),
        (t("Network"), f"{row['v4']}  {row['v6']}"),
        (t("Rates"), str(t("up {up}, down {down}, throttled {slow}", up=rate_words(rates["up_kbit"]),
                           down=rate_words(rates["down_kbit"]), slow=rate_words(rates["throttle_kbit"])))),
        (t("This month"), str(t("{used} of {total} ({percent})", used=octets_words(row["used_octets"]),
                                total=octets_words(row["month_octets"]), percent=used))),
        *((t("What comes next"), str(said)) for said in [what_next(row)] if said is not None),
        (t("Other sites"), str(t("allowed") if row["otherwise"] == "allow" else t("blocked"))),
        (t("The centre's policy"), str(t("revision {number}", number=row["policy"]))),
        (t("Connected with"), ", ".join(
            p["tenant"] if p["agreed"] else str(t("{tenant} (has not agreed)", tenant=p["tenant"]))
            for p in row["peers"]) or "–"),
        (t("Exceptions"), contact or "–"),
        (t("Proxy"), f"{row['proxy']}  {row['pac_url']}"),
    ]  # fmt: skip
    app.out("\n".join(f"{name}: {value}" for name, value in pairs))
    app.out("")
    print_table(app, [_rule_row(rule) for rule in row["rules"]], RULE_COLUMNS)
    if row["direct"]:
        app.out("")
        print_table(app, row["direct"], DIRECT_COLUMNS)
    for note in row["notes"]:
        app.note(t("{field}: {text}", field=note["pointer"], text=note["detail"]))


def _rule_row(rule: Json) -> Json:
    hours = rule["hours"]
    return {
        **rule,
        "action": ACTIONS.get(rule["action"], rule["action"]),
        "subject": CATEGORIES.get(rule["category"], rule["category"]) or rule["hosts"],
        "when": hours_words(hours) if hours else None,
        "reason": f"{rule['reason_zh']} · {rule['reason_en']}",
    }


@internet.verb(
    "test",
    sentence=t("Open an address from a machine of the tenant, as its browser would. Exit code 1: not reachable."),
    examples=(
        ("gasp internet test fgw https://www.example.test/", t("what a department's people see")),
        ("gasp internet test fgw http://www.example.test/ --from fgw -o json", t("from a certain machine")),
    ),
)  # fmt: skip
@tenant_argument
@argument("url", help=t("Web address, http or https."))
@option("--from", "host", help=t("Machine of the tenant to ask from."), metavar="HOST")
@listing_options
@click.pass_obj
def test(app: App, tenant: str, url: str, host: str | None) -> None:
    """`gasp internet test TENANT URL`."""
    answer = app.client.internet.test(tenant, url, host=host)
    show_one(answer, lambda: _draw_path(app, answer), name="verdict")
    if not answer["reachable"]:
        raise Stop(FAILED)


def _draw_path(app: App, row: Json) -> None:
    way = t("by the proxy {proxy}", proxy=row["proxy"]) if row["way"] == "proxy" else t("directly")
    seconds = "–" if row["seconds"] is None else f"{row['seconds']:.2f} s"
    rule = row["rule"] or (row["expected_rule"] if row["expected_rule"] != "otherwise" else None)
    pairs: list[tuple[Text, str | None]] = [
        (t("Address"), clean(url_both(row["url"]))),
        (t("Asked from"), row["host"]),
        (t("Name"), ", ".join(row["addresses"]) or str(t("not resolved on the machine"))),
        (t("Way"), str(way)),
        (t("Result"), str(t("reachable") if row["reachable"] else t("not reachable"))),
        (
            t("Rule"),
            f"{rule}  {OWNERS.get(row['owner'], row['owner'] or '')}  {row['since'] or ''}".rstrip() if rule else None,
        ),
        (t("The centre's policy"), str(t("revision {number}", number=row["policy"]))),
        (t("Reason"), f"{row['reason_zh']} · {row['reason_en']}" if row["reason_zh"] else None),
        (t("Its reader sees"), clean(row["sees"])),
        (t("Status"), plain(row["status"])),
        (t("Time"), seconds),
        (t("Would need"), clean(row["needs"]) if row["needs"] else None),
    ]
    app.out("\n".join(f"{name}: {clean(value)}" for name, value in pairs if value is not None))


@internet.verb(
    "refused",
    sentence=t("What the proxy refused to a tenant's network lately, by host and rule, without who asked."),
    examples=(
        ("gasp internet refused fgw", t("what a department's people cannot open")),
        ("gasp internet refused fgw --filter rule=centre-video", t("by one rule")),
    ),
)
@tenant_argument
@listing_options
@click.pass_obj
def refused(app: App, tenant: str) -> None:
    """`gasp internet refused TENANT`."""
    rows = app.client.internet.refusals(tenant)
    show_list(rows, REFUSED_COLUMNS, empty=t("Nothing was refused lately."), name="host")


@internet.verb(
    "pac",
    sentence=t("Print the proxy configuration file of a tenant's browsers."),
    examples=(
        ("gasp internet pac fgw", t("what browsers get from the gateway")),
        ("gasp internet pac fgw > proxy.pac", t("keep it in a file")),
    ),
)
@tenant_argument
@click.pass_obj
def pac(app: App, tenant: str) -> None:
    """`gasp internet pac TENANT`."""
    app.out(app.client.internet.pac(tenant).rstrip("\n"))


@internet.verb(
    "sheet",
    sentence=t("Make the hand-over sheet of a tenant: addresses, proxy, rules, contacts, in Chinese and English."),
    examples=(
        ("gasp internet sheet fgw", t("as text, here")),
        ("gasp internet sheet fgw --format pdf --output fgw.pdf", t("one page to print")),
    ),
)
@tenant_argument
@option("--format", "form", help=t("Form of the sheet."), type=click.Choice(["text", "html", "pdf"]), default="text")
@option("--output", help=t("File to write; it must not exist."), type=Place())
@click.pass_obj
def sheet(app: App, tenant: str, form: str, output: Path | None) -> None:
    """`gasp internet sheet TENANT`."""
    if form == "pdf" and output is None:
        raise click.UsageError(str(t("A PDF needs a file: --output FILE.")))
    content = app.client.internet.sheet(tenant, form)  # type: ignore[arg-type]
    if output is None:
        app.out(content.decode().rstrip("\n"))
        return
    keep(app, output, content)


@internet.verb(
    "set",
    sentence=t("Switch a tenant's access on or off, block or allow hosts, or take them out of its rules."),
    examples=(
        ("gasp internet set fgw --off", t("switch it off at once")),
        ("gasp internet set fgw --block .games.test --reason 与工作无关 --reason-en 'Not for work'",
         t("block a domain and all below")),
    ),
)  # fmt: skip
@tenant_argument
@option("--on/--off", "enabled", help=t("Switch internet access on or off."), default=None)
@option("--block", help=t("Host, .domain or address to block."), multiple=True, metavar="ENTRY")
@option("--allow", help=t("Host, .domain or address to allow."), multiple=True, metavar="ENTRY")
@option(
    "--remove", help=t("Host, .domain or address to take out of the tenant's rules."), multiple=True, metavar="ENTRY"
)
@option("--reason", help=t("Why, as it is shown to whom a rule stops."), default="")
@option("--reason-en", help=t("The same in English."), default="")
@consent_options(word=True)
@listing_options
@click.pass_obj
def set_access(
    app: App, tenant: str, enabled: bool | None, block: tuple[str, ...], allow: tuple[str, ...],
    remove: tuple[str, ...], reason: str, reason_en: str, dry_run: bool, yes: bool, confirm: str | None,
) -> None:  # fmt: skip
    """`gasp internet set TENANT`."""
    from control_plane.model.client_internet import Wish

    if enabled is None and not (block or allow or remove):
        raise click.UsageError(str(t("Nothing to change: use --on, --off, --block, --allow or --remove.")))
    if (block or allow) and not (reason or reason_en):
        raise click.UsageError(str(t("A rule needs a reason: --reason TEXT.")))
    what = "; ".join(
        filter(None, (
            None if enabled is None else "on" if enabled else "off",
            *(f"{verb} {', '.join(entries)}" for verb, entries in
              (("block", block), ("allow", allow), ("remove", remove)) if entries),
        ))
    )  # fmt: skip
    wish = Wish(enabled, block, allow, remove, reason, reason_en)
    if dry_run:
        show_plan(app, app.client.internet.preview(tenant, wish), closing=False)
    if rehearsed(dry_run, t("The internet access of {tenant} would be changed: {what}.", tenant=tenant, what=what)):
        return
    app.context()
    ask(
        t("Change the internet access of {tenant}: {what}?", tenant=tenant, what=clean(what)),
        yes or confirm is not None,
    )

    def act(word: str | None, on_event: OnEvent) -> Json:
        return app.client.internet.change(tenant, wish, confirm=word, on_event=on_event)

    answer = with_word(lambda word: carry_out(app, partial(act, word), stopped=_show_change), confirm)
    _show_change(app, answer)
    end(app.client.run(answer["run"])["state"])


def _show_change(app: App, answer: Json) -> None:
    run = app.client.run(answer["run"])

    def draw() -> None:
        app.out("\n".join(run_lines(app, run)))
        for note in answer.get("notes", ()):
            app.out(sentence(t("Warning: {text}", text=note["detail"])))
        if answer.get("tenant"):
            app.out(sentence(t("Next: {command}", command=f"gasp internet show {answer['tenant']}")))

    show_one(answer, draw, name="tenant")
