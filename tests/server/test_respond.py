"""Answers, without a server."""

import gzip
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.server.respond import Asked, Encoded, LargeFile, Served, Terms, asked, parse_date, respond, weights

MOMENT = 1_689_154_743
STAMP = (1, 2, 1400, MOMENT * 10**9)
BODY = b"<feed/>" * 200
SERVED = Served(
    name="feeds/news.atom",
    media_type="application/atom+xml",
    text=True,
    last_modified=MOMENT,
    stamp=STAMP,
    whole=Encoded("identity", BODY, '"abc"'),
    packed=(Encoded("br", b"b" * 9, '"abc-br"'), Encoded("gzip", gzip.compress(BODY), '"abc-gz"')),
)
TERMS = Terms(max_age=900, self_link="https://feeds.example/feeds/news.atom", hub="https://hub.example/")
STANDING = [
    (b"last-modified", b"Wed, 12 Jul 2023 09:39:03 GMT"),
    (b"cache-control", b"public, max-age=900"),
    (b"vary", b"Accept-Encoding"),
    (b"access-control-allow-origin", b"*"),
]
BESIDE = [
    (b"x-content-type-options", b"nosniff"),
    (b"link", b'<https://feeds.example/feeds/news.atom>; rel="self"'),
    (b"link", b'<https://hub.example/>; rel="hub"'),
]


def status(**headers: str) -> int:
    return respond("GET", Asked(**headers), SERVED, TERMS).status


def test_a_feed_comes_with_all_its_headers() -> None:
    """A feed says its type, length, validators, rhythm, own address and hub, and any page may read it."""
    reply = respond("GET", Asked(), SERVED, TERMS)
    assert (reply.status, reply.body) == (200, BODY)
    assert reply.headers == [
        (b"etag", b'"abc"'),
        *STANDING,
        *BESIDE,
        (b"content-type", b"application/atom+xml; charset=utf-8"),
        (b"content-length", b"1400"),
        (b"accept-ranges", b"none"),
    ]


def test_a_page_names_no_hub() -> None:
    """Only feeds carry links and are open to other origins."""
    page = Served("index.html", "text/html", True, MOMENT, STAMP, Encoded("identity", b"<p>", '"p"'))
    names = {name for name, _ in respond("GET", Asked(), page, TERMS).headers}
    assert not names & {b"link", b"access-control-allow-origin"}


def test_a_page_has_its_policy_as_a_header() -> None:
    """With what a page cannot forbid itself: to be shown in a frame."""
    page = Served(
        "index.html", "text/html", True, MOMENT, STAMP, Encoded("identity", b"<p>", '"p"'), policy="default-src 'none'"
    )
    headers = dict(respond("GET", Asked(), page, TERMS).headers)
    assert headers[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    assert b"content-security-policy" not in dict(respond("GET", Asked(), SERVED, TERMS).headers)


def test_not_modified_repeats_what_caches_need() -> None:
    """A 304 carries ETag, Last-Modified, Cache-Control and Vary, no body, and little else (RFC 9110 section 15.4.5)."""
    reply = respond("GET", Asked(if_none_match='"abc-br"', accept_encoding="br"), SERVED, TERMS)
    assert (reply.status, reply.body, reply.headers) == (304, b"", ((b"etag", b'"abc-br"'), *STANDING))


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("accepted", [None, "gzip", "br"])
def test_head_has_the_headers_of_get(method: str, accepted: str | None) -> None:
    """HEAD differs from GET by the body alone."""
    reply = respond(method, Asked(accept_encoding=accepted), SERVED, TERMS)
    assert reply.headers == respond("GET", Asked(accept_encoding=accepted), SERVED, TERMS).headers
    assert bool(reply.body) is (method == "GET")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ('"abc"', 304),
        ('W/"abc"', 304),
        ('"x", W/"abc" , "y"', 304),
        ('"a,b","abc"', 304),
        (" * ", 304),
        ('"abc-gz"', 200),
        ("abc", 200),
        ('"ABC"', 200),
        ('"*"', 200),
        ("", 200),
        (',,,"', 200),
    ],
)
def test_tags_are_compared_weakly(tags: str, expected: int) -> None:
    """If-None-Match takes lists, weak tags and `*` (RFC 9110 section 13.1.2)."""
    assert status(if_none_match=tags) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("Wed, 12 Jul 2023 09:39:03 GMT", 304),
        ("Wednesday, 12-Jul-23 09:39:03 GMT", 304),
        ("Wed Jul 12 09:39:03 2023", 304),
        ("Sat, 12 Jul 2053 09:39:03 GMT", 304),
        ("Wed, 12 Jul 2023 09:39:02 GMT", 200),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 200),
        ("Wed, 12 Jul 2023 09:39:03 +0000", 200),
        ("Wed, 31 Jun 2033 09:39:03 GMT", 200),
        ("2033-07-12", 200),
        ("", 200),
    ],
)
def test_dates_are_taken_in_three_forms(since: str, expected: int) -> None:
    """If-Modified-Since has three forms; what is no date is ignored (RFC 9110 section 13.1.3)."""
    assert status(if_modified_since=since) == expected


