"""Where a centre's packages and signature sets come from: the document `upstream/sources.yaml` of an estate.

Shapes only. Keys lie beside it as `NAME.asc`; reading them is the business of who reads the document.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from control_plane.model.tenant import Document

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=300)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_+-]{0,60}$")]


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
            raise ValueError("two sources have the same name")
        wanted = {source.key for source in (*self.packages, self.signatures) if source is not None}
        if lacking := wanted - set(self.keys):
            raise ValueError(f"no key file {', '.join(sorted(lacking))}.asc")
        return self

    @property
    def ports(self) -> list[int]:
        """TCP ports of the upstreams."""
        urls = [source.url for source in self.packages]
        urls += [source.advisories for source in self.packages if source.advisories]
        urls += [self.signatures.url] if self.signatures else []
        parts = [urlsplit(url) for url in urls]
        return sorted({part.port or (443 if part.scheme == "https" else 80) for part in parts}) or [80]
