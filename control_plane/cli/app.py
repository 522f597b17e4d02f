"""What every command shares: the client, the lab, the streams, and how the person wants to be answered.

One `App` lives on Click's context object; tests put their own there. Must not import pydantic, SQLAlchemy or Rich's
console: `gasp --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

import click

from control_plane.cli.terminal import colourful, paint, sentence
from control_plane.model.client import Client
from control_plane.model.text import Text, t

if TYPE_CHECKING:
    from control_plane.cli.places import Place
    from lab.lab import Lab


def _client() -> Client:
    from control_plane.cli.places import chosen

    elsewhere = chosen()
    if elsewhere is not None:
        from control_plane.cli.remote import Remote

        return cast(Client, Remote(elsewhere))
    from control_plane import wiring

    return wiring.client()


def _lab() -> Lab:
    from control_plane import wiring

    return wiring.lab()


def _stop_processes() -> None:
    from control_plane import wiring

    wiring.stop_processes()


@dataclass
class Listing:
    """How rows are wanted: `fields`, `filters`, `sort` and `limit` as typed."""

    output: str = "table"
    fields: str | None = None
    filters: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


@dataclass
class App:
    """State of one command line. `interactive` and `colour` are found out from the streams when None."""

    make_client: Callable[[], Client] = _client
    make_lab: Callable[[], Lab] = _lab
    stop_processes: Callable[[], None] = _stop_processes
    interactive: bool | None = None
    colour: bool | None = None
    debug: bool = False
    listing: Listing = field(default_factory=Listing)

    @cached_property
    def client(self) -> Client:
        """The control plane."""
        return self.make_client()

    @cached_property
    def lab(self) -> Lab:
        """The lab of real hosts, which is on this machine. Raises as `here`."""
        self.here()
        return self.make_lab()

    @property
    def place(self) -> Place | None:
        """The control plane elsewhere at which this command works; None: on this machine."""
        found = getattr(self.client, "place", None)
        return cast("Place | None", found)

    def here(self) -> None:
        """For what is about this machine whatever context is in use. Raises Rejected where commands work elsewhere."""
        from control_plane.cli.places import chosen

        if chosen() is not None:
            from control_plane.cli.remote_link import refused

            raise refused()

    def can_ask(self) -> bool:
        """Whether somebody sits at a terminal who can answer."""
        if self.interactive is not None:
            return self.interactive
        return sys.stdin.isatty() and sys.stderr.isatty()

    # data ------------------------------------------------------------------------------------------

    def out(self, text: str = "") -> None:
        """One or more lines of data, already clean."""
        click.echo(text, color=True)

    def paint(self, text: str, style: str) -> str:
        """Style for standard output."""
        return paint(text, style, bool(style) and colourful(sys.stdout, self.colour))

    # notes -----------------------------------------------------------------------------------------

    def note(self, text: Text | str, style: str = "") -> None:
        """A sentence for the person, on standard error."""
        click.echo(self.paint_note(sentence(text), style), err=True, color=True)

    def paint_note(self, text: str, style: str) -> str:
        """Style for standard error."""
        return paint(text, style, bool(style) and colourful(sys.stderr, self.colour))

    def context(self) -> None:
        """Says on standard error where the act that follows will happen."""
        if self.place is not None:
            self.note(t("At {url}, context {name}.", url=self.place.url, name=self.place.name), "dim")
            return
        settings = {
            name: entry.get("value") if isinstance(entry, Mapping) else entry
            for name, entry in self.client.config().items()
        }
        names = {key: settings.get(key) or "–" for key in ("lab", "state")}
        estate = PurePath(str(settings.get("estate") or "–")).name
        self.note(t("Estate {estate} in {lab}, state in {state}.", estate=estate, **names), "dim")


def current() -> App:
    """The app of the running command."""
    app = click.get_current_context().find_object(App)
    if app is None:
        raise RuntimeError("no App on Click's context")
    return app
