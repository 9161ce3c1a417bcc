"""Signatures as Standard Webhooks defines them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins.signing import SigningError, message_id, new_secret, signed, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = 1614265330.7


def test_the_signature_of_the_reference_implementations() -> None:
    assert signed(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", AT, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(), st.integers(0, 2**32))
def test_what_is_signed_is_verified(body: bytes, at: int) -> None:
    secret = new_secret()
    assert verify(secret, signed(secret, "msg_1", at, body), body, at) == "msg_1"


def test_a_secret_that_is_being_changed() -> None:
    old, new = new_secret(), new_secret()
    headers = signed([new, old], "msg_1", AT, BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify(old, headers, BODY, AT) == verify(new, headers, BODY, AT) == "msg_1"


@pytest.mark.parametrize(
    ("changes", "body", "now", "why"),
    [
        ({}, b"{}", AT, "no signature is right"),
        ({"webhook-id": "msg_2"}, BODY, AT, "no signature is right"),
        ({"webhook-timestamp": "1614265331"}, BODY, AT, "no signature is right"),
        ({"webhook-timestamp": "soon"}, BODY, AT, "no number"),
        ({"webhook-timestamp": "1" * 400}, BODY, AT, "no number"),
        ({"webhook-signature": "v1,"}, BODY, AT, "no signature is right"),
        ({"webhook-signature": "v1,ü\udc80"}, BODY, AT, "no signature is right"),
        ({}, BODY, AT + 301, "too long ago"),
        ({}, BODY, AT - 301, "in the future"),
    ],
)
def test_what_is_not_right(changes: dict[str, str], body: bytes, now: float, why: str) -> None:
    headers = {**signed(SECRET, "msg_1", AT, BODY), **changes}
    with pytest.raises(SigningError, match=why):
        verify(SECRET, headers, body, now)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing(name: str) -> None:
    headers = signed(SECRET, "msg_1", AT, BODY)
    del headers[name]
    with pytest.raises(SigningError, match=f"{name} is missing"):
        verify(SECRET, headers, BODY, AT)


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "whsec_a", "whsec_%%%", "whsec_YWJj"])
def test_a_secret_that_is_none(secret: str) -> None:
    with pytest.raises(SigningError) as caught:
        signed(secret, "msg_1", AT, BODY)
    assert "YWJj" not in str(caught.value)


@pytest.mark.parametrize("id", ["", "a.b", "a\nb", "ü"])
def test_an_id_that_is_none(id: str) -> None:
    with pytest.raises(SigningError, match="plain text"):
        signed(SECRET, id, AT, BODY)


def test_ids_are_of_their_parts() -> None:
    assert message_id("a", "bc") == message_id("a", "bc") != message_id("ab", "c")
    assert message_id("\ud800.\n").isascii()
