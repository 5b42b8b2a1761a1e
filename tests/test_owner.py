"""The owner's pages of a running daemon: seen by the owner, and tried by those who are not."""

import base64
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import feedparser
import httpx
import pytest
from bs4 import BeautifulSoup

from feedbridge.feeds.lint import lint
from feedbridge.feeds.rendering import ATOM
from feedbridge.owner.token import FILE_NAME

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site, Web

    Start = Callable[..., Daemon]

TOKEN = "token-of-the-owner.1234"
BASIC = "Basic " + base64.b64encode(f"owner:{TOKEN}".encode()).decode()
SAFE = {
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-robots-tag": "noindex",
}
SECRETS = ("voa", "/srv", "sqlite", "trouble feed", "2026", "Sources")
"""Of these, nothing is told to who stays outside."""


@pytest.fixture
def daemon(site: "Site", start: "Start") -> "Daemon":
    """With a token that stands in the environment."""
    site.options |= {"status": "token", "status_token": "${TOKEN_OF_TESTS}"}
    site.archive.write_many(30)
    return start(site, TOKEN_OF_TESTS=TOKEN).ready()


def raw(daemon: "Daemon", request: str) -> tuple[int, dict[str, str], str]:
    """Send a request letter by letter as it stands here, and read the answer."""
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        said = b""
        while piece := connection.recv(65536):
            said += piece
    head, _, body = said.decode("latin-1").partition("\r\n\r\n")
    lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, body


def form_of(daemon: "Daemon", name: str) -> dict[str, str]:
    """The fields of a source's form, as the owner has it."""
    page = BeautifulSoup(daemon.get(f"/status/source?name={quote(name)}", authorization=BASIC).text, "lxml")
    return {str(field["name"]): str(field["value"]) for field in page.select("form input")}


def send(daemon: "Daemon", form: dict[str, str], **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{daemon.url}/status/refresh", data=form, headers=sent, timeout=10, trust_env=False)


# The door


def test_without_the_token_nothing_is_shown(daemon: "Daemon") -> None:
    """Not even which pages there are: neither by another method, nor by a path that leads round the door."""
    inside = [
        "/status",
        "/status/",
        "/status/?page=2",
        "/status/pictures",
        "/status/source?name=voa",
        "/status/article?row=1",
        "/status/trouble.atom",
        "/status/refresh",
        "/status/nothing",
        "/status/../status/",
        "/status/%2e%2e/status/",
        "/status/..%2f..%2fstatus",
        "/%73tatus/",
        "/status//",
        "/status/%00",
        "/status/source?name=voa#trouble.atom",
        "/status/source?name=voa&x=/trouble.atom",
    ]
    outside = [
        "//status/",
        "/./status/",
        "/x/../status/",
        "/Status/",
        "/status%2f",
        "/status.html",
        "/feeds/../status/",
        "/status;x=1/../status/",
    ]
    for path in (*inside, *outside):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
            request = f"{method} {path} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\nContent-Length: 0\n\n"
            status, headers, body = raw(daemon, request)
            assert not any(one in body or one in str(headers).replace(headers["date"], "") for one in SECRETS), path
            assert "set-cookie" not in headers
            assert status in ({401} if path in inside else {401, 404, 405}), (method, path, status)
            if status == 401:
                assert {name: headers[name] for name in SAFE} == {name: value.lower() for name, value in SAFE.items()}
                assert headers["www-authenticate"] == 'basic realm="feedbridge", charset="utf-8"'


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "Authorization: Basic b3duZXI6d3Jvbmc=",
        f"Authorization: Bearer {TOKEN}",
        f"Authorization: {BASIC}\nAuthorization: {BASIC}",
        f"Proxy-Authorization: {BASIC}",
        f"X-Token: {TOKEN}\nX-Forwarded-For: 127.0.0.1\nX-Original-URL: /feeds.opml",
        f"Cookie: feedbridge-status={TOKEN}",
        f"Cookie: feedbridge-status=9999999999.{'A' * 43}",
        "Authorization: Basic " + "A" * 12_000,
        "X-HTTP-Method-Override: POST",
    ],
    ids=range(10),
)
def test_wrong_ways_to_say_it(daemon: "Daemon", lines: str) -> None:
    """All of them stay outside, and the daemon says nothing of them in its log."""
    between = f"{lines}\n" if lines else ""
    status, _, body = raw(daemon, f"GET /status/ HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n{between}\n")
    assert (status, body) == (401, "these pages are the owner's; they take the token\n")
    assert TOKEN not in daemon.log.read_text(encoding="utf-8")
    huge = "A" * 20_000
    status, _, _ = raw(daemon, f"GET /status/?token={huge} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n")
    assert status == 431


