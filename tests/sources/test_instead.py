import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.sources.instead import MAX_ALTERNATES, alternates, looks_like_html, what_came

URL = "https://news.example/a/page.html"
SECONDS_FOR_THE_WORST = 30.0


def link(href: str, type_: str = "application/rss+xml", **attributes: str) -> str:
    others = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<link rel="alternate" type="{type_}" href="{href}"{others}>'


def page(*links: str, base: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{base}<title>News</title>{''.join(links)}</head><body><p>text</p></body></html>"


class TestAlternates:
    @pytest.mark.parametrize(
        "type_",
        [
            *("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json"),
            *("application/rdf+xml", "application/xml", "text/xml", "Application/RSS+XML; charset=utf-8"),
        ],
    )
    def test_types_of_feeds(self, type_: str) -> None:
        """A link of any type that feeds have is one to a feed."""
        assert alternates(page(link("/feed", type_)), url=URL) == ("https://news.example/feed",)

    @pytest.mark.parametrize(
        "other",
        [
            '<link rel="stylesheet" type="application/rss+xml" href="/a">',
            '<link rel="alternate" type="text/html" href="/a">',
            '<link rel="alternate" href="/a" hreflang="de">',
            '<link rel="alternates" type="application/rss+xml" href="/a">',
            '<!-- <link rel="alternate" type="application/rss+xml" href="/a"> -->',
            "<script>\"<link rel='alternate' type='application/rss+xml' href='/a'>\"</script>",
            link("javascript:alert(1)"),
            link("file:///etc/passwd"),
            link("ftp://news.example/feed"),
            link("data:text/xml,a"),
            link("http://"),
            link("http://[::1"),
            link(""),
            link("/a" * 3_000),
            link("/a\u202eb"),
            link(URL),
            link("#top"),
        ],
    )
    def test_what_is_none(self, other: str) -> None:
        """Other links, other schemes, broken addresses and the page itself are left out."""
        assert alternates(page(other), url=URL) == ()

    def test_in_their_order_each_once(self) -> None:
        """The page's order is kept, and an address that stands twice comes once."""
        links = [link("b.xml"), link("/a.xml", "application/atom+xml"), link("b.xml#x"), link("//cdn.example/c d")]
        expected = ("https://news.example/a/b.xml", "https://news.example/a.xml", "https://cdn.example/c%20d")

        assert alternates(page(*links), url=URL) == expected

    def test_comments_come_last(self) -> None:
        """A feed of comments, or what programs read, is not what a person subscribes to."""
        links = [
            link("/comments/feed/"),
            link("/talk", title="News » Comments Feed"),
            link("/wp-json/wp/v2/pages/4", "application/json"),
            link("/other.xml", "application/xml"),
            link("/feed/"),
            link("/zh", title="评论"),
        ]
        paths = [address.removeprefix("https://news.example") for address in alternates(page(*links), url=URL)]

        assert paths == ["/feed/", "/other.xml", "/comments/feed/", "/talk", "/wp-json/wp/v2/pages/4", "/zh"]

    @pytest.mark.parametrize(
        ("base", "expected"),
        [
            ('<base href="https://other.example/x/">', "https://other.example/x/feed"),
            ('<base href="/y/">', "https://news.example/y/feed"),
            ('<base href="javascript:alert(1)">', "https://news.example/a/feed"),
            ('<base target="_top">', "https://news.example/a/feed"),
        ],
    )
    def test_base(self, base: str, expected: str) -> None:
        """Relative addresses are relative to the page's base, where it has a usable one."""
        assert alternates(page(link("feed"), base=base), url=URL) == (expected,)

    def test_odd_markup(self) -> None:
        """Case, other quotes, line breaks and further words in `rel` do not hide a link."""
        text = "<HTML><LINK HREF=' /fe\ned ' TYPE=application/atom+xml REL='home Alternate'>"

        assert alternates(text, url=URL) == ("https://news.example/feed",)

    def test_bounds(self) -> None:
        """No more than twenty addresses come of a page, and none of what stands behind its first half mebibyte."""
        assert len(alternates(page(*(link(f"/{number}") for number in range(100))), url=URL)) == MAX_ALTERNATES
        assert alternates(page("x" * 600_000, link("/feed")), url=URL) == ()


class TestHtml:
    @pytest.mark.parametrize(
        "text",
        [
            "<!DOCTYPE html><html>",
            "<!doctype HTML PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd'><html>",
            "<?xml version='1.0'?>\n<html xmlns='http://www.w3.org/1999/xhtml'>",
            "<!-- a --> <!-- <rss> --><HTML lang=de>",
            "<head><title>a</title>",
            "<!DOCTYPE html><p>",
            "<!DOCTYPE html>text",
        ],
    )
    def test_looks_like_html(self, text: str) -> None:
        """A page is HTML by its document type or its root."""
        assert looks_like_html(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "text <html>",
            "<rss><html/></rss>",
            "<!DOCTYPE html><rss>",
            "<feed/>",
            "<!-- <html> --><a/>",
            "{}",
            "<html",
        ],
    )
    def test_does_not_look_like_html(self, text: str) -> None:
        """Feeds, other XML and text are not."""
        assert not looks_like_html(text)


