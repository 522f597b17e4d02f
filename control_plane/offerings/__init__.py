"""The catalogue: finds every offering's folder; refuses to start with a broken one, naming every fault of all folders.

Plain modules and folders that begin with an underscore are shared code, not offerings.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from control_plane.model.errors import Invalid, Problem
from control_plane.model.offering import Offering
from control_plane.model.text import Text, t, tn
from control_plane.offerings.costs import CostsError, load_costs

FOLDER = Path(__file__).parent
_ID = re.compile(r"[a-z][a-z_]{1,30}\Z")
#: What an operated offering must say besides its title.
_RULES = ("systems", "spec", "tiers", "check", "claims", "desired", "probes", "example")


def discover(folder: Path = FOLDER) -> dict[str, Offering]:
    """All offerings below `folder`, by id, sorted. Raises Invalid with every reason of every broken folder."""
    found: dict[str, Offering] = {}
    problems: list[Problem] = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
        offering, reasons = _read(path)
        problems += [
            Problem(
                "broken-offering", text, t("Compare it with docs/add-an-offering.md."), where=f"offerings/{path.name}"
            )
            for text in reasons
        ]
        if offering is not None and not reasons:
            found[offering.id] = offering
    if problems:
        raise Invalid(
            problems,
            tn(
                "The catalogue of offerings has {count} fault; nothing was started.",
                "The catalogue of offerings has {count} faults; nothing was started.",
                count=len(problems),
            ),
        )
    return found


def _read(path: Path) -> tuple[Offering | None, list[Text]]:
    reasons: list[Text] = []
    if not _ID.match(path.name):
        reasons.append(t("The folder's name is the offering's id: 2 to 31 of a-z and _."))
    for name in ("README.md", "costs.yml"):
        if not (path / name).is_file():
            reasons.append(t("{file} is missing.", file=name))
    if (path / "costs.yml").is_file():
        try:
            load_costs(path / "costs.yml", path.name)
        except CostsError as error:
            reasons += error.reasons
    if not (path / "__init__.py").is_file():
        return None, [*reasons, t("{file} is missing.", file="__init__.py")]
    try:
        module = _import(path)
    except Exception as error:  # a broken folder may fail in any way; all of them are listed
        return None, [*reasons, t("It cannot be imported: {kind}: {error}.", kind=type(error).__name__, error=error)]
    offering = getattr(module, "OFFERING", None)
    if not isinstance(offering, Offering):
        return None, [*reasons, t("__init__.py exports no OFFERING of type Offering.")]
    return offering, reasons + _faults(offering, path)


def _import(path: Path) -> ModuleType:
    if path.parent == FOLDER:
        return importlib.import_module(f"{__name__}.{path.name}")
    name = f"offering_{abs(hash(path.parent))}_{path.name}"
    spec = importlib.util.spec_from_file_location(name, path / "__init__.py", submodule_search_locations=[str(path)])
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _faults(offering: Offering, path: Path) -> list[Text]:
    reasons: list[Text] = []
    if offering.id != path.name:
        reasons.append(t("OFFERING.id is {id}, but the folder is {folder}.", id=offering.id, folder=path.name))
    if offering.folder != path:
        reasons.append(t("OFFERING.folder is {folder}, not its own folder.", folder=offering.folder))
    missing = [name for name in _RULES if getattr(offering, name) is None]
    if offering.status == "operated" and missing:
        reasons.append(t("An operated offering needs {names}.", names=", ".join(missing)))
    extra = [name for name in _RULES if getattr(offering, name) is not None]
    if offering.status == "declared" and extra:
        reasons.append(t("A declared offering has no {names}.", names=", ".join(extra)))
    return reasons
