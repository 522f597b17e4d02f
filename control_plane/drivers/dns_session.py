"""Signed DNS over TCP: whole-zone transfers and updates, every answer verified (RFC 5936, 2136, 8945).

Must not: hand on a byte that the server's signature does not cover, or take a partial transfer for a zone.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

from control_plane.drivers.dns_wire import (
    CLASS_ANY,
    CLASS_IN,
    SOA,
    TSIG,
    DecodeError,
    Message,
    Record,
    decode,
    name_to_wire,
    read_name,
)
from control_plane.model.text import Text, t, tn

AXFR, UPDATE_OPCODE = 252, 5
FUDGE = 300
TSIG_ROOM = 400
"""Octets to leave free for the signature of a message."""
Key = dns.tsig.Key
_tsig: Any = dns.tsig  # its functions carry no annotations
_TsigRecord: Any = dns.rdtypes.ANY.TSIG.TSIG


class DnsTrouble(Exception):
    """An exchange that told nothing usable. `sent`: the server may have acted on it all the same."""

    def __init__(self, text: Text, sent: bool) -> None:
        super().__init__(str(text))
        self.text = text
        self.sent = sent


class Refused(DnsTrouble):
    """The server or its signature says no to us as such; repeating or splitting cannot help."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the primary answers and how we prove who we are. `secret`: base64, or the file that holds it."""

    address: str
    port: int
    key_name: str
    secret: Path | bytes
    timeout: float = 10.0

    def key(self) -> Key:
        """The TSIG key (hmac-sha256), read again each time so that a rotated one is found."""
        try:
            text = self.secret if isinstance(self.secret, bytes) else self.secret.read_bytes()
            return Key(self.key_name, b64decode(text.strip(), validate=True), "hmac-sha256")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise Refused(
                t(
                    "The key {key} for the name server cannot be read: {reason}.",
                    key=self.key_name.rstrip("."),
                    reason=reason,
                ),
                sent=False,
            ) from None

    def connect(self) -> Connection:
        """Open a connection. Raises `DnsTrouble`."""
        key = self.key()
        try:
            sock = socket.create_connection((self.address, self.port), self.timeout)
        except OSError as error:
            raise DnsTrouble(
                t("The name server {server} cannot be reached: {reason}.", server=self.where, reason=_reason(error)),
                sent=False,
            ) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(self, sock, key)

    @property
    def where(self) -> str:
        """`address:port` for messages."""
        return f"{self.address}:{self.port}"

    def transfer(self, zone: str) -> list[Record]:
        """All records of a zone, from its SOA record to the same one again. Raises `DnsTrouble`."""
        with self.connect() as connection:
            return connection.transfer(zone)


def _reason(error: OSError) -> Text | str:
    return t("no answer in time") if isinstance(error, TimeoutError) else (error.strerror or type(error).__name__)


def sign(wire: bytes, key: Key) -> tuple[bytes, bytes]:
    """`wire` with a TSIG record behind it, and the MAC that the answer's signature covers."""
    blank = _TsigRecord(
        dns.rdataclass.ANY,
        dns.rdatatype.TSIG,
        key.algorithm,
        0,
        FUDGE,
        b"",
        int.from_bytes(wire[:2], "big"),
        0,
        b"",
    )
    signed, _ = _tsig.sign(wire, key, blank, int(time.time()), b"")
    rdata = signed.to_wire()
    owner = key.name.to_wire()
    assert rdata is not None
    assert owner is not None
    count = int.from_bytes(wire[10:12], "big") + 1
    head = owner + struct.pack("!HHIH", TSIG, CLASS_ANY, 0, len(rdata))
    return wire[:10] + count.to_bytes(2, "big") + wire[12:] + head + rdata, signed.mac


class Verifier:
    """Checks the signatures of the answers to one signed question, also over many messages."""

    def __init__(self, key: Key, request_mac: bytes, multi: bool) -> None:
        self.key = key
        self.request_mac = request_mac
        self.multi = multi
        self.context: Any = None
        self.complete = False

    def check(self, wire: bytes, start: int) -> None:
        """Take the next message; `start` is where its TSIG record begins. Raises dnspython's errors."""
        if start < 0:
            if self.context is None:
                raise _tsig.BadSignature("the answer is not signed")
            self.context.update(wire)
            self.complete = False
            return
        owner, pos = read_name(wire, start, {})
        length = int.from_bytes(wire[pos + 8 : pos + 10], "big")
        rdata = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, wire, pos + 10, length)
        self.context = _tsig.validate(
            wire,
            self.key,
            dns.name.from_text(owner + "."),
            rdata,
            int(time.time()),
            self.request_mac,
            start,
            self.context,
            self.multi,
        )
        self.complete = True


