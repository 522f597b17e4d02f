"""Cost lines of an offering as data: read and checked at start-up, computed with in a later stage.

Amounts are decimal strings in the document's currency; nothing is added up here.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from control_plane.model.tenant import Document, Line
from control_plane.model.text import Text, t


class CostLine(Document):
    """One figure: who would pay it, when, for how many of what, and where it comes from.

    `unit` is what `amount` is multiplied by (`tenant`, `account`, `endpoint`, `sheet`, `estate`); `quantity` only
    where the number is not counted by the centre. `once_key`: counts once per tenant however many offerings
    carry it. Grade A proof of payment, B quotation or comparable, C estimate with method, D illustrative.
    """

    id: Line
    side: Literal["standalone", "shared", "residual", "benefit"]
    when: Literal["one_time", "yearly"]
    pool: Literal["hardware", "software", "labour", "telecom", "facilities", "outside_services"]
    unit: Literal["tenant", "account", "endpoint", "sheet", "estate"]
    amount: Decimal = Field(ge=0)
    quantity: int | None = Field(None, ge=0)
    life_years: int | None = Field(None, ge=1, le=50)
    fte: int | None = Field(None, ge=0)
    once_key: Line | None = None
    releasable: bool = False
    benefit_class: Literal["cash_releasing", "cost_avoidance", "non_cash"] | None = None
    in_totals: bool = True
    zh: Line
    en: Line
    grade: Literal["A", "B", "C", "D"]
    source: Line


class CostSheet(Document):
    """`costs.yml`: all lines of one offering, its allocation keys (they sum to 1) and its weight in the base pool."""

    version: Literal[1]
    offering: Line
    currency: Literal["CNY"]
    price_basis: Line
    lines: tuple[CostLine, ...] = Field(min_length=1)
    keys: dict[str, Decimal] = Field(default_factory=dict)
    base_weight: Decimal | None = Field(None, ge=0, le=1)


class CostsError(ValueError):
    """A cost sheet with faults; `reasons` lists all."""

    def __init__(self, reasons: list[Text]) -> None:
        super().__init__("; ".join(map(str, reasons)))
        self.reasons = reasons


def load_costs(path: Path, offering: str) -> CostSheet:
    """Read and check a cost sheet. Raises CostsError."""
    try:
        content: Any = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        sheet = CostSheet.model_validate(content)
    except yaml.YAMLError as error:
        raise CostsError([t("{file}: {error}.", file=path.name, error=" ".join(str(error).split()))]) from None
    except ValidationError as error:
        raise CostsError(
            [
                t("{file}: {field}: {error}.", file=path.name, field=".".join(map(str, e["loc"])), error=e["msg"])
                for e in error.errors()
            ]
        ) from None
    reasons = []
    if sheet.offering != offering:
        reasons.append(t("{file}: it is the sheet of {offering}.", file=path.name, offering=sheet.offering))
    for line_id in sorted({a.id for i, a in enumerate(sheet.lines) if a.id in {b.id for b in sheet.lines[:i]}}):
        reasons.append(t("{file}: the line {id} is there twice.", file=path.name, id=line_id))
    if sheet.keys and sum(sheet.keys.values()) != 1:
        reasons.append(t("{file}: the allocation keys do not sum to 1.", file=path.name))
    if reasons:
        raise CostsError(reasons)
    return sheet
