"""The typed form of a site, shared by the public and the internal kind.

Names are kept as they were typed, so that an export reads as the import did; everything that is written to a system
uses the lower-case A-label form (`Site.main`, `Site.aliases`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, StringConstraints

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import written
from control_plane.model.names import check_name, to_ascii
from control_plane.model.restoring import Aspects
from control_plane.model.site import MAX_MAIN, RELEASE_ID
from control_plane.model.tenant import Document, Line
from control_plane.model.text import t

MAX_ALIASES = 50


@lru_cache(maxsize=65536)
def ascii_name(name: str) -> str:
    """`to_ascii`, remembered: the same names are read again with every plan."""
    return to_ascii(name)


#: A site is the one that has this main name.
ASPECTS = Aspects(
    entries="sites",
    key=lambda site: ascii_name(str(site["names"]["main"])),
    fields={"source": "site", "preview": "site", "names": "records"},
)


def _host_name(value: str) -> str:
    if "*" in value:
        raise ProblemError(
            Problem(
                "wildcard-name",
                t("“{name}” is a wildcard; a site has names of its own only.", name=value),
                t("List every name that the site should answer to."),
            )
        )
    _, problems = check_name(value, "")
    if problems:
        raise ProblemError(problems[0])
    return value


def _main_name(value: str) -> str:
    name = _host_name(value)
    if len(ascii_name(name)) > MAX_MAIN:
        raise ProblemError(
            Problem(
                "main-name-too-long",
                t(
                    "The main name “{name}” has {length} octets; files are named after it, so {limit} are allowed.",
                    name=value,
                    length=len(ascii_name(name)),
                    limit=MAX_MAIN,
                ),
                t("Use a shorter main name and make this one an alias."),
            )
        )
    return name


_SiteT = TypeVar("_SiteT")


def at_least_one(sites: tuple[_SiteT, ...]) -> tuple[_SiteT, ...]:
    """Refuse an empty list; pydantic's own `min_length` would also complain when a site in it is wrong."""
    if not sites:
        raise ProblemError(Problem("no-site", t("There is no site."), t("Add one, or end the subscription.")))
    return sites


_Typed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
HostName = Annotated[_Typed, AfterValidator(_host_name)]
MainName = Annotated[_Typed, AfterValidator(_main_name)]
_MARK = t("Write 6 to 40 capital letters of A to Z and digits.")
_ICP = t("Write it as it was filed, such as 鲁ICP备05000020号 or 鲁ICP备05000020号-1.")
_POLICE = t("Write it as it was filed, such as 鲁公网安备 37020002000001号.")
_SITE_CODE = t("Write its ten digits, or bm and eight digits.")
ReleaseId = Annotated[
    str, written(RELEASE_ID.pattern, t("Write the 32 characters of a release; gasp sites list -o wide has them."))
]


class Title(Document):
    """What the site is called."""

    zh: Line
    en: Line


class SiteNames(Document):
    """Names that the site answers to; one of them is the main one, the others point to it by a canonical link."""

    main: MainName
    aliases: tuple[HostName, ...] = Field((), max_length=MAX_ALIASES)


class Source(Document):
    """Where the content comes from: the starter site, or an uploaded release.

    `kind: release` without an id means that the first upload has not been published yet; until then the starter
    site is shown.
    """

    kind: Literal["starter", "release"] = "starter"
    release: ReleaseId | None = None


class Marks(Document):
    """What a public site must show in its footer: who runs it and under which numbers it is filed."""

    organiser: Line | None = None
    mark_id: Annotated[str, written(r"^[0-9A-Z]{6,40}$", _MARK)] | None = None
    icp: Annotated[str, written(r"^[一-龥]ICP备\d{8,10}号(-\d{1,3})?$", _ICP)] | None = None
    police: Annotated[str, written(r"^[一-龥]公网安备\s?\d{14}号$", _POLICE)] | None = None
    site_code: Annotated[str, written(r"^(\d{10}|bm\d{8})$", _SITE_CODE)] | None = None


class Site(Document):
    """One site. `preview` is a release shown on the site's preview address before it goes live."""

    title: Title
    names: SiteNames
    source: Source = Source()
    preview: ReleaseId | None = None
    maintenance: bool = False
    marks: Marks = Marks()

    @property
    def main(self) -> str:
        """Main name, A-label form."""
        return ascii_name(self.names.main)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names, A-label form: each once, sorted, without the main name."""
        return tuple(sorted({ascii_name(name) for name in self.names.aliases} - {self.main}))
