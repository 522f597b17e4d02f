"""The directory of accounts as the sign-in asks it. What it, or the way to it, said is written to the log for those who
tend it; whoever signs in is known to nobody yet, and is told only that nobody can be recognised just now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t

log = logging.getLogger("gasp.web")


class Entry(Protocol):
    """A directory entry as sign-in sees it."""

    @property
    def dn(self) -> str:
        """Its DN."""

    @property
    def uid(self) -> str:
        """Its uid."""

    @property
    def display(self) -> str:
        """Its name for people."""

    @property
    def key(self) -> str | None:
        """Whose entry it is, whatever they are called today."""

    @property
    def tenant(self) -> str | None:
        """Code of its department."""

    @property
    def disabled(self) -> bool:
        """Whether it was locked for good."""

    @property
    def must_change(self) -> bool:
        """Whether its password is good for taking one's own only."""


class Directory(Protocol):
    """The centre's directory. All raise TemporaryError when it gave no answer."""

    def find(self, uid: str) -> Entry | None:
        """The one entry with exactly this uid."""
        ...

    def check_bind(self, dn: str, password: str) -> bool:
        """Whether the directory accepts this password; an empty one is refused without asking."""
        ...

    def set_password(self, dn: str, new: str) -> None:
        """Set a password. Raises Rejected with the policy's reason."""
        ...


class DirectoryAway(TemporaryError):
    """Nobody of the directory can be recognised just now."""


class Shielded:
    """A `Directory` of which nothing is told but that it is away. `directory` finds it anew each time."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory

    @contextmanager
    def _asked(self) -> Iterator[Directory]:
        try:
            yield self._directory()
        except TemporaryError as error:
            log.warning("the directory gives no answer: %s", error.text)
            raise DirectoryAway(
                t("The directory of accounts gives no answer, so nobody can be recognised just now."),
                t("Try again in a few minutes. If it lasts, telephone the computer centre."),
                delay=error.delay,
            ) from error

    def find(self, uid: str) -> Entry | None:
        """See `Directory.find`."""
        with self._asked() as directory:
            return directory.find(uid)

    def check_bind(self, dn: str, password: str) -> bool:
        """See `Directory.check_bind`."""
        with self._asked() as directory:
            return directory.check_bind(dn, password)

    def set_password(self, dn: str, new: str) -> None:
        """See `Directory.set_password`."""
        with self._asked() as directory:
            directory.set_password(dn, new)
