"""Triggers of tables that only grow: rows are neither changed nor deleted, not even by hand. For migrations."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op


def only_grows(tables: Sequence[str], why: str) -> None:
    """Refuse updates and deletions in these tables, with the words `why`."""
    for table in tables:
        for act in ("UPDATE", "DELETE"):
            _refuse(f"{table}_no_{act.lower()}", act, table, why)
        if not _sqlite():
            _refuse(f"{table}_no_truncate", "TRUNCATE", table, why, each="STATEMENT")


def only_newer(table: str, number: str, why: str) -> None:
    """Refuse a new row whose number is not above all others."""
    _refuse(f"{table}_only_newer", "INSERT", table, why, when=f"NEW.{number} <= (SELECT MAX({number}) FROM {table})")


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _refuse(name: str, act: str, table: str, why: str, each: str = "ROW", when: str = "") -> None:
    if _sqlite():
        condition = f"WHEN {when} " if when else ""
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} ON {table} {condition}BEGIN SELECT RAISE(ABORT, '{why}'); END")
        return
    refusal = f"RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = '{why}';"
    body = f"IF {when} THEN {refusal} END IF; RETURN NEW;" if when else refusal
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    op.execute(f"CREATE TRIGGER {name} BEFORE {act} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()")
