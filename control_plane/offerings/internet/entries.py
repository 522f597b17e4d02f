"""One entry of a list: a host, a domain, an address, a prefix or a range, as people type it and as services store it.

Nothing but lower-case A-labels and addresses leaves this module, so no entry can end a line, open a comment or start
a directive of the services that read it. What means the same is folded and said; what could mean two things is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
    summarize_address_range,
)

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.names import check_name, to_unicode
from control_plane.model.text import Text, t

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
MOST_CHARACTERS = 400
#: Signs that mean something in the files of proxies and firewalls, or that no name has.
_SIGNS = re.compile("[\"'`#;,|&$<>(){}=\\\\!?@]")
_DOTS = ".。．｡"
_NUMBERS = re.compile(r"[0-9.]+\Z|0x[0-9a-f.x]+\Z", re.ASCII)
_PORT = re.compile(r"[^:]+:[0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry means: `names` (with a leading dot: it and everything below) or `networks`; one is empty."""

    names: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """As services write it: a network of one address is that address."""
        return (*self.names, *map(network_text, self.networks))

    @property
    def one_host(self) -> bool:
        """Whether it is one name without those below it, or one address."""
        return (
            len(self.texts) == 1
            and not any(name.startswith(".") for name in self.names)
            and all(network.prefixlen == network.max_prefixlen for network in self.networks)
        )


@dataclass(frozen=True, slots=True)
class Folded:
    """An entry that says nothing of its own because `into` covers it (or is the same)."""

    entry: str
    into: str