def test_tags_win_over_dates() -> None:
    """If-Modified-Since counts only where there is no If-None-Match."""
    assert status(if_none_match='"old"', if_modified_since="Sat, 12 Jul 2053 09:39:03 GMT") == 200
    assert status(if_none_match='"abc"', if_modified_since="Sun, 06 Nov 1994 08:49:37 GMT") == 304


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("br;q=0, *", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("gzip;q=2", None),
        ("gzip;q=abc, br;q=0.1", "br"),
        ("zstd", None),
    ],
)
def test_the_client_chooses_the_coding(accepted: str | None, coding: str | None) -> None:
    """The coding with the highest weight is sent, br before gzip; identity where none fits, and never 406."""
    reply = respond("GET", Asked(accept_encoding=accepted), SERVED, TERMS)
    sent = dict(reply.headers).get(b"content-encoding")
    assert (reply.status, sent) == (200, coding.encode() if coding else None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_refused(method: str) -> None:
    """What is neither GET nor HEAD gets 405 and is told what is allowed, whether or not there is a file."""
    for served in (SERVED, None):
        reply = respond(method, Asked(), served, TERMS)
        assert (reply.status, dict(reply.headers)[b"allow"]) == (405, b"GET, HEAD")


def test_a_large_file_stands_for_its_bytes() -> None:
    """A large file is left to be sent from disk, with its length, and keeps its validators."""
    large = LargeFile("/srv/a.atom", (1, 2, 70_000_000, 3), '"big"')
    served = Served("a.atom", "application/atom+xml", True, MOMENT, STAMP, large)
    reply = respond("GET", Asked(accept_encoding="br"), served, TERMS)
    assert (reply.body, dict(reply.headers)[b"content-length"]) == (large, b"70000000")
    assert respond("HEAD", Asked(), served, TERMS).body == b""
    assert respond("GET", Asked(if_none_match='"big"'), served, TERMS).status == 304


def test_repeated_headers_are_one_list() -> None:
    """Two fields of one name are one list (RFC 9110 section 5.3)."""
    found = asked([(b"if-none-match", b'"a"'), (b"host", b"x"), (b"if-none-match", b'"b"')])
    assert found == Asked(if_none_match='"a","b"')


def test_an_absurd_header_counts_as_absent() -> None:
    """A validator of many kilobytes is no validator."""
    assert asked([(b"if-none-match", b'"a",' * 4000)]) == Asked()


@given(st.integers(min_value=0, max_value=253402300799))
def test_written_dates_are_read_back(seconds: int) -> None:
    """Every date that we send is read as the same second."""
    assert parse_date(formatdate(seconds, usegmt=True)) == seconds


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"))
@example("Mon, 00 Jan 0000 00:00:00 GMT")
@example("Mon, 29 Feb 2023 00:00:00 GMT")
def test_no_date_raises(text: str) -> None:
    """Whatever stands in a date header, reading it gives seconds or None."""
    assert isinstance(parse_date(text), int | None)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_no_header_raises(tags: str, since: str, accepted: str) -> None:
    """Whatever stands in the headers, the answer is the file or that the client has it."""
    assert status(if_none_match=tags, if_modified_since=since, accept_encoding=accepted) in (200, 304)
    assert all(0 <= weight <= 1 for weight in weights(accepted).values())
