"""The mail host: messages are handed over by SMTP, and its own log says which it has taken.

One connection a message. Must not decide whom to tell; must not hand over what it cannot tell apart afterwards.
"""

from __future__ import annotations

import re
import smtplib
from email.message import EmailMessage

from control_plane.drivers.ssh import Runner
from control_plane.model.errors import CouldNotMeasureError, Rejected, TemporaryError
from control_plane.model.text import t

#: Runs on the mail host. A message was taken when it was given a queue id and the queue says whom it is from; one that
#: was cut off on its way has an id alone. Without a log nobody knows: exit code 1.
_ASK = """
import re, sys
wanted, mine, taken = f"message-id={sys.argv[1]}", set(), False
for name in ("/var/log/mail.log.1", "/var/log/mail.log"):
    try:
        lines = open(name, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if not name.endswith(".1"):
            raise
        continue
    for line in lines:
        said = re.search(r"postfix/(cleanup|qmgr)\\[\\d+\\]: (\\w+): (.*)", line)
        if said and said[1] == "cleanup" and said[3].strip() == wanted:
            mine.add(said[2])
        elif said and said[1] == "qmgr" and said[2] in mine and said[3].startswith("from="):
            taken = True
print("yes" if taken else "no")
"""
_ID = re.compile(r"<[A-Za-z0-9._-]+@[A-Za-z0-9.-]+>\Z")
SECONDS = 30.0


class MailHost:
    """Implements `model.notice.Post`. `address` and `port` are of its SMTP service; `runner` knows it by `name`."""

    def __init__(self, address: str, runner: Runner, name: str, port: int = 25) -> None:
        self.address, self.port, self._runner, self._name = address, port, runner, name

    def send(self, message: EmailMessage) -> None:
        """See `Post.send`."""
        try:
            with smtplib.SMTP(self.address, self.port, timeout=SECONDS) as connection:
                connection.send_message(message)
        except smtplib.SMTPResponseException as error:
            self._refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            self._refused(code, said)
        except (smtplib.SMTPException, OSError) as error:
            raise TemporaryError(
                t("The mail host {host} cannot be reached: {reason}", host=self._name, reason=error),
                t("See whether it is up: gasp lab status."),
            ) from error

    def _refused(self, code: int, said: bytes | str) -> None:
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        text = t("The mail host said {code}: {said}", code=code, said=words)
        if 500 <= code < 600:
            raise Rejected(text)
        raise TemporaryError(text)

    def accepted(self, message_id: str) -> bool:
        """See `Post.accepted`."""
        if not _ID.match(message_id):
            raise ValueError(message_id)
        try:
            done = self._runner.run(self._name, ["python3", "-c", _ASK, message_id], timeout=SECONDS)
        except TemporaryError as error:
            raise CouldNotMeasureError(error.text) from error
        if done.rc or done.stdout.strip() not in (b"yes", b"no"):
            said = done.stderr.decode("utf-8", "replace").strip()[-200:]
            raise CouldNotMeasureError(t("The mail host could not be asked: {reason}", reason=said))
        return done.stdout.strip() == b"yes"
