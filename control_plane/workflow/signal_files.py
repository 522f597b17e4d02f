"""Celery's filesystem transport, in which a message appears whole or not at all.

The original opens a message under its own name and writes afterwards: a listener that looks in between takes an empty
file, loses the signal, and its consumer ends with it (seen with kombu 5.6 on a busy machine).
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

#: Ends the name of a message that is being written; the transport takes only names that end in `.msg`.
DRAFT = ".part"


class Channel(filesystem.Channel):
    """Messages are files; what stands under a message's name is whole."""

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        draft = folder / (name + DRAFT)
        draft.write_text(dumps(payload), encoding="utf-8")  # type: ignore[no-untyped-call]
        draft.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        while True:
            try:
                return super()._get(queue)  # type: ignore[no-untyped-call]
            except ValueError:  # no message: a file that lost its content with the machine's power; it is gone now
                continue

    def _purge(self, queue: str) -> int:
        """Also what a killed process left unfinished. Who is writing at this moment fails, and has nobody to wake."""
        for draft in Path(self.data_folder_in).glob("*" + DRAFT):
            draft.unlink(missing_ok=True)
        count: int = super()._purge(queue)  # type: ignore[no-untyped-call]
        return count


class Transport(filesystem.Transport):
    """The original with the channel above."""

    Channel = Channel
