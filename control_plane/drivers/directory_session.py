"""A bound, verified connection to the directory, and many requests in flight on it at once.

ldap3 connects, verifies and binds; then messages go over its socket through `directory_ber`. Referrals are never
followed, answers never shortened: what does not end with an LDAP result ends in `ConnectionLost`.
"""

from __future__ import annotations

import ssl
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from control_plane.drivers import directory_ber as ber
from control_plane.model.errors import TemporaryError
from control_plane.model.text import Text, t

WINDOW = 200
"""Requests in flight at most; slapd lets a bound connection have 1,000."""
_RECEIVE = 1 << 18
_FIRST_NUMBER = 1000  # ldap3 numbers its own messages (bind) from 1


class DirectoryUnavailable(TemporaryError):
    """No bound connection could be had; nothing was asked."""

    code = "directory-unavailable"


class ConnectionLost(Exception):
    """The connection broke or fell silent; requests in flight may or may not have been carried out."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Request:
    """One request and its controls, encoded."""

    operation: bytes
    controls: bytes = b""


@dataclass(slots=True)
class Answer:
    """Everything that came back for one request."""

    result: ber.Result = field(default_factory=lambda: ber.Result(-1))
    entries: list[ber.RawEntry] = field(default_factory=list)
    referrals: int = 0
    cookie: bytes = b""


R = TypeVar("R")
K = TypeVar("K")
Conversation = Generator[Request, Answer, R]
"""Requests of one piece of work, each sent when the one before was answered; returns what came of it."""


@cache
def ldap3() -> Any:
    """The library, imported when first needed; newer pyasn1 deprecates names that ldap3 2.9.1 uses (ldap3 #1159)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(tagMap|typeMap) is deprecated", DeprecationWarning)
        import ldap3 as library
        import ldap3.core.exceptions
        import ldap3.extend
    return library


@dataclass(frozen=True)
class Endpoint:
    """Where the directory is and how it is verified: reached by address, proven by `server_name`.

    `timeout`: seconds for connecting, and for each silence in between answers.
    """

    host: str
    port: int
    server_name: str
    ca_file: Path
    timeout: float = 30.0

    def connect(self, bind_dn: str, password: str) -> Any:
        """An ldap3 connection that is open, verified and bound; the caller closes it with `disconnect`.

        Raises DirectoryUnavailable, or ldap3's LDAPOperationResult when the server answered no
        (LDAPInvalidCredentialsResult for a wrong password).
        """
        library = ldap3()
        server = library.Server(
            self.host,
            port=self.port,
            use_ssl=True,
            tls=_tls(self.ca_file, self.server_name),
            get_info=library.NONE,
            connect_timeout=self.timeout,
        )
        connection = library.Connection(
            server,
            user=bind_dn,
            password=password,
            authentication=library.SIMPLE,
            auto_bind=library.AUTO_BIND_NONE,
            auto_referrals=False,
            check_names=False,
            raise_exceptions=True,
            receive_timeout=max(1, round(self.timeout)),
        )
        try:
            connection.open(read_server_info=False)
            connection.bind(read_server_info=False)
        except library.core.exceptions.LDAPOperationResult:
            disconnect(connection)
            raise
        except (OSError, library.core.exceptions.LDAPException) as error:
            disconnect(connection)
            raise unavailable(self.host, connection.last_error or str(error)) from None
        connection.socket.settimeout(self.timeout)
        return connection


def _tls(ca_file: Path, server_name: str) -> Any:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    class NamedTls(ldap3().Tls):  # type: ignore[misc]
        """ldap3 by itself verifies against the address, with a function that Python 3.12 no longer has."""

        def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
            connection.socket = context.wrap_socket(connection.socket, server_hostname=server_name)

    return NamedTls()


def disconnect(connection: Any) -> None:
    """Close the socket under an ldap3 connection, whatever state it is in."""
    if connection.socket is not None:
        connection.socket.close()
        connection.socket = None
    connection.closed = True


def unavailable(host: str, reason: str) -> DirectoryUnavailable:
    """What to raise when there is no answer, or none to work with. `reason` must hold no secret."""
    return DirectoryUnavailable(
        t("No connection to the directory at {host}: {reason}.", host=host, reason=reason.rstrip(".")),
        t("Check that slapd runs there, its certificate, and the control plane's password; gasp doctor says more."),
    )


def read_password(path: Path) -> str:
    """A password kept as one line of a file. Raises DirectoryUnavailable when there is none."""
    try:
        password = path.read_text().rstrip("\n")
    except OSError as error:
        raise DirectoryUnavailable(t("The password file {path}: {reason}.", path=path, reason=error.strerror)) from None
    if not password or "\0" in password:
        raise DirectoryUnavailable(t("The password file {path} is empty.", path=path))
    return password


class Session:
    """A connection for bulk work. For one thread; a context manager.

    Entering raises DirectoryUnavailable. The password is read from its file and kept nowhere.
    """

    def __init__(self, endpoint: Endpoint, bind_dn: str, password_path: Path) -> None:
        self.endpoint = endpoint
        self.bind_dn = bind_dn
        self.password_path = password_path
        self._connection: Any = None
        self._number = _FIRST_NUMBER
        self._waiting: dict[int, tuple[Any, Conversation[Any], Answer]] = {}
        self._received = b""

    def __enter__(self) -> Self:
        try:
            self._connection = self.endpoint.connect(self.bind_dn, read_password(self.password_path))
        except ldap3().core.exceptions.LDAPOperationResult as error:
            raise unavailable(self.endpoint.host, f"{self.bind_dn}: {error.description}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        disconnect(self._connection)

    def run(
        self, work: Iterable[tuple[K, Conversation[R]]], before_send: Callable[[], None] | None = None
    ) -> Iterator[tuple[K, R]]:
        """Carry on all conversations side by side and yield (key, what it returned) in the order of completion.

        `before_send` is called before each batch of requests goes out; if it raises, what is in flight is collected
        first, then the exception goes on. Raises ConnectionLost; keys without a result are then unknown.
        """
        queue = deque(work)
        ready: deque[tuple[Any, Conversation[Any], Request]] = deque()
        refused: BaseException | None = None
        while True:
            finished: list[tuple[K, R]] = []
            if refused is None and len(self._waiting) <= WINDOW // 2:
                batch = self._take(queue, ready, finished)
                yield from finished
                finished = []
                if batch:
                    try:
                        if before_send:
                            before_send()
                    except Exception as error:
                        refused = error
                    else:
                        self._send(batch)
            if not self._waiting:
                if refused is not None:
                    raise refused
                if not queue and not ready:
                    return
                continue
            for key, conversation, answer in self._receive():
                _step(key, conversation, answer, ready, finished)
            yield from finished

    def _take(
        self,
        queue: deque[tuple[K, Conversation[R]]],
        ready: deque[tuple[Any, Conversation[Any], Request]],
        finished: list[tuple[K, R]],
    ) -> list[tuple[Any, Conversation[Any], Request]]:
        batch: list[tuple[Any, Conversation[Any], Request]] = []
        while len(self._waiting) + len(batch) < WINDOW and (ready or queue):
            if not ready:
                key, conversation = queue.popleft()
                _step(key, conversation, None, ready, finished)
                continue
            batch.append(ready.popleft())
        return batch

    def _send(self, batch: list[tuple[Any, Conversation[Any], Request]]) -> None:
        out = bytearray()
        for key, conversation, request in batch:
            self._number += 1
            self._waiting[self._number] = key, conversation, Answer()
            out += ber.message(self._number, request.operation, request.controls)
        try:
            self._connection.socket.sendall(out)
        except OSError as error:
            raise self._lost(str(error)) from None

    def _receive(self) -> Iterator[tuple[Any, Conversation[Any], Answer]]:
        """Wait for more bytes; yield the requests that are now answered in full."""
        try:
            data = self._connection.socket.recv(_RECEIVE)
        except OSError as error:
            raise self._lost(str(error)) from None
        if not data:
            raise self._lost("the server closed the connection")
        data = self._received + data if self._received else data
        at = 0
        try:
            while (end := ber.message_end(data, at)) is not None and end <= len(data):
                found = ber.read_message(data, at, end)
                at = end
                if found.number not in self._waiting:
                    raise ber.BerError(f"{ber.read_result(found).diagnostic or 'an answer to no request'}")
                answer = self._waiting[found.number][2]
                if found.tag == ber.SEARCH_ENTRY:
                    answer.entries.append(ber.read_entry(found))
                elif found.tag == ber.SEARCH_REFERENCE:
                    answer.referrals += 1
                elif found.tag != ber.INTERMEDIATE_RESPONSE:
                    answer.result = ber.read_result(found)
                    if found.tag == ber.SEARCH_DONE:
                        answer.cookie = ber.read_cookie(found)
                    yield self._waiting.pop(found.number)
        except ValueError as error:  # BerError, or a DN that is not UTF-8
            raise self._lost(str(error)) from None
        self._received = data[at:]

    def _lost(self, reason: str) -> ConnectionLost:
        self._waiting.clear()
        return ConnectionLost(t("The connection to the directory broke: {reason}.", reason=reason.rstrip(".")))


def _step(
    key: Any,
    conversation: Conversation[Any],
    answer: Answer | None,
    ready: deque[tuple[Any, Conversation[Any], Request]],
    finished: list[Any],
) -> None:
    """Let a conversation go on to its next request or its end."""
    try:
        request = next(conversation) if answer is None else conversation.send(answer)
    except StopIteration as end:
        finished.append((key, end.value))
    else:
        ready.append((key, conversation, request))
