"""Arithmetic on six-digit region codes (GB/T 2260): two digits each for province, city and county."""

from __future__ import annotations

COUNTRY = "100000"


def level(code: str) -> str:
    """Return ``country``, ``province``, ``city`` or ``county`` by the zeros at the end."""
    if code == COUNTRY:
        return "country"
    if code.endswith("0000"):
        return "province"
    return "city" if code.endswith("00") else "county"


def subtree(code: str) -> tuple[str, str]:
    """Return the first and last code at or below ``code``: a subtree is a range."""
    match level(code):
        case "country":
            return "000000", "999999"
        case "province":
            return code, code[:2] + "9999"
        case "city":
            return code, code[:4] + "99"
        case _:
            return code, code


def contains(outer: str, inner: str) -> bool:
    """Whether ``inner`` is ``outer`` or lies below it."""
    low, high = subtree(outer)
    return low <= inner <= high


def parent_code(code: str) -> str | None:
    """The code one level up; None above the country."""
    match level(code):
        case "country":
            return None
        case "province":
            return COUNTRY
        case "city":
            return code[:2] + "0000"
        case _:
            return code[:4] + "00"


def nearness(a: str | None, b: str | None) -> str | None:
    """The smallest level that ``a`` and ``b`` share below the country: county, city, province or None."""
    if not a or not b or COUNTRY in (a, b):
        return None
    if a == b and level(a) == "county":
        return "county"
    if a[:4] == b[:4] and a[2:4] != "00":
        return "city"
    return "province" if a[:2] == b[:2] else None