def test_the_owner_comes_in(daemon: "Daemon") -> None:
    """With the token as a password, by a bookmark that gives a cookie, and from `/status` as from `/status/`."""
    first = daemon.get("/status/", authorization=BASIC)
    assert first.status_code == 200
    assert {name: first.headers[name] for name in SAFE} == SAFE
    policy = first.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]+'; img-src data:; form-action 'self'; base-uri 'none';"
        r" frame-ancestors 'none'",
        policy,
    )
    with httpx.Client(base_url=daemon.url, follow_redirects=True, trust_env=False) as browser:
        for bookmark in (f"/status?token={TOKEN}", f"/status/?token={TOKEN}"):
            browser.cookies.clear()
            page = browser.get(bookmark)
            assert (page.status_code, page.url.path, page.url.query) == (200, "/status/", b"")
            assert TOKEN not in page.text
            (cookie,) = browser.cookies.jar
            assert (cookie.path, cookie.has_nonstandard_attr("HttpOnly")) == ("/status", True)
            assert cookie.get_nonstandard_attr("SameSite") == "Strict"
        assert browser.get("/status").status_code == 200
        assert browser.get("/status/nothing").status_code == 404
        assert browser.post("/status/").status_code == 405
        assert browser.head("/status/").headers["content-length"] == str(len(browser.get("/status/").content))
        assert browser.head("/status/").content == b""
    assert TOKEN not in daemon.log.read_text(encoding="utf-8")


def test_a_token_is_made_where_none_is_named(site: "Site", start: "Start") -> None:
    """In a file beside the store, for its owner alone to read; a restart keeps it."""
    site.options["status"] = "token"
    site.archive.write(1)
    daemon = start(site).ready()
    file = site.store.parent / FILE_NAME
    token = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert daemon.get(f"/status/trouble.atom?token={token}").status_code == 200
    assert daemon.get("/status/").status_code == 401
    daemon.stop()
    daemon = start(site).ready()
    assert daemon.get(f"/status/trouble.atom?token={token}").status_code == 200
    assert token not in daemon.log.read_text(encoding="utf-8")
    assert all(token.encode() not in body for body in site.published().values())


