"""One key, one act: what a program sends twice is done once, and answered as at first for a day."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from control_plane.model.errors import Rejected, TemporaryError
from control_plane.model.text import t
from control_plane.model.token import FirstAnswer
from control_plane.store.leases import Holder
from control_plane.store.repository import Store
from control_plane.workflow.process import myself, process_alive


class KeyReused(Rejected):
    """The key stands for another act."""

    code = "key-reused"


class KeyBusy(TemporaryError):
    """The very act is under way."""

    code = "key-busy"


class Answers:
    """Does an act once for each token and key."""

    def __init__(self, store: Store, alive: Callable[[Holder], bool] = process_alive) -> None:
        self.store = store
        self.alive = alive
        self._here: dict[tuple[int, str], str] = {}
        self._lock = threading.Lock()

    def once(self, token: int, key: str, asked: bytes, act: Callable[[], FirstAnswer]) -> tuple[FirstAnswer, bool]:
        """The answer to `asked` (what makes it this act and no other), and whether it was given before. An answer of
        the kind 5xx is not kept, nor is an act that raises. Raises KeyReused, KeyBusy."""
        mark, mine = hashlib.sha256(asked).hexdigest(), (token, key)
        with self._lock:
            known = self._here.setdefault(mine, mark)
            if known is not mark:
                raise busy() if known == mark else _reused()
        try:
            turn, first = self.store.answers.begin(token, key, mark, myself(), self._elsewhere)
            if turn == "other":
                raise _reused()
            if turn == "busy":
                raise busy()
            return (first, True) if first is not None else (self._act(token, key, act), False)
        finally:
            with self._lock:
                del self._here[mine]

    def _act(self, token: int, key: str, act: Callable[[], FirstAnswer]) -> FirstAnswer:
        kept: FirstAnswer | None = None
        try:
            answer = act()
            kept = answer if answer.status < 500 else None
            return answer
        finally:
            self.store.answers.end(token, key, kept)

    def _elsewhere(self, holder: Holder) -> bool:
        """Whether another process lives that is at it; what this one holds but is not at, it had dropped."""
        return holder != myself() and self.alive(holder)


def _reused() -> KeyReused:
    return KeyReused(t("This Idempotency-Key was sent with something else."), t("Use a fresh key for another act."))


def busy() -> KeyBusy:
    """What is said of an act that is under way."""
    return KeyBusy(t("The same is being done just now."), t("Ask again in a moment."), delay=2)


def job_word(token: int, key: str) -> str:
    """The word of the job that an act places: one a key."""
    return hashlib.sha256(f"api/{token}/{key}".encode()).hexdigest()