def network_text(network: Network) -> str:
    """`10.0.0.0/8`, or `10.1.2.3` for one address."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _refuse(code: str, text: Text, remedy: Text) -> ProblemError:
    return ProblemError(Problem(code, text, remedy))


def shown(value: str) -> str:
    """An entry as it can be printed: what cannot be seen is written out (`\\n`, `\\u2028`), 60 characters at most."""
    text = "".join(c if c == " " or c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return text if len(text) <= 60 else f"{text[:59]}…"


@lru_cache(maxsize=65536)
def parse(value: str) -> Entry:
    """What one entry means. Blanks around it, case, full-width signs and a final dot are folded.

    Raises ProblemError with what is wrong and what to write instead.
    """
    text = _plain(value)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    range_ = _range(text)
    if range_ is not None:
        return range_
    if "/" in text or ":" in text or _NUMBERS.match(text):
        return Entry(networks=(_network(text),))
    return Entry(names=(_name(text, value),))


def _plain(value: str) -> str:
    """The entry in one plain line, or a refusal that says which sign does not belong there."""
    word = shown(value)
    if len(value) > MOST_CHARACTERS:
        raise _refuse(
            "entry-too-long", t("“{entry}” is too long for one entry.", entry=word), t("Write one name or address.")
        )
    hidden = [c for c in value if c != " " and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")]
    if hidden:
        raise _refuse(
            "entry-hidden-sign",
            t("“{entry}” holds a line break or another sign that cannot be seen ({sign}).", entry=word,
              sign=f"U+{ord(hidden[0]):04X}"),
            t("Write one name or address an entry, each on a line of its own."),
        )  # fmt: skip
    text = unicodedata.normalize("NFKC", value.strip().translate(dict.fromkeys(map(ord, _DOTS), "."))).strip().lower()
    if not text.strip("."):
        raise _refuse("entry-empty", t("The entry is empty."), t("Write a name or an address, or remove the entry."))
    sign = _SIGNS.search(text)
    if sign or any(c.isspace() for c in text):
        raise _refuse(
            "entry-sign",
            t("“{entry}” holds “{sign}”, which is part of no name or address.", entry=word,
              sign=sign[0] if sign else " "),
            t("Write the bare name or address, one an entry; remarks belong into the field “reason”."),
        )  # fmt: skip
    if text.startswith("-"):
        raise _refuse(
            "entry-hyphen", t("“{entry}” begins with a hyphen.", entry=word), t("Write the bare name or address.")
        )
    if "*" in text:
        raise _refuse(
            "entry-wildcard",
            t("“{entry}” is a wildcard.", entry=word),
            t("For a name and everything below it write it with a leading dot: .example.test"),
        )
    host, slash, _ = text.partition("/")
    if "://" in text or (slash and ":" not in host and not _NUMBERS.match(host)):
        raise _refuse(
            "entry-url",
            t("“{entry}” is a web address; a rule sees the host only.", entry=word),
            t("Write the host name without scheme and path."),
        )
    if _PORT.match(text):
        raise _refuse(
            "entry-port",
            t("“{entry}” has a port; a rule sees the host only.", entry=word),
            t("Write the host name without a port."),
        )
    return text


def _range(text: str) -> Entry | None:
    first, hyphen, last = text.partition("-")
    if not hyphen or not all(":" in end or _NUMBERS.match(end) for end in (first, last)):
        return None
    begin, end = _address(first), _address(last)
    if isinstance(begin, IPv4Address) and isinstance(end, IPv4Address) and begin <= end:
        return Entry(networks=tuple(summarize_address_range(begin, end)))
    if isinstance(begin, IPv6Address) and isinstance(end, IPv6Address) and begin <= end:
        return Entry(networks=tuple(summarize_address_range(begin, end)))
    raise _refuse(
        "bad-range",
        t("“{entry}” is no range.", entry=shown(text)),
        t("Write the lower address first, both of one kind, or a prefix such as 192.0.2.0/24."),
    )


def _ambiguous(text: str) -> bool:
    """Whether some program would read the number parts as octal, hexadecimal or as a short form."""
    parts = text.split(".")
    return len(parts) != 4 or any(p.startswith("0x") or (len(p) > 1 and p.startswith("0")) for p in parts)


def _address(text: str) -> Address:
    if ":" not in text and _ambiguous(text.rstrip(".")):
        raise _refuse(
            "ambiguous-address",
            t("“{entry}” is ambiguous: programs read such numbers in different ways.", entry=shown(text)),
            t("Write four decimal numbers without leading zeros, such as 10.20.5.7."),
        )
    try:
        found = ip_address(text)
    except ValueError:
        raise _bad_address(text) from None
    if isinstance(found, IPv6Address):
        if found.scope_id:
            raise _bad_address(text)
        return found.ipv4_mapped or found
    return found


def _network(text: str) -> Network:
    address, slash, length = text.partition("/")
    base = _address(address)
    if not slash:
        return ip_network(base)
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", length, re.ASCII) or int(length) > base.max_prefixlen:
        raise _bad_address(text)
    if ":" in address and base.version == 4:
        raise _bad_address(text)
    wide = ip_network((base, int(length)), strict=False)
    if wide.network_address != base:
        raise _refuse(
            "ambiguous-prefix",
            t("“{entry}” is ambiguous: the address lies inside the prefix.", entry=shown(text)),
            t("Write {prefix} for all of it, or {address} for the one.", prefix=wide, address=base),
        )
    return wide


def _bad_address(text: str) -> ProblemError:
    return _refuse(
        "bad-address",
        t("“{entry}” is no address and no prefix.", entry=shown(text)),
        t("Write it like 192.0.2.7, 192.0.2.0/24, 2001:db8::7 or 2001:db8::/32."),
    )


def _name(text: str, value: str) -> str:
    below = text.startswith(".")
    bare = text[1:] if below else text
    ascii_, problems = check_name(bare, "")
    if problems or ascii_ is None:
        raise ProblemError(problems[0])
    if "." not in ascii_:
        raise _refuse(
            "single-label",
            t("“{entry}” has one label only and would name a whole top-level domain or a local machine.",
              entry=shown(value)),
            t("Write the full name, such as news.example.test."),
        )  # fmt: skip
    if ascii_.rpartition(".")[2].isdigit():  # browsers take such a name for a broken address and never ask for it
        raise _bad_address(text)
    return f".{ascii_}" if below else ascii_


def lookalike(value: str) -> str | None:
    """The A-label form of an entry with Cyrillic or Greek letters, which look like Latin ones; None for others."""
    for name in parse(value).names:
        letters = (c for label in name.split(".") for c in to_unicode(label) if not c.isascii())
        if any(unicodedata.name(c, "").startswith(("CYRILLIC", "GREEK")) for c in letters):
            return name
    return None


def fold(entries: Iterable[str]) -> tuple[list[str], list[Folded]]:
    """The entries that say something of their own, sorted, and those that another one covers.

    `.example.test` covers `example.test` and all below; a prefix covers what lies inside it. Entries are as typed.
    """
    typed = sorted(set(entries), key=lambda e: (e.strip(), e))
    parsed = [(entry, parse(entry)) for entry in typed]
    domains = {name[1:] for _, e in parsed for name in e.names if name.startswith(".")}
    wide = [n for _, e in parsed for n in e.networks]
    merged: list[Network] = [
        *collapse_addresses([n for n in wide if isinstance(n, IPv4Network)]),
        *collapse_addresses([n for n in wide if isinstance(n, IPv6Network)]),
    ]
    there, whole_of = _Networks(wide), _Networks(merged)
    kept: set[str] = set()
    folded: list[Folded] = []
    for entry, meaning in parsed:
        into = None
        for name in meaning.names:
            above = _domain_above(name, domains)
            into = f".{above}" if above is not None else (name if name in kept else None)
            if into is None:
                kept.add(name)
        for network in meaning.networks:
            whole = whole_of.around(network) or network
            text = network_text(whole)
            into = text if text in kept or (whole != network and there.around(network, itself=False)) else into
            kept.add(text)
        if into is not None:
            folded.append(Folded(shown(entry.strip()), into))
    return sorted(kept), folded


def covers(whole: Entry, part: Entry) -> bool:
    """Whether all that an entry means is meant by another one too."""
    domains = {name[1:] for name in whole.names if name.startswith(".")}
    names = all(name in whole.names or _domain_above(name, domains) is not None for name in part.names)
    there = _Networks(whole.networks)
    return names and all(there.around(n) is not None for n in part.networks)


class _Networks:
    """Networks, to be asked which of them lies around another one; a long list costs no more than a short one."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._by_place = {(n.version, n.prefixlen, int(n.network_address)): n for n in networks}

    def around(self, network: Network, *, itself: bool = True) -> Network | None:
        """The widest one that contains `network`; `itself`: whether an equal one counts."""
        number, bits = int(network.network_address), network.max_prefixlen
        for length in range(network.prefixlen + itself):
            found = self._by_place.get((network.version, length, number >> (bits - length) << (bits - length)))
            if found is not None:
                return found
        return None


def _domain_above(name: str, domains: set[str]) -> str | None:
    """The widest `.domain` entry that covers a name (or a narrower `.domain`), if there is one."""
    own = name.startswith(".")
    labels = name.lstrip(".").split(".")
    chain = [".".join(labels[i:]) for i in range(len(labels) - 1, -1, -1)]
    return next((d for d in chain if d in domains and not (own and d == chain[-1])), None)


def read_list(text: str) -> tuple[list[str], list[Problem]]:
    """A pasted list, one entry a line, empty lines and lines that begin with `#` skipped: the good ones in their
    order, and a problem with its line number for each of the others."""
    good: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(re.split("\r\n|\n|\r", text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            parse(line)
        except ProblemError as error:
            problem = error.problem
            problems.append(Problem(problem.code, problem.text, problem.remedy, line=number, field="hosts"))
        else:
            good.append(line.strip())
    return good, problems


def is_name(text: str) -> bool:
    """Whether a folded entry is a name, not an address or a prefix."""
    return not ("/" in text or ":" in text or _NUMBERS.match(text))