class Connection:
    """One TCP connection; questions one after the other."""

    def __init__(self, server: Server, sock: socket.socket, key: Key) -> None:
        self.server = server
        self._sock = sock
        self._key = key
        self._buffer = bytearray()
        self._deadline = 0.0

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError):
            self._sock.close()

    def transfer(self, zone: str) -> list[Record]:
        """See `Server.transfer`."""
        ident = secrets.randbits(16)
        question = name_to_wire(zone) + struct.pack("!HH", AXFR, CLASS_IN)
        wire, mac = sign(struct.pack("!HHHHHH", ident, 0, 1, 0, 0, 0) + question, self._key)
        verifier = Verifier(self._key, mac, multi=True)
        records: list[Record] = []
        self._send(wire, limit=10 * self.server.timeout)
        while not (len(records) > 1 and records[-1][1] == SOA):
            try:
                answer = self._answer(ident, verifier)
            except DnsTrouble as error:
                if not records:
                    raise
                raise DnsTrouble(
                    tn(
                        "The transfer broke off after {count} record: {reason}",
                        "The transfer broke off after {count} records: {reason}",
                        count=len(records),
                        reason=error.text,
                    ),
                    sent=True,
                ) from None
            if answer.rcode or not answer.answer:
                raise DnsTrouble(self._says(answer.rcode, zone), sent=True)
            records.extend(answer.answer)
        if not verifier.complete:
            raise DnsTrouble(t("The end of the transfer of {zone} is not signed.", zone=zone), sent=True)
        return records

    def update(self, wire: bytes) -> int:
        """Send one RFC 2136 message (unsigned, as encoded); returns the response code. Raises `DnsTrouble`."""
        signed, mac = sign(wire, self._key)
        self._send(signed, limit=self.server.timeout)
        return self._answer(int.from_bytes(wire[:2], "big"), Verifier(self._key, mac, multi=False)).rcode

    def _says(self, rcode: int, zone: str) -> Text:
        return t(
            "The name server {server} refuses to hand over zone {zone}: {code}.",
            server=self.server.where,
            zone=zone,
            code=dns.rcode.to_text(dns.rcode.Rcode(rcode)) if rcode else t("an empty answer"),
        )

    def _send(self, wire: bytes, limit: float) -> None:
        self._deadline = time.monotonic() + limit
        try:
            self._sock.settimeout(self.server.timeout)
            self._sock.sendall(struct.pack("!H", len(wire)) + wire)
        except OSError as error:
            raise DnsTrouble(self._lost(_reason(error)), sent=True) from None

    def _lost(self, reason: Text | str) -> Text:
        return t("No answer from the name server {server}: {reason}.", server=self.server.where, reason=reason)

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            left = min(self.server.timeout, self._deadline - time.monotonic())
            try:
                if left <= 0:
                    raise TimeoutError
                self._sock.settimeout(left)
                piece = self._sock.recv(1 << 18)
            except OSError as error:
                raise DnsTrouble(self._lost(_reason(error)), sent=True) from None
            if not piece:
                raise DnsTrouble(self._lost(t("the connection was closed")), sent=True)
            self._buffer += piece
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def _answer(self, ident: int, verifier: Verifier) -> Message:
        wire = self._read(int.from_bytes(self._read(2), "big"))
        try:
            message = decode(wire)
            if message.id != ident or not message.is_response:
                raise DecodeError("it belongs to another question")
            if message.tsig_start < 0 and message.rcode and not verifier.complete:
                return message  # an unsigned no may be believed: nothing is concluded from it but a failure
            verifier.check(wire, message.tsig_start)
        except (DecodeError, dns.exception.FormError) as error:
            raise DnsTrouble(
                t(
                    "The name server {server} sent an answer that cannot be read: {reason}.",
                    server=self.server.where,
                    reason=str(error),
                ),
                sent=True,
            ) from None
        except dns.exception.DNSException as error:
            raise self._signature(error) from None
        return message

    def _signature(self, error: dns.exception.DNSException) -> Refused:
        key, server = self.server.key_name.rstrip("."), self.server.where
        if isinstance(error, dns.tsig.PeerBadTime | dns.tsig.BadTime):
            text = t("The clocks of this machine and of the name server {server} differ too much.", server=server)
        elif isinstance(error, dns.tsig.PeerBadKey):
            text = t("The name server {server} does not know the key {key}.", server=server, key=key)
        elif isinstance(error, dns.tsig.PeerError):
            text = t("The name server {server} holds another secret for the key {key}.", server=server, key=key)
        else:
            text = t(
                "The answer of the name server {server} is not signed with the key {key} as it must be: {reason}.",
                server=server,
                key=key,
                reason=str(error) or type(error).__name__,
            )
        return Refused(text, sent=not isinstance(error, dns.tsig.PeerError))
