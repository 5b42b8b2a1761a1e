import re
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.articles import addresses
from feedbridge.articles.addresses import MAX_LENGTH, absolute, mend_entities

BASE = "https://news.example.org/a/article.html?page=2#top"
URI = re.compile(r"https?://[!-~]+")
MADE_OF_URI_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a.jpg", "https://example.org/a.jpg"),
        ("HTTP://Example.ORG/A.jpg", "http://example.org/A.jpg"),
        ("//cdn.example.org/a.jpg", "https://cdn.example.org/a.jpg"),
        ("/images/a.jpg", "https://news.example.org/images/a.jpg"),
        ("b.jpg", "https://news.example.org/a/b.jpg"),
        ("../b.jpg", "https://news.example.org/b.jpg"),
        ("?page=3", "https://news.example.org/a/article.html?page=3"),
        ("#note", "https://news.example.org/a/article.html?page=2#note"),
        ("https://example.org//a//b", "https://example.org//a//b"),
        ("https://example.org:8080/a", "https://example.org:8080/a"),
        ("https://example.org:/a", "https://example.org/a"),
        ("https://example.org/a_(b)", "https://example.org/a_(b)"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("https://[2001:DB8::1]/a", "https://[2001:db8::1]/a"),
        ("https://user:secret@example.org/a", "https://user:secret@example.org/a"),
    ],
)
def test_makes_addresses_absolute(address: str, expected: str) -> None:
    """Relative addresses are resolved against the base; whole ones keep their path, query and user name."""
    assert absolute(address, BASE) == expected


def test_https_stands_in_for_the_scheme_of_a_missing_base() -> None:
    """A protocol-relative address is https without a base, and as the base is with one."""
    assert absolute("//example.org/a", None) == "https://example.org/a"
    assert absolute("//example.org/a", "http://news.example.org/") == "http://example.org/a"


def test_relative_addresses_need_a_base() -> None:
    """Without a base, what is relative is no address."""
    assert absolute("a.jpg", None) is None
    assert absolute("/a.jpg", "not an address") is None


def test_a_broken_base_does_not_harm_a_whole_address() -> None:
    """Only what is relative needs the base."""
    assert absolute("https://example.org/a", "http://[::1") == "https://example.org/a"
    assert absolute("/a", "http://[::1") is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (" \t\n https://example.org/a\r\n\x00", "https://example.org/a"),
        ("https://exam\nple.org/\ta\r.jpg", "https://example.org/a.jpg"),
        ("https://example.org/?a=1&amp;b=2", "https://example.org/?a=1&b=2"),
        ("https://example.org/?a=1&amp;amp;amp;b=2", "https://example.org/?a=1&b=2"),
        ("https://example.org/?a=1&#038;b=2&#x26;c=3", "https://example.org/?a=1&b=2&c=3"),
        ("https://example.org/?a=1&amp;#38;b=2", "https://example.org/?a=1&b=2"),
        ("https://example.org/300&#215;200.jpg", "https://example.org/300%C3%97200.jpg"),
        ("https://example.org/?copy=1&copy=2&lt=3", "https://example.org/?copy=1&copy=2&lt=3"),
    ],
)
def test_mends_what_surrounds_and_splits(address: str, expected: str) -> None:
    """Spaces around and breaks inside go; entities are undone only where they are whole."""
    assert absolute(address, None) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a b.jpg", "https://example.org/a%20b.jpg"),
        ('https://example.org/"a"<b>', "https://example.org/%22a%22%3Cb%3E"),
        ("https://example.org/a\\b", "https://example.org/a%5Cb"),
        ("https://example.org/{a}|b^`", "https://example.org/%7Ba%7D%7Cb%5E%60"),
        ("https://example.org/?a[]=1", "https://example.org/?a%5B%5D=1"),
        ("https://example.org/路?q=é#片", "https://example.org/%E8%B7%AF?q=%C3%A9#%E7%89%87"),
        ("https://example.org/a#b#c", "https://example.org/a#b%23c"),
        ("https://example.org/\ud800", "https://example.org/%EF%BF%BD"),
        ("https://example.org/\x7f\x01", "https://example.org/%7F"),
        ("https://example.org/%E8%B7%AF", "https://example.org/%E8%B7%AF"),
        ("https://example.org/%25E7%2f", "https://example.org/%25E7%2f"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/%zz%4", "https://example.org/%25zz%254"),
        ("https://us er:%@example.org/", "https://us%20er:%25@example.org/"),
    ],
)
def test_encodes_once_and_never_decodes(address: str, expected: str) -> None:
    """What may not stand raw is encoded; what is encoded stays as it is; a stray percent sign is encoded."""
    assert absolute(address, None) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("中文.com", "xn--fiq228c.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),
        ("例。中国", "xn--fsq.xn--fiqs8s"),
        ("a_b.example.org", "a_b.example.org"),
        ("example.org.", "example.org."),
        ("localhost", "localhost"),
    ],
)
def test_hosts_are_written_in_ascii(host: str, expected: str) -> None:
    """International names are written in IDNA, as browsers do; others stay."""
    assert absolute(f"https://{host}/a", None) == f"https://{expected}/a"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "  \n",
        "javascript:alert(1)",
        "JaVa\tScRiPt:alert(1)",
        "\x01javascript:alert(1)",
        "&#106;avascript:alert(1)",
        "vbscript:x",
        "data:image/png;base64,AAAA",
        "blob:https://example.org/1",
        "cid:1@example.org",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "mailto:a@example.org",
        "image:0",
        "http://",
        "http:///",
        "http://:80/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://example.org:x/",
        "http://[::1",
        "http://::1]/",
        "http://[::1]x/",
        "http://x[::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http://a..example/",
        "http://.../",
        "http://exa mple.org/",
        "http://example.org%2Fa/",
        "http://example.org\\@other.example/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a.é" * 100 + "/",
        "http://" + "é" * 300 + "/",
        "http://\u2100.example/",
        "https://example.org/" + "a" * MAX_LENGTH,
        "https://example.org/" + "路" * 1_000,
    ],
)
def test_refuses_what_is_no_usable_address(address: str) -> None:
    """Only http and https with a host pass, and nothing longer than the limit, even once it is encoded."""
    assert absolute(address, "https://news.example.org/") is None
    assert absolute(address, None) is None