class TestWhatCame:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("<html><head><title> Log\n in </title>", "an HTML page titled “Log in”"),
            ("<html><title>A\u202eB &amp; C</title>", "an HTML page titled “A B & C”"),
            (f"<html><title>{'ab ' * 100}</title>", f"an HTML page titled “{'ab ' * 26}a…”"),
            ("<html><!-- <title>A</title> --><script>'<title>B'</script><title>C</title>", "an HTML page titled “C”"),
            ("<html><p>a", "an HTML page without a title"),
            ("<!DOCTYPE html><html><title>Just a moment...</title>", "a challenge page (“Just a moment...”)"),
            ("<html><title>DDoS-Guard</title>", "a challenge page (“DDoS-Guard”)"),
            ("<html><title>请稍候…</title>", "a challenge page (“请稍候…”)"),
            ("<html><title>x</title><script>window._cf_chl_opt={}</script>", "a challenge page (“x”)"),
            ("<html><script src='/_Incapsula_Resource?a=b'></script>", "a challenge page"),
            ("<html><title>Log in</title><div class='g-recaptcha'></div>", "an HTML page titled “Log in”"),
            ("<?xml version='1.0'?><urlset xmlns='a'>", "a sitemap"),
            ("<sitemapindex/>", "a sitemap"),
            ("<opml version='2.0'>", "an OPML list"),
            ("<!-- a --><soap:Envelope>", "XML with the root <soap:Envelope>"),
            ("Not found.\nTry later", "text that begins “Not found. Try later”"),
            ("x" * 100, f"text that begins “{'x' * 79}…”"),
            ("\u202e\x07", "nothing that can be shown"),
            ("", "nothing that can be shown"),
        ],
    )
    def test_in_words(self, text: str, words: str) -> None:
        """What came is named in a few words of characters that can be shown."""
        assert what_came(text) == words


@given(st.text() | st.text("<>!-?[]\"'/= htmlbaseDOCTYPE"))
def test_any_text(text: str) -> None:
    """Any text is named in one short line, and no address comes of it that is not http(s)."""
    words = what_came(text)
    assert words.isprintable()
    assert len(words) < 150
    looks_like_html(text)
    assert all(address.startswith(("http://", "https://")) for address in alternates(text + link(text), url=URL))


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<?",
        "<!DOCTYPE ",
        "<!DOCTYPE a[",
        "<!DOCTYPE a>",
        "<",
        "<div>",
        "<link ",
        "<title>",
        "<b><p>",
        "<table>",
        "x",
        " ",
        '<a "',
    ],
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    """Ten megabytes of anything are named in a moment."""
    text = "<!DOCTYPE html>" + piece * (10_000_000 // len(piece))
    started = time.process_time()
    for one in (text, text[15:]):
        what_came(one)
        alternates(one, url=URL)
    assert time.process_time() - started < SECONDS_FOR_THE_WORST
