"""What may be asked of the mail that the centre sends. Answers are JSON-able."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class MailClient(Protocol):
    """`gasp mail`."""

    def list(self, *, state: str | None = None, limit: int = 200) -> builtins.list[Json]:
        """Newest first: [{id, address, name, language, kinds: [kind], notices, state: waiting|sending|sent|failed,
        tries, made_at, next_at, sent_at, error, message_id}]."""
        ...

    def retry(self, mail_id: int) -> Json:
        """Let one that failed, or that waits for its next try, be handed over at once; as in `list`. Raises NotFound,
        Rejected."""
        ...
