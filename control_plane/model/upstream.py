"""Where a centre's packages and signature sets come from: the document `upstream/sources.yaml` of an estate.

Shapes only. Keys lie beside it as `NAME.asc`; reading them is the business of who reads the document.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import written
from control_plane.model.tenant import Document
from control_plane.model.text import t

_NAME = t("Write at most 31 small letters of a to z, digits and hyphens, beginning with a letter.")
_URL = t("Write a whole address that begins with http:// or https://, without user name, ? and #.")
_WORD = t("Write one word of at most 61 letters, digits and . / _ + -, beginning with a letter or digit.")
Name = Annotated[str, written(r"^[a-z][a-z0-9-]{0,30}$", _NAME)]
Url = Annotated[str, written(r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", _URL, longest=300)]
Word = Annotated[str, written(r"^[A-Za-z0-9][A-Za-z0-9./_+-]{0,60}$", _WORD)]


class PackageSource(Document):
    """One suite of a Debian repository. `advisories`: URL of a JSON list of security faults with a detached
    signature beside it (`.asc`) by the same key; without it severities are unknown."""

    name: Name
    url: Url
    suite: Word
    components: tuple[Word, ...] = Field(("main",), min_length=1)
    architectures: tuple[Word, ...] = Field(("amd64",), min_length=1)
    key: Name
    advisories: Url | None = None


class SignatureSource(Document):
    """A folder with `manifest.json`, its detached signature and the files it lists."""

    url: Url
    key: Name


class UpstreamDocument(Document):
    """All sources. `reach`: addresses or networks of the upstreams, which the gateway opens to the repository host
    and to it only; empty in a closed network that imports from media."""

    version: Literal[1] = 1
    packages: tuple[PackageSource, ...] = ()
    signatures: SignatureSource | None = None
    reach: tuple[IPv4Network | IPv6Network, ...] = ()
    reserve_mb: int = Field(256, ge=0, description="what stays free on the repository's disk")
    keep: int = Field(10, ge=1, description="snapshots and sets kept when pruning, besides those a ring has")
    keys: dict[Name, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [source.name for source in self.packages]
        if len(names) != len(set(names)):
            fault = t("Two sources have the same name.")
            raise ProblemError(Problem("two-sources", fault, t("Give one of them another name.")))
        wanted = {source.key for source in (*self.packages, self.signatures) if source is not None}
        if lacking := wanted - set(self.keys):
            names_ = ", ".join(f"{name}.asc" for name in sorted(lacking))
            fault = t("Files of keys are missing: {names}.", names=names_)
            raise ProblemError(Problem("no-key", fault, t("Put them beside the document.")))
        return self

    @property
    def ports(self) -> list[int]:
        """TCP ports of the upstreams."""
        urls = [source.url for source in self.packages]
        urls += [source.advisories for source in self.packages if source.advisories]
        urls += [self.signatures.url] if self.signatures else []
        parts = [urlsplit(url) for url in urls]
        return sorted({part.port or (443 if part.scheme == "https" else 80) for part in parts}) or [80]
