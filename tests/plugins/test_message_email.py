"""`message.email`, against a real SMTP server with a real certificate."""

from __future__ import annotations

import datetime
import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins import NodeError
from rflow.plugins.kinds.message_email import Email
from rflow.plugins.local_context import LocalContext, run_node

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd.*")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate for `localhost` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Mailbox:
    """What a server took, and what it answers to a recipient."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refusals: dict[str, str] = {}
        self.answer = "250 OK"
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return self.answer

    def message(self) -> EmailMessage:
        content = self.envelopes[-1].content
        assert isinstance(content, bytes)
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found


def _accept(server: SMTP, session: Session, envelope: Envelope, way: str, given: Any) -> AuthResult:
    good = isinstance(given, LoginPassword) and given.password == b"correct horse"
    return AuthResult(success=good, handled=False)


class Server(Controller):
    """A server on a port that the system chooses; its first client trusts `trust`."""

    trust: ssl.SSLContext | None = None

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        with socket.create_connection((self.hostname, self.port), 10) as plain:
            if self.trust is not None:
                with self.trust.wrap_socket(plain, server_hostname="localhost") as encrypted:
                    encrypted.recv(1)
            else:
                plain.recv(1)


def _started(mailbox: Mailbox, trust: ssl.SSLContext | None = None, **options: Any) -> Server:
    found = Server(mailbox, hostname="127.0.0.1", port=0, **options)
    found.trust = trust
    found.start()
    mailbox.port = found.port
    return found


@pytest.fixture
def plain() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    controller = _started(mailbox)
    yield mailbox
    controller.stop()


@pytest.fixture
def starttls(certificate: Path) -> Iterator[Mailbox]:
    mailbox, context = Mailbox(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    controller = _started(
        mailbox,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=_accept,
    )
    yield mailbox
    controller.stop()


def mail(mailbox: Mailbox, **inputs: Any) -> Email:
    given: dict[str, Any] = {
        "to": ["oncall@example.com"],
        "sender": "rflow@example.com",
        "subject": "Released",
        "text": "The shop is on production.",
        "server": "localhost",
        "port": mailbox.port,
        "security": "none",
    }
    return Email(**{**given, **inputs})


def test_a_message_to_several(ctx: LocalContext, plain: Mailbox) -> None:
    node = mail(
        plain,
        to=["oncall@example.com", "team@example.com", "oncall@example.com"],
        subject="Released grüße ✓",
        text="first\n.\nFrom here\n\nü",
        headers={"Reply-To": "team@example.com", "X-Flow": "shop"},
    )
    assert run_node(node, ctx).refused == []
    assert plain.envelopes[0].rcpt_tos == ["oncall@example.com", "team@example.com"]
    assert plain.envelopes[0].mail_from == "rflow@example.com"
    message = plain.message()
    assert message["To"] == "oncall@example.com, team@example.com"
    assert message["Subject"] == "Released grüße ✓"
    assert message["Reply-To"] == "team@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == "first\n.\nFrom here\n\nü\n"


def test_the_same_message_has_the_same_id(ctx: LocalContext, plain: Mailbox) -> None:
    ids = []
    for text in ("a", "a", "b"):
        run_node(mail(plain, text=text), ctx)
        ids.append(plain.message()["Message-ID"])
    assert ids[0] == ids[1] != ids[2]


def test_starttls_and_a_password(ctx: LocalContext, starttls: Mailbox, certificate: Path) -> None:
    node = mail(
        starttls,
        security="starttls",
        user="rflow",
        password="correct horse",
        ca=str(certificate),
    )
    run_node(node, ctx)
    assert starttls.message()["Subject"] == "Released"


def test_a_wrong_password(ctx: LocalContext, starttls: Mailbox, certificate: Path) -> None:
    node = mail(starttls, security="starttls", user="u", password="hidden", ca=str(certificate))
    with pytest.raises(NodeError, match="did not accept the sign-in") as caught:
        run_node(node, ctx)
    assert not caught.value.retry
    assert "hidden" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for(ctx: LocalContext, starttls: Mailbox) -> None:
    with pytest.raises(NodeError, match="the certificate of localhost: self") as caught:
        run_node(mail(starttls, security="starttls", user="u", password="p"), ctx)
    assert not caught.value.retry
    assert not starttls.envelopes


def test_encrypted_from_the_start(ctx: LocalContext, certificate: Path) -> None:
    mailbox, context = Mailbox(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    controller = _started(mailbox, trust, ssl_context=context)
    try:
        run_node(mail(mailbox, security="tls", ca=str(certificate)), ctx)
    finally:
        controller.stop()
    assert mailbox.message()["Subject"] == "Released"


def test_a_server_without_encryption(ctx: LocalContext, plain: Mailbox) -> None:
    with pytest.raises(NodeError, match="STARTTLS extension not supported") as caught:
        run_node(mail(plain, security="starttls"), ctx)
    assert not caught.value.retry
    assert not plain.envelopes


def test_a_password_is_never_sent_in_clear(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="in clear"):
        run_node(mail(Mailbox(), server="mail.example.com", user="u", password="p"), ctx)


def test_an_address_that_is_refused(ctx: LocalContext, plain: Mailbox) -> None:
    plain.refusals = {"gone@example.com": "550 no such user"}
    done = run_node(mail(plain, to=["gone@example.com", "team@example.com"]), ctx)
    assert done.refused == ["gone@example.com"]
    assert plain.envelopes[0].rcpt_tos == ["team@example.com"]


@pytest.mark.parametrize(("answer", "again"), [("550 no such user", False), ("451 later", True)])
def test_all_are_refused(ctx: LocalContext, plain: Mailbox, answer: str, again: bool) -> None:
    plain.refusals = {"oncall@example.com": answer}
    with pytest.raises(NodeError, match="refused all addresses") as caught:
        run_node(mail(plain), ctx)
    assert caught.value.retry is again


@pytest.mark.parametrize(("answer", "again"), [("554 spam", False), ("452 full", True)])
def test_the_message_is_refused(
    ctx: LocalContext, plain: Mailbox, answer: str, again: bool
) -> None:
    plain.answer = answer
    with pytest.raises(NodeError, match=f"answered {answer[:3]}") as caught:
        run_node(mail(plain), ctx)
    assert caught.value.retry is again


def test_nobody_answers(ctx: LocalContext) -> None:
    mailbox = Mailbox()
    mailbox.port = 1
    with pytest.raises(NodeError, match="cannot be reached: ConnectionRefusedError") as caught:
        run_node(mail(mailbox), ctx)
    assert caught.value.retry


@given(st.text(max_size=60), st.text(max_size=200))
def test_text_from_outside_makes_no_header(subject: str, text: str) -> None:
    evil = f"{subject}\r\nBcc: evil@example.com\n\n{text}"
    node = mail(Mailbox(), subject=evil, text=evil)
    ctx = LocalContext.__new__(LocalContext)
    ctx.run_id, ctx.node = "run-1", "mail"
    written = node._message(ctx, ["oncall@example.com"]).as_bytes()
    read = email.message_from_bytes(written, policy=email.policy.default)
    assert read["Bcc"] is None
    assert not read.defects
    assert "Bcc: evil@example.com" in str(read["Subject"])
    own = "From To Subject Date Message-ID Auto-Submitted"
    mime = "MIME-Version Content-Type Content-Transfer-Encoding"
    assert sorted(read.keys()) == sorted(f"{own} {mime}".split())


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"to": []}, "names nobody"),
        ({"to": ["a@example.com, b@example.com"]}, "no address"),
        ({"to": ["a@example.com\nBcc: b@example.com"]}, "no address"),
        ({"to": ["Team <a@example.com>"]}, "no address"),
        ({"sender": "rflow"}, "`sender` holds 'rflow'"),
        ({"headers": {"Bcc": "evil@example.com"}}, "cannot set 'Bcc'"),
        ({"headers": {"X-A": "1\r\nBcc: evil@example.com"}}, "header cannot be written"),
        ({"ca": "missing.pem"}, "`ca` cannot be read"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    ctx: LocalContext, plain: Mailbox, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(NodeError, match=message) as caught:
        run_node(mail(plain, **inputs), ctx)
    assert not caught.value.retry
    assert not plain.envelopes
