"""`message.email`: a message by SMTP.

What comes from outside reaches the subject and the text alone, never a header of its own, an
address or the envelope. A password never goes over a connection that is not encrypted, but to this
machine.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from rflow.plugins import Context, Doc, Node, NodeError, TakesSecret, Trusted, message_id
from rflow.plugins.kinds import escape

if TYPE_CHECKING:
    import smtplib
    import ssl
    from email.message import EmailMessage

_TIMEOUT_S = 20.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ADDRESS = re.compile(r"[^\s<>()\[\]:;@\\,\"\x00-\x1f\x7f]+@[^\s<>()\[\]:;@\\,\"\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Email(Node, kind="message.email"):
    """Send an e-mail to one or several people.

    All get the same message; who else got it stands in its head. An address that the server
    refuses is told, and the node fails only if it refuses all. The `Message-ID` is the same
    whenever this message of this run is sent again.
    """

    to: Annotated[list[str], Trusted, Doc("Who gets it: `oncall@example.com`.")]
    sender: Annotated[str, Trusted, Doc("Whom it is from: `rflow@example.com`.")]
    subject: Annotated[str, Doc("Its subject, in one line.")]
    text: Annotated[str, Doc("What it says, as plain text.")]
    server: Annotated[str, Trusted, Doc("The mail server: `smtp.example.com`.")]
    port: Annotated[int | None, Doc("Its port; 587, 465 for `tls`, 25 for `none`.")] = None
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Trusted,
        Doc("How the connection is encrypted: after it is made, from the start, or not at all."),
    ] = "starttls"
    user: Annotated[str | None, Trusted, TakesSecret, Doc("The name to sign in with.")] = None
    password: Annotated[str | None, TakesSecret, Doc("The password to sign in with.")] = None
    ca: Annotated[
        str | None, Trusted, Doc("A file with the certificate to trust, instead of the system's.")
    ] = None
    headers: Annotated[
        dict[str, str], Trusted, Doc("Further headers whose names begin with `X-`; `Reply-To`.")
    ] = field(default_factory=dict)

    @dataclass(frozen=True)
    class Outputs:
        refused: Annotated[list[str], Doc("The addresses that the server refused.")]

    def run(self, ctx: Context) -> Outputs:
        recipients = list(dict.fromkeys(_address(one, "to") for one in self.to))
        if not recipients:
            raise NodeError("`to` names nobody", retry=False)
        if self.password is not None and self.security == "none" and self.server not in _LOCAL:
            raise NodeError("a password is not sent over a connection in clear", retry=False)
        message = self._message(ctx, recipients)
        refused = self._deliver(ctx, message, recipients)
        for address in refused:
            ctx.log(f"{self.server} refused {address}")
        ctx.log(f"{self.server} took the message for {len(recipients) - len(refused)}")
        return self.Outputs(refused)

    def _message(self, ctx: Context, recipients: Sequence[str]) -> EmailMessage:
        from email import policy
        from email.message import EmailMessage
        from email.utils import formatdate

        sender = _address(self.sender, "sender")
        message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        subject = escape.cut(escape.line(self.subject), 400)
        id = message_id(ctx.run_id, ctx.node, *recipients, self.subject, self.text)
        try:
            message["From"] = sender
            message["To"] = ", ".join(recipients)
            message["Subject"] = subject
            message["Date"] = formatdate(time.time())
            message["Message-ID"] = f"<{id}@{sender.partition('@')[2]}>"
            message["Auto-Submitted"] = "auto-generated"
            for name, value in self.headers.items():
                if not re.fullmatch(r"X-[A-Za-z0-9-]+|Reply-To", name):
                    raise NodeError(f"`headers` cannot set {name!r}", retry=False)
                message[name] = value
        except ValueError as error:
            raise NodeError(f"a header cannot be written: {error}", retry=False) from None
        message.set_content(escape.plain(self.text))
        return message

    def _deliver(self, ctx: Context, message: EmailMessage, recipients: Sequence[str]) -> list[str]:
        import smtplib
        import ssl

        try:
            with self._connected(self._trust(ctx)) as server:
                if self.user is not None or self.password is not None:
                    server.login(self.user or "", self.password or "")
                refused = server.sendmail(self.sender, recipients, message.as_bytes())
                return sorted(refused)
        except smtplib.SMTPRecipientsRefused as error:
            later = any(400 <= code < 500 for code, _ in error.recipients.values())
            raise NodeError(f"{self.server} refused all addresses", retry=later) from None
        except smtplib.SMTPNotSupportedError as error:
            raise NodeError(f"{self.server}: {error}", retry=False) from None
        except smtplib.SMTPAuthenticationError as error:
            later = 400 <= error.smtp_code < 500
            raise NodeError(f"{self.server} did not accept the sign-in", retry=later) from None
        except smtplib.SMTPResponseException as error:
            later = error.smtp_code < 500
            raise NodeError(f"{self.server} answered {error.smtp_code}", retry=later) from None
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message or "it cannot be verified"
            raise NodeError(f"the certificate of {self.server}: {why}", retry=False) from None
        except (OSError, smtplib.SMTPException) as error:
            raise NodeError(f"{self.server} cannot be reached: {type(error).__name__}") from None

    def _connected(self, trust: ssl.SSLContext) -> smtplib.SMTP:
        import smtplib

        port = self.port or _PORTS[self.security]
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.server, port, timeout=_TIMEOUT_S, context=trust)
        server = smtplib.SMTP(self.server, port, timeout=_TIMEOUT_S)
        try:
            if self.security == "starttls":
                server.starttls(context=trust)
        except BaseException:
            server.close()
            raise
        return server

    def _trust(self, ctx: Context) -> ssl.SSLContext:
        import ssl

        if self.ca is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cafile=ctx.directory / self.ca)
        except OSError as error:
            raise NodeError(f"`ca` cannot be read: {error.strerror}", retry=False) from None


def _address(text: str, where: str) -> str:
    """The address; NodeError for anything that is more, or less, than one."""
    if not _ADDRESS.fullmatch(text) or len(text) > 254 or not text.isascii():
        raise NodeError(
            f"`{where}` holds {text!r}, which is no address like oncall@example.com", retry=False
        )
    return text