def test_other_schemes_pass_only_when_they_are_asked_for() -> None:
    """`mailto:` and its like are accepted by name, cleaned like any address."""
    also = frozenset({"mailto", "tel", "magnet"})
    assert absolute("MAILTO:a@example.org?subject=a b", BASE, also=also) == "mailto:a@example.org?subject=a%20b"
    assert absolute("tel:+49 30", BASE, also=also) == "tel:+49%2030"
    assert absolute("magnet:?xt=urn:btih:c1", BASE, also=also) == "magnet:?xt=urn:btih:c1"
    assert absolute("mailto:", BASE, also=also) is None
    assert absolute("javascript:alert(1)", BASE, also=also) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://e.org/a?x=1&amp;is-pending-load=1#038;ssl=1", "https://e.org/a?x=1&is-pending-load=1&ssl=1"),
        ("https://e.org/a?x=1&038;ssl=1", "https://e.org/a?x=1&ssl=1"),
        ("https://e.org/a?x=1038;ssl=1", "https://e.org/a?x=1&ssl=1"),
        ("https://e.org/a?x=1&#038;ssl=1", "https://e.org/a?x=1&ssl=1"),
        ("https://e.org/a#038;ssl=1", "https://e.org/a#038;ssl=1"),
        ("https://e.org/a?x=1038;", "https://e.org/a?x=1038;"),
        ("https://e.org/a?x=1#part", "https://e.org/a?x=1#part"),
    ],
)
def test_mends_half_decoded_ampersands(address: str, expected: str) -> None:
    """What is left of `&#038;` between two parameters becomes `&`; a fragment of its own stays."""
    assert mend_entities(address) == expected


@given(st.text(), st.one_of(st.none(), st.text(), st.just(BASE)))
@example("http://[", None)
@example("//", BASE)
@example("http://é\u0301\u200d.com/", None)
def test_never_raises_and_gives_only_uris(address: str, base: str | None) -> None:
    """Any text gives None or an http(s) URI of printable ASCII, which is its own spelling."""
    found = absolute(address, base)
    if found is not None:
        assert URI.fullmatch(found)
        assert MADE_OF_URI_CHARACTERS.fullmatch(found)
        assert urlsplit(found).hostname
        assert len(found) <= MAX_LENGTH


@given(st.text(alphabet="aé %/?#&;:@[]\\.'\"<>=+0", max_size=40), st.sampled_from(["", "x.org", "é.org:8", "u@x.org"]))
def test_spelling_twice_is_spelling_once(rest: str, host: str) -> None:
    """A spelled address is not changed by being spelled again."""
    found = absolute(f"https://{host}/{rest}", None)
    if found is not None:
        assert absolute(found, BASE) == found


NEVER = re.compile("(?!)")
PIECES = st.sampled_from(
    [*'A/?#&; \n[]@\\"~%.-é', "HTTPS", "://", "a.b", ":80", "//", "&amp;", "%20", "%zz", "a_(b)", "x=1"]
)


@given(st.lists(PIECES).map("".join).map("https://a.example".__add__))
@example("https://a.example?x")
@example("https://a.example/?#")
@example("https://a.example/a\n")
@example("https://" + "a." * 126 + "a")
@example("https://" + "a." * 127 + "a")
@example("https://" + "a" * 64)
def test_short_cut_leads_to_the_same_place(address: str) -> None:
    """What is spelled out already comes out as it would if it were taken apart and put together again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "_SPELLED_OUT", NEVER)
        the_long_way = absolute(address, BASE)
    assert absolute(address, BASE) == the_long_way


@given(st.text())
def test_mending_never_raises(address: str) -> None:
    """Mending only ever shortens, and mends all in one go where nothing is nested deeper than four times."""
    assert len(mend_entities(address)) <= len(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://e.org/?" + "&amp;" * 20_000,
        "https://e.org/?" + "&amp" * 20_000,
        "https://e.org/?" + "&#038;038;" * 10_000,
        "https://e.org/?" + "038;a" * 20_000,
        "https://" + "a." * 50_000,
        "https://" + "[" * 100_000,
        "https://" + "é." * 3_000,
        " " * 100_000 + "x",
        "/" * 100_000,
        "../" * 2_700,
    ],
)
def test_long_addresses_take_no_long_time(address: str) -> None:
    """A hundred thousand hostile characters are dealt with in a moment."""
    started = time.process_time()
    mend_entities(address)
    absolute(address, BASE)
    assert time.process_time() - started < 30
