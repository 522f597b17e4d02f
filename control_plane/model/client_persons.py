"""What may be asked about everything that is known of one person. Every answer is JSON-able."""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]


class PersonsClient(Protocol):
    """`gasp people`: for the rights of a person under the law on personal information. `name`: an account name of the
    directory, or `account:NAME`."""

    def find(self, name: str) -> Json:
        """Where they are known: {person, known, status: active|left|gone|account, digest, confirm, erased: [{table,
        rows}], kept: [{table, rows, why, until}], keys, files: [{file, fate: changed|kept, why}], blocked: [sentence],
        sentence}. `erased` and files that are `changed`: what an erasure takes away; `kept`: what it leaves, and why;
        `keys`: rows in which only a key stands, which names nobody afterwards; `blocked`: what is done first."""
        ...

    def export(self, name: str, *, reason: str, case: str | None = None) -> Json:
        """Everything, as {person, at, by, reason, account, directory, tables: {table: [row]}, record, files, remarks}.
        `record`: the lines of the access record of the person's addresses, only with a case number (None without).
        Proofs (passwords' hashes, second factors) are in no answer. Raises Invalid, NotFound, TemporaryError when the
        directory does not answer."""
        ...

    def erase(self, name: str, *, reason: str, digest: str) -> Json:
        """Take away what `find` showed: its answer before, and {run, entry, left}; `left`: `find` afterwards. A
        locked account is removed first. Raises Invalid, Rejected where it is blocked, StalePlan for an old digest."""
        ...
