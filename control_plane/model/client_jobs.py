"""What pages ask about jobs: what people asked for, and what came of it. Answers are JSON-able."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Protocol

Json = dict[str, Any]


class JobsClient(Protocol):
    """What was asked for on pages."""

    def place(self, kind: str, given: Mapping[str, Any], *, subject: str, once: str) -> Json:
        """Write down what the actor asks for, and do it if that is quick; returns it as `show`. `once` is the form's
        own word: the same one again is the same job. Raises Forbidden (nobody who signed in, or no role allows it),
        Invalid and UnsafePlan (what the form said), NotFound; whatever goes wrong later is in the answer."""
        ...

    def show(self, job: int) -> Json:
        """{id, kind, title, subject, state, sentence, actor, at, finished_at, run, first_run, before, answer,
        error: {code, word, text, hint, problems}, given}; `before`: how many jobs come first."""
        ...

    def withdraw(self, job: int) -> Json:
        """Take back what the actor asked for, as long as nobody has begun it; it counts as refused then. As `show`.
        Raises Rejected, NotFound."""
        ...

    def list(self, limit: int = 200) -> builtins.list[Json]:
        """Newest first, without `answer` and `given`."""
        ...

    def of_run(self, run: int) -> Json | None:
        """The job that a run belongs to."""
        ...
