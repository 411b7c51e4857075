"""Unified social credit codes (统一社会信用代码, GB 32100): valid, yet in no register."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_BODY_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_REGISTRARS = {"enterprise": "91", "agency": "91", "park": "91", "society": "51"}
_PUBLIC_INSTITUTION = "12"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


def synthetic_uscc(kind: str, county: str, serial: int) -> str:
    """Return a valid code of 18 characters, distinct for distinct serials from 0 to 999,999.

    ``kind`` is that of the organization, ``county`` the six-digit region code.
    The organization part starts with KY, where those issued are all digits or start with MA.
    """
    body = f"KY{serial:06d}"
    registrar = _REGISTRARS.get(kind, _PUBLIC_INSTITUTION)
    return with_check_digit(f"{registrar}{county}{body}{_body_check(body)}")


def with_check_digit(code: str) -> str:
    """Append the check digit of GB 32100-2015 to the 17 characters before it."""
    total = sum(_VALUES[digit] * weight for digit, weight in zip(code, _WEIGHTS, strict=True))
    return code + _DIGITS[-total % 31]


def _body_check(body: str) -> str:
    """Return the check digit of an organization code of eight characters (GB 11714-1997), A = 10."""
    total = sum(int(digit, 36) * weight for digit, weight in zip(body, _BODY_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]
