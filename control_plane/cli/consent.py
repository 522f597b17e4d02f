"""A person's yes before something changes: asked at a terminal, passed as an option elsewhere, never assumed.

Without a terminal and without an option the command ends with exit code 4 and says what to pass; it never hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from control_plane.cli.app import current
from control_plane.cli.base import option
from control_plane.cli.terminal import sentence
from control_plane.model.client import Json
from control_plane.model.errors import NoConsent, UnsafePlan
from control_plane.model.text import Text, t

Function = Callable[..., Any]


def consent_options(*, word: bool = False) -> Callable[[Function], Function]:
    """`--dry-run`, `--yes` and, for what destroys data or goes over a limit, `--confirm=WORD`."""

    def decorate(function: Function) -> Function:
        if word:
            help_text = t("The word asked for where data is destroyed or a limit exceeded; then a yes as well.")
            function = option("--confirm", help=help_text, metavar="WORD")(function)
        function = option("--yes", "-y", help=t("Do it without asking."), is_flag=True)(function)
        return option("--dry-run", "-n", help=t("Show what would be done; change nothing."), is_flag=True)(function)

    return decorate


def ask(question: Text, yes: bool) -> None:
    """Raise NoConsent unless there is a yes."""
    if yes:
        return
    app = current()
    if not app.can_ask():
        raise NoConsent(
            t("{question} Nobody is at a terminal to answer, so nothing was changed.", question=sentence(question)),
            t("Pass --yes to do it, or --dry-run to see what would be done."),
        )
    if not click.confirm(sentence(question), err=True):
        raise NoConsent(t("You said no; nothing was changed."))


def ask_word(question: Text, words: Sequence[str], confirm: str | None, yes: bool) -> str:
    """The typed word for something that destroys data. `words` are those that are accepted; the last is offered.

    Raises UnsafePlan when a plain yes was given or the word is wrong, NoConsent when nobody can be asked.
    """
    wanted = words[-1]
    hint = t("Read the plan, then pass --confirm={word}.", word=wanted)
    if confirm is not None:
        if confirm not in words:
            raise UnsafePlan(t("“{given}” is not the word asked for; nothing was changed.", given=confirm), hint)
        return confirm
    app = current()
    if app.can_ask():
        typed = click.prompt(sentence(question), err=True, default="", show_default=False)
        if typed.strip() not in words:
            raise UnsafePlan(t("“{given}” is not the word asked for; nothing was changed.", given=typed), hint)
        return str(typed.strip())
    if yes:
        raise UnsafePlan(t("--yes alone is not enough for this; nothing was changed."), hint)
    raise NoConsent(t("This needs a typed word and nobody is at a terminal; nothing was changed."), hint)


def tell_word(word: str | None) -> None:
    """After what a dry run showed: the word that the act will ask for, if it asks for one."""
    if word is not None:
        current().note(t("It will ask for a typed word: --confirm={word}", word=word))


def with_word(act: Callable[[str | None], Json], confirm: str | None) -> Json:
    """Do something that plans and applies in one go, with the typed word its plan may ask for.

    At a terminal the reasons are said, the word is asked for, and it is done again. Elsewhere UnsafePlan is raised; its
    hint names the option that gives the word.
    """
    try:
        return act(confirm)
    except UnsafePlan as error:
        app = current()
        if confirm is not None or not error.word or not app.can_ask():
            raise
        app.note(error.text)
        return act(ask_word(t("Type “{word}” to carry it out.", word=error.word), [error.word], None, False))


def rehearsed(dry_run: bool, what: Text, act: Callable[[], object] | None = None) -> bool:
    """With `--dry-run`: say what would be done and return True. `act`: what would be done, of the database alone; what
    it refuses is refused now, before anybody is asked."""
    if act is not None:
        current().client.rehearse(act)
    if dry_run:
        current().note(t("Dry run: {what} Nothing was changed.", what=sentence(what)))
    return dry_run
