"""Hands of a person who goes behind the control plane's back: edits zones and the directory, reads the mailbox."""

from __future__ import annotations

import base64
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import dns.query
import dns.tsigkeyring
import dns.update
import dns.zone

from tests.conftest import Centre
from tests.waiting import wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3

BASE = "dc=qingdao,dc=test"


def address(centre: Centre, host: str) -> str:
    """Core IPv4 address of a host."""
    return next(h["ipv4"] for h in centre.json("lab", "status")["hosts"] if h["name"] == host)


class Names:
    """The primary name server, by hand."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.server = address(centre, "ns1")
        self.keyring = dns.tsigkeyring.from_text({"gasp-internal.": centre.secret("tsig-internal")})

    def update(self, zone: str, *acts: Sequence[Any]) -> None:
        """Send one update; each act is (verb, name, …) as `dns.update.Update` has them."""
        message = dns.update.Update(zone, keyring=self.keyring, keyalgorithm="hmac-sha256")
        for verb, *arguments in acts:
            getattr(message, verb)(*arguments)
        answer = dns.query.tcp(message, self.server, timeout=10)
        assert answer.rcode() == 0, answer

    def transfer(self, zone: str, server: str | None = None) -> dict[tuple[str, str], set[str]]:
        """Every record set of a zone except SOA: (name, type) → values."""
        made = dns.zone.Zone(zone)
        query, _ = dns.xfr.make_query(made, keyring=self.keyring, keyalgorithm="hmac-sha256")
        dns.query.inbound_xfr(server or self.server, made, query, timeout=10)
        found: dict[tuple[str, str], set[str]] = {}
        for name, ttl, rdata in made.iterate_rdatas():
            kind = dns.rdatatype.to_text(rdata.rdtype)
            if kind != "SOA":
                found.setdefault((str(name), kind), set()).add(f"{ttl} {rdata.to_text()}")
        return found


class Directory:
    """The directory server, as its administrator."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.server = ldap3.Server(
            address(centre, "directory"),
            port=636,
            use_ssl=True,
            get_info=ldap3.NONE,
            tls=ldap3.Tls(
                validate=ssl.CERT_REQUIRED,
                ca_certs_file=str(centre.state / "ca" / "ca.pem"),
                valid_names=["directory.core.qingdao.test"],
            ),
        )

    @contextmanager
    def bind(self, dn: str, password: str) -> Iterator[Any]:
        """A bound connection; raises LDAPBindError."""
        connection = ldap3.Connection(self.server, dn, password, check_names=False, receive_timeout=20)
        try:
            if not connection.bind():
                raise ldap3.core.exceptions.LDAPBindError(connection.result["description"])
            yield connection
        finally:
            if connection.socket is not None:
                connection.socket.close()

    def own_passwords(self, code: str) -> dict[str, str]:
        """Those of a department who got a first password, by uid; each has taken this one of their own instead."""
        own = {}
        for row in (row for row in self.centre.first_passwords() if row["tenant"] == code):
            own[row["uid"]] = f"my own, {row['uid']}"
            try:
                with self.bind(row["dn"], row["password"]) as connection:
                    connection.extend.standard.modify_password(None, row["password"], own[row["uid"]])
            except ldap3.core.exceptions.LDAPBindError:  # taken by a test before
                with self.bind(row["dn"], own[row["uid"]]):
                    continue
        return own

    def admin(self) -> Any:
        """As the root DN, which no policy binds."""
        return self.bind(f"cn=admin,{BASE}", self.centre.secret("ldap-admin"))

    def everything(self) -> dict[str, Any]:
        """All entries below ou=tenants with their own and operational attributes that do not change by reading."""
        with self.admin() as connection:
            rows = list(
                connection.extend.standard.paged_search(
                    f"ou=tenants,{BASE}", "(objectClass=*)", attributes=["*", "entryCSN"], paged_size=500
                )
            )
        return {row["dn"]: row["raw_attributes"] for row in rows if row["type"] == "searchResEntry"}


class Mailbox:
    """The collecting mailbox on the mail host."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre

    def all(self) -> list[EmailMessage]:
        script = "for f in /var/mail/estate/new/*; do [ -f $f ] && base64 -w0 $f && echo; done; true"
        lines = self.centre.shell("mail", script).split()
        return [message_from_bytes(base64.b64decode(line), policy=default) for line in lines]  # type: ignore[misc]

    def to(self, address: str) -> list[EmailMessage]:
        return [m for m in self.all() if m["Delivered-To"] == address]

    def wait(self, address: str, count: int) -> list[EmailMessage]:
        return wait_until(lambda: found if len(found := self.to(address)) >= count else None, 30, f"mail to {address}")

    def empty(self) -> None:
        self.centre.shell("mail", "rm -f /var/mail/estate/new/*")