def test_on_the_machine_itself(site: "Site", start: "Start") -> None:
    """Without a word, but neither through a proxy nor by a stranger's name; and nothing is needed for the feed."""
    site.options["status"] = "loopback"
    site.archive.write(1)
    daemon = start(site).ready()
    assert daemon.get("/status/").status_code == 200
    assert daemon.get("/status/trouble.atom").status_code == 200
    assert daemon.get("/status/", host="localhost:8000").status_code == 200
    for headers in ({"host": "evil.example"}, {"x_forwarded_for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
        answer = daemon.get("/status/", **headers)
        assert answer.status_code == 403
        assert not any(one in answer.text for one in SECRETS)
        assert "www-authenticate" not in answer.headers
    assert raw(daemon, "GET /status/ HTTP/1.0\nHost: 127.0.0.1\n\n")[0] == 403
    assert raw(daemon, "GET http://evil.example/status/ HTTP/1.1\nHost: evil.example\nConnection: close\n\n")[0] == 403


def test_by_default_there_is_nothing(site: "Site", start: "Start") -> None:
    """As if there were no such pages."""
    site.archive.write(1)
    daemon = start(site).ready()
    for path in ("/status", "/status/", "/status/trouble.atom"):
        assert daemon.get(path, authorization=BASIC).status_code == 404
    assert not (site.store.parent / FILE_NAME).exists()


def test_a_change_of_the_door_takes_a_restart(daemon: "Daemon") -> None:
    """It is refused in the log, and the door stays as it was."""
    daemon.site.options["status"] = "off"
    daemon.site.write_config()
    daemon.wait(lambda: daemon.lines("settings refused"))
    assert "[site]: status: has changed; that takes a restart" in daemon.lines("settings refused")[0]["error"]
    assert daemon.get("/status/").status_code == 401


def test_below_a_path(site: "Site", start: "Start") -> None:
    """Where a proxy in front hands on the path of the site or takes it away, links and cookies lead on."""
    port = site.options["listen"] = f"127.0.0.1:{_port()}"
    site.options |= {"status": "token", "status_token": TOKEN, "base_url": f"http://{port}/feeds-of-mine/"}
    site.archive.write(1)
    daemon = start(site).ready("/healthz")
    daemon.wait(lambda: daemon.lines("published"))
    with httpx.Client(base_url=daemon.url, follow_redirects=True, trust_env=False) as browser:
        page = browser.get(f"/feeds-of-mine/status?token={TOKEN}")
        assert (page.status_code, page.url.path) == (200, "/feeds-of-mine/status/")
        assert [cookie.path for cookie in browser.cookies.jar] == ["/feeds-of-mine/status"]
        assert browser.get("/feeds-of-mine/status/pictures").status_code == 200
        assert browser.get("/status/pictures").status_code == 401
    feed = daemon.get("/status/trouble.atom", authorization=BASIC)
    assert feedparser.parse(feed.content).feed.link == f"http://{port}/feeds-of-mine/status/"


def test_the_pages_know_their_address(site: "Site", start: "Start") -> None:
    """Also where the daemon listens at every address of the machine."""
    port = _port()
    site.options |= {"status": "loopback", "listen": f"0.0.0.0:{port}", "base_url": "https://feeds.example/"}
    site.archive.write(1)
    daemon = start(site)
    daemon.url = f"http://127.0.0.1:{port}"
    feed = feedparser.parse(daemon.ready().get("/status/trouble.atom").content).feed
    assert [link.href for link in feed.links] == [f"{daemon.url}/status/trouble.atom", f"{daemon.url}/status/"]


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# What is shown


def test_what_the_owner_sees(site: "Site", start: "Start", web: "Web") -> None:
    """Each source with how it stands, and why; its refreshes; its articles, and what made them; the feed of trouble."""
    hostile = "坏 “<script>alert(1)</script>” & ../%2e%2e?name=x#y"
    site.options |= {"status": "token", "status_token": TOKEN, "pause": "0s", "title": "From <afar>"}
    site.archive.write_many(25)
    web.feed("/good", "one", "two")
    web.say("/gone", b"", status="410 Gone")
    web.say("/bad", b"<html><title>Log in</title></html>")
    site.add_feed("good", web.url("/good"), title="好消息")
    site.add_feed(hostile, web.url("/gone"))
    site.add_feed("bad", web.url("/bad"))
    daemon = start(site).ready()
    daemon.wait(lambda: len(daemon.lines("refresh ")) >= 4)

    def page(path: str) -> BeautifulSoup:
        answer = daemon.get(f"/status/{path}", authorization=BASIC)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text
        return BeautifulSoup(answer.text, "lxml")

    first = page("")
    sources = {source.h3.text: source for source in first.select(".source") if source.h3}
    assert list(sources) == [hostile, "bad", "好消息", "voa"]
    assert [source.select_one(".state").text for source in sources.values()] == [  # type: ignore[union-attr]
        "gone for good",
        "failed last time",
        "fine",
        "fine",
    ]
    assert "410 Gone" in sources[hostile].text
    assert "Log in" in sources["bad"].text
    sums = {row.dt.text: row.dd.text for row in first.select(".sums > div") if row.dt and row.dd}
    assert (sums["Sources"], sums["broken"], sums["articles in the store"]) == ("4", "1", "27")
    trouble = page("?show=trouble")
    assert [one.text for one in trouble.select(".source h3")] == [hostile, "bad"]
    link = sources[hostile].select_one("h3 a")
    assert link
    gone = page(str(link["href"]))
    assert gone.h1
    assert gone.h1.text == hostile
    assert not gone.select("form")
    voa = page("source?name=voa")
    titles = [one.text for one in voa.select(".name a")]
    assert len(titles) == 20
    assert titles[0] == site.archive.title(24)
    older = voa.select_one(".pages a")
    assert older
    assert [one.text for one in page(str(older["href"])).select(".name a")] == [
        site.archive.title(number) for number in range(4, -1, -1)
    ]
    href = str(voa.select(".name a")[0]["href"])
    daemon.wait(lambda: "news: feeds/" in page(href).text)
    article = page(href)
    assert article.h1
    assert article.h1.text == titles[0]
    told = article.text
    for one in ("00024.md", site.archive.link(24), "taken as published", "link:https://news.example/", "news: feeds/"):
        assert one in told
    page("pictures")
    feed_address = first.select_one("link[type='application/atom+xml']")
    assert feed_address
    feed = daemon.get(f"/status/{feed_address['href']}")
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert lint(feed.content, ATOM) == ()
    assert [entry.title for entry in feedparser.parse(feed.content).entries] == [f"Broken: {hostile}"]
    assert daemon.get(f"/status/?{str(feed_address['href']).partition('?')[2]}").status_code == 401
    for path in ("source?name=nobody", "article?row=999999", "article?row=x", f"article?row={'9' * 18}", "source"):
        assert daemon.get(f"/status/{path}", authorization=BASIC).status_code == 404
    for path in ("?page=0", "?page=99999999", "?page=-1", "?page=x", "source?name=voa&before=0", "?" + "a=1&" * 50):
        assert daemon.get(f"/status/{path}", authorization=BASIC).status_code == 200, path


def test_an_article_that_was_taken_down(site: "Site", start: "Start") -> None:
    """Its page says so; it is not in the list, and its text is nowhere."""
    site.options |= {"status": "token", "status_token": TOKEN}
    site.archive.write_many(3)
    site.build()
    title = site.archive.title(1)
    ((row,),) = site.query("SELECT id FROM articles WHERE title = ?", title)
    site.remove(site.archive.link(1))
    daemon = start(site).ready()
    page = daemon.get(f"/status/article?row={row}", authorization=BASIC)
    assert page.status_code == 200
    assert "It was taken down, and stays away." in page.text
    assert title not in page.text + daemon.get("/status/source?name=voa", authorization=BASIC).text


# Refresh now


@pytest.fixture
def watched(site: "Site", start: "Start", web: "Web") -> "Daemon":
    """With a source on the web that is next due in an hour."""
    site.options |= {"status": "token", "status_token": TOKEN, "pause": "0s"}
    web.feed("/news", "one")
    site.add_feed("网络 & co", web.url("/news"))
    daemon = start(site).ready("/healthz")
    daemon.wait(lambda: daemon.lines("refresh changed"))
    return daemon


NAME = "网络 & co"


def test_refresh_now(watched: "Daemon", web: "Web") -> None:
    """The site is asked at once, and the page says that it will be."""
    form = form_of(watched, NAME)
    assert len(web.times("/news")) == 1
    web.feed("/news", "one", "two")
    origin = {"origin": watched.url, "sec_fetch_site": "same-origin"}
    answer = send(watched, form, authorization=BASIC, **origin)
    assert (answer.status_code, answer.headers["location"]) == (303, f"source?name={quote(NAME)}&asked=1")
    watched.wait(lambda: len(web.times("/news")) == 2)
    assert "A refresh is asked for" in watched.get(f"/status/{answer.headers['location']}", authorization=BASIC).text
    watched.wait(lambda: len(watched.titles()) == 2)


def test_a_forged_form_does_nothing(watched: "Daemon", web: "Web") -> None:
    """Without the token of the door, without that of the form, with an old one or one for another source, from another
    site, as a GET, too long, or as something else than a form: the site is not asked.
    """
    form, login = form_of(watched, NAME), {"authorization": BASIC}
    for answer, status in (
        (send(watched, form), 401),
        (send(watched, form, cookie=f"feedbridge-status={TOKEN}"), 401),
        (send(watched, {"name": NAME}, **login), 403),
        (send(watched, {**form, "form": ""}, **login), 403),
        (send(watched, {**form, "form": f"1{form['form']}"}, **login), 403),
        (send(watched, {**form, "form": f"1.{form['form'].partition('.')[2]}"}, **login), 403),
        (send(watched, {**form, "form": form_of(watched, "voa")["form"]}, **login), 403),
        (send(watched, form, **login, origin="https://evil.example"), 403),
        (send(watched, form, **login, origin="null"), 403),
        (send(watched, form, **login, sec_fetch_site="cross-site"), 403),
        (send(watched, form, **login, sec_fetch_site="same-site"), 403),
        (send(watched, {**form, "x": "x" * 10_000}, **login), 413),
        (send(watched, {}, **login), 403),
        (watched.get(f"/status/refresh?name={quote(NAME)}&form={form['form']}", **login), 405),
        (httpx.post(f"{watched.url}/status/refresh", json=form, headers=login, trust_env=False), 403),
        (httpx.post(f"{watched.url}/status/refresh?token={TOKEN}", data=form, trust_env=False), 401),
    ):
        assert answer.status_code == status
        assert "location" not in answer.headers
    _look(watched)
    assert len(web.times("/news")) == 1


def test_an_old_form_does_nothing_after_a_restart(watched: "Daemon", web: "Web", start: "Start") -> None:
    """The owner loads the page again."""
    form = form_of(watched, NAME)
    watched.stop()
    daemon = start(watched.site).ready("/healthz")
    assert send(daemon, form, authorization=BASIC).status_code == 403
    _look(daemon)
    assert len(web.times("/news")) == 1


def test_no_sooner_than_its_site_wishes(watched: "Daemon", web: "Web") -> None:
    """Where the site wants to be left alone, there is nothing to press; who presses it all the same is not heard."""
    form = form_of(watched, NAME)
    web.say("/news", b"", "Retry-After: 3600", status="429 Too Many Requests")
    send(watched, form, authorization=BASIC)
    watched.wait(lambda: watched.lines("refresh failed"))
    assert form_of(watched, NAME) == {}
    page = watched.get(f"/status/source?name={quote(NAME)}", authorization=BASIC).text
    assert "Its site wishes not to be asked before" in page
    answer = send(watched, form, authorization=BASIC)
    assert (answer.status_code, answer.headers["location"]) == (303, f"source?name={quote(NAME)}")
    _look(watched)
    assert len(web.times("/news")) == 2


def _look(daemon: "Daemon") -> None:
    """Let the schedule be looked at, as it is every second."""
    site = daemon.site
    site.archive.write(77)
    daemon.wait(lambda: site.archive.title(77) in daemon.titles())


def test_a_store_that_cannot_be_read_is_told(daemon: "Daemon") -> None:
    """To the owner alone, in words; the daemon goes on."""
    if not daemon.site.store.exists():
        pytest.skip("the store is on a server")
    aside = daemon.site.store.with_name("aside")
    daemon.site.store.rename(aside)
    answer = daemon.get("/status/", authorization=BASIC)
    assert (answer.status_code, "there is no store yet" in answer.text) == (503, True)
    aside.rename(daemon.site.store)
    assert daemon.get("/status/", authorization=BASIC).status_code == 200


def test_many_at_once(daemon: "Daemon") -> None:
    """Those who ask for very much at a time are told to wait; the feeds are served meanwhile."""
    with ThreadPoolExecutor(40) as pool:
        pages: Any = pool.map(lambda _: daemon.get("/status/", authorization=BASIC).status_code, range(80))
        assert daemon.get("/feeds/news.json").status_code == 200
        assert set(pages) <= {200, 503}
    assert daemon.get("/status/", authorization=BASIC).status_code == 200
