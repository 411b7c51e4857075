"""Argon2id password hashes with the parameters of RFC 9106's second recommendation."""

from __future__ import annotations

import hashlib

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from keyun.errors import Invalid

MINIMUM = 8
MAXIMUM = 128


def hash_password(password: str) -> str:
    """Return the hash of ``password``.

    :raises Invalid: when it is too short or too long.
    """
    if not MINIMUM <= len(password) <= MAXIMUM:
        message = (
            f"密码须为 {MINIMUM} 至 {MAXIMUM} 个字符。 (A password has {MINIMUM} to {MAXIMUM} characters.)"
        )
        raise Invalid(message, {"password": [message]})
    return PasswordHasher().hash(password)


def check_password(stored: str | None, password: str) -> bool:
    """Whether ``password`` is the one of the hash ``stored``; takes as long when there is no hash."""
    try:
        return PasswordHasher().verify(stored or _nobody(), password[:MAXIMUM]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def stamp(*parts: str | None) -> str:
    """A short mark that changes with any of ``parts``, and tells none of them."""
    return hashlib.sha256(":".join(str(p) for p in parts).encode()).hexdigest()[:16]


def _nobody() -> str:
    """A hash that no password has, so that an unknown log-in name costs as much as a wrong password."""
    return "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
