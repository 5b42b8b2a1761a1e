"""Texts of others on a page of ours."""

import pytest

from feedbridge.pages.spelling import clipped, host, plain, web_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n b\u2028c", "a b c"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 19 + "…"),
        ("word " * 5, "word word word word…"),
        ("o" + "\u0302" * 50, "o" + "\u0302" * 4),
        ("Ti\u1ebfng Vi\u1ec7t", "Tiếng Việt"),
        ("", ""),
    ],
)
def test_clipped(text: str, shown: str) -> None:
    """One line of so many characters, without towers of accents."""
    assert clipped(text, 20) == shown


def test_plain_texts_change_no_direction() -> None:
    """Where no element could hold that in."""
    assert plain("a\u202eb\u2067c\u200fd") == "abcd"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://www.x.example:8080/a", "x.example"),
        ("http://例子.example/", "例子.example"),
        ("https://[x", None),
        (None, None),
        ("urn:x:1", None),
    ],
)
def test_host(address: str | None, shown: str | None) -> None:
    """As one would say it."""
    assert host(address) == shown


@pytest.mark.parametrize(
    "address", ["javascript:x", "data:text/html,x", "mailto:x@x.example", "https:", "/a", "", None]
)
def test_what_is_not_of_the_web_leads_nowhere(address: str | None) -> None:
    """Only http and https, with a host."""
    assert web_address(address) is None
    assert web_address("HTTPS://x.example/") == "HTTPS://x.example/"
