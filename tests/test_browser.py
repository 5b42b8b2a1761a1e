"""The pages in a real browser, from our own server: used as readers use them."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

from .conftest import free_port
from .test_service_files import program

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site, Web

    Start = Callable[..., Daemon]

FLAGS = (
    "headless no-sandbox disable-gpu disable-quic disable-dev-shm-usage no-first-run disable-background-networking "
    "disable-component-update disable-sync disable-extensions force-color-profile=srgb"
)
TITLE = "日韩强化与北约伙伴关系，中国坚决反对北约东进亚太"
PROSE = (
    "北大西洋公约组织（NATO）峰会本周在立陶宛首都维尔纽斯召开，日本首相岸田文雄和韩国总统尹锡悦皆受邀参与领导人峰会。"
    * 3
)
BODY = (
    '<h1>Part</h1><h4>Smaller</h4><p>Some <a href="https://elsewhere.example/">link</a> <code>x = 1</code></p>'
    "<table><tr><th>Year</th><th>Count</th></tr><tr>" + "<td>12345678901234567890</td>" * 8 + "</tr></table>"
    '<a href="https://elsewhere.example/"><img src="https://pictures.example/linked.png"></a>'
    "<pre>" + "long" * 60 + "</pre><blockquote><p>So</p></blockquote><ul><li>one</li></ul>"
)
HOSTILE = (
    '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\u202e\u2066'
    + "W" * 10_000
    + "e"
    + "\u0301" * 3_000
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium; each context of it has an empty profile."""
    path = program("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path,
            args=[f"--{flag}" for flag in FLAGS.split()] + ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield opened
        opened.close()


class Visit:
    """A reader's visit to a site, and all that the browser said or asked for meanwhile."""

    def __init__(self, browser: Browser, daemon: "Daemon", **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self.url = daemon.url
        self.said: list[str] = []
        self.asked: list[str] = []
        self.context.route("**/*", self._answer)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def go(self, path: str) -> Page:
        """Open a page of the site, and come to its end."""
        self.page.goto(f"{self.url}/{path}", wait_until="networkidle")
        return self.page

    def _answer(self, route: Route) -> None:
        """Pictures of other hosts are played by one of ours; nothing else is anywhere."""
        address = urlsplit(route.request.url)
        self.asked.append(route.request.url)
        if route.request.url.startswith(self.url):
            route.continue_()
        elif address.hostname == "pictures.example" and route.request.resource_type == "image":
            route.fulfill(body=PICTURE, content_type="image/png")
        else:
            route.abort()

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(message.text)

    @property
    def strangers(self) -> set[str]:
        """The hosts that were asked beside ours and that of the pictures."""
        ours = {urlsplit(self.url).hostname, "pictures.example"}
        return {host for one in self.asked if (host := urlsplit(one).hostname) and host not in ours}


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc0000000030001d2a5e3f40000000049454e44ae426082"
)


@pytest.fixture
def served(site: "Site", start: "Start") -> "Daemon":
    """A Chinese site with a page for each entry."""
    site.options |= {"title": "示例站", "language": "zh-Hans", "images": "origin"}
    site.feeds[0] |= {"pages": "entries", "subtitle": "每天的新闻 & more", "rights": "© 各家媒体"}
    site.archive.write_many(60)
    site.archive.write(60, title=TITLE, text=PROSE, body=BODY, author="王小明", tags="亚洲")
    return serve(site, start)


def serve(site: "Site", start: "Start") -> "Daemon":
    """Build a site and serve what came of it."""
    site.options["listen"] = f"127.0.0.1:{free_port()}"
    site.options["base_url"] = f"http://{site.options['listen']}/"
    assert site.build().published.errors == []
    return start(site, "serve").ready("/index.html")


def page_with(daemon: "Daemon", text: str) -> str:
    """The path of the page of the one entry that holds a text."""
    (found,) = (
        path
        for path, body in daemon.site.published().items()
        if path.startswith("entries/") and text.encode() in body.partition(b"<h1")[2].partition(b"</h1>")[0]
    )
    return found


Begin = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> "Iterator[Callable[..., Visit]]":
    """Begins visits; each ends with the test."""
    with contextlib.ExitStack() as ending:

        def begin(daemon: "Daemon", **options: Any) -> Visit:
            one = Visit(browser, daemon, **options)
            ending.callback(one.context.close)
            return one

        yield begin


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_from_the_index_to_a_subscription(served: "Daemon", visit: Begin, scripts: bool) -> None:
    """Index, feed, older entries, entry, and back to the feed's address; no script is needed for any of it."""
    one = visit(served, java_script_enabled=scripts)
    page = one.go("")
    assert page.title() == "示例站"
    page.get_by_role("main").get_by_role("link", name="示例站", exact=True).click()
    assert page.url.endswith("/feeds/news.html")
    page.get_by_role("link", name="更早的文章").click()
    assert page.url.endswith("/feeds/news/0001.html")
    page.get_by_role("link", name="最新的文章").click()
    page.get_by_role("link", name=TITLE).click()
    assert re.fullmatch(r"/entries/news/[0-9a-f]{16}\.html", urlsplit(page.url).path)
    assert page.get_by_role("heading", level=1).text_content() == TITLE
    assert page.get_by_role("heading", level=2).first.text_content() == "Part"
    original = page.get_by_role("main").get_by_role("link", name="news.example")
    assert original.get_attribute("href") == served.site.archive.link(60)
    page.get_by_role("link", name="示例站", exact=True).click()
    address = urljoin(page.url, page.get_by_role("link", name="Atom").get_attribute("href"))
    answer = served.get(urlsplit(address).path)
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert page.get_by_role("button").count() == (3 if scripts else 0)
    assert (one.said, one.strangers) == ([], set())


def test_an_address_is_copied(served: "Daemon", visit: Begin) -> None:
    """By the keyboard alone, and it is told to those who hear the page."""
    one = visit(served, permissions=["clipboard-read", "clipboard-write"])
    page = one.go("feeds/news.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "跳到正文"
    page.get_by_role("button", name="RSS").focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text(f"地址已复制。 {served.url}/feeds/news.rss").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{served.url}/feeds/news.rss"
    assert one.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_everybody_can_read_it(served: "Daemon", visit: Begin, tmp_path: Path, scheme: str, width: int) -> None:
    """Nothing that axe-core knows shuts anybody out, nothing is wider than the screen, the colours are as wished."""
    one = visit(served, viewport={"width": width, "height": 900}, color_scheme=scheme)
    entry = page_with(served, TITLE)
    for path in ("", "feeds/news.html", "feeds/news/0001.html", entry):
        page = one.go(path)
        found = Axe().run(page).response
        assert found["passes"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        shot = tmp_path / "shot.png"
        page.screenshot(path=shot)
        with Image.open(shot) as picture:
            colour = picture.convert("L").getpixel((width // 2, 2))
        assert isinstance(colour, int)
        assert (colour > 200) is (scheme == "light")
    assert (one.said, one.strangers) == ([], set())


def test_chinese_is_shown_as_chinese(served: "Daemon", visit: Begin) -> None:
    """In a font that has the signs, broken between them within the line, and never before a full stop."""
    one = visit(served, viewport={"width": 320, "height": 900})
    page = one.go(page_with(served, TITLE))
    session = one.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    node = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    text = session.send("DOM.querySelector", {"nodeId": node, "selector": ".text p"})["nodeId"]
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": text})["fonts"]
    assert any(re.search("CJK SC|SC|Hei|Han", font["familyName"]) for font in fonts), fonts
    starts = page.evaluate(
        """() => {
            const text = document.querySelector(".text p").firstChild, range = document.createRange(), found = [];
            let bottom = -1;
            for (let i = 0; i < text.length; i++) {
                range.setStart(text, i); range.setEnd(text, i + 1);
                const box = range.getBoundingClientRect();
                if (box.top >= bottom) { found.push(text.data[i]); bottom = box.bottom; }
            }
            return found;
        }"""
    )
    assert len(starts) > 8
    assert not set("，。、）”") & set(starts)
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"


@pytest.mark.parametrize("width", [320, 1280])
def test_a_hostile_article_harms_nothing(site: "Site", start: "Start", visit: Begin, width: int) -> None:
    """Neither the policy nor the layout: nothing runs, nothing is asked for, and every title has bounds."""
    site.feeds[0]["pages"] = "entries"
    site.options["images"] = "origin"
    site.archive.write(1, title="A calm title", text="Calm.")
    site.archive.write(
        2,
        title=HOSTILE,
        text=HOSTILE,
        author=HOSTILE[:400],
        body='<p onclick="x()" style="position:fixed;inset:0">x</p><svg onload=x()></svg><iframe src="https://evil.example/">'
        '</iframe><img src="https://evil.example/\u202e.png" width="99999"><form action="https://evil.example/"><input>'
        f'</form><link rel=stylesheet href="https://evil.example/"><bdo dir="rtl">{"x" * 3000}</bdo>',
    )
    daemon = serve(site, start)
    one = visit(daemon, viewport={"width": width, "height": 900})
    entry = page_with(daemon, "WWWW")
    for path in ("", "feeds/news.html", entry):
        page = one.go(path)
        assert page.title() != "owned"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        assert max(page.evaluate("[...document.querySelectorAll('h1,h2,h3,bdi')].map(one => one.offsetHeight)")) < 2500
    assert page.locator("h1").evaluate("one => getComputedStyle(one).unicodeBidi") == "isolate"
    calm = one.go("feeds/news.html").get_by_role("heading", name="A calm title")
    assert calm.is_visible()


def test_what_gets_past_the_cleaning_does_not_run(served: "Daemon", visit: Begin) -> None:
    """The policy is a second wall: a page that holds what it must not runs and frames nothing, and sends nothing."""
    path = served.site.public / "feeds/news.html"
    live = (
        '<script>document.title = "owned"</script><img src="x" onerror="document.title = 1">'
        '<iframe src="/index.html"></iframe><form action="/index.html"><button>go</button></form>'
        '<p style="position: fixed" id="p">p</p><base href="https://evil.example/"><a href="javascript:alert(1)">a</a>'
    )
    path.write_text(path.read_text(encoding="utf-8").replace("</main>", f"{live}</main>"), encoding="utf-8")
    one = visit(served)
    page = one.go("feeds/news.html")
    assert page.locator("#p").evaluate("one => getComputedStyle(one).position") == "static"
    for live_part in ("form button", "a[href^=javascript]"):
        page.locator(live_part).dispatch_event("click")  # it does not wait for where that would lead
    page.wait_for_timeout(300)
    assert (page.evaluate("document.title"), page.url) == ("示例站 – 示例站", f"{served.url}/feeds/news.html")
    assert page.evaluate("document.baseURI") == page.url
    assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
    refused = {line.partition(" violates")[0].partition(" '")[0] for line in one.said if "Security Policy" in line}
    assert refused == {
        "Executing inline script",
        "Executing inline event handler",
        "Applying inline style",
        "Framing",
        "Setting the document's base URI to",
        "Sending form data to",
        "Running the JavaScript URL",
    }
    header = served.get("/feeds/news.html").headers["content-security-policy"]
    assert header.startswith("default-src 'none'; style-src 'sha256-")
    assert header.endswith("; frame-ancestors 'none'")
    assert "unsafe" not in header


# The owner's pages

TOKEN = "token-of-the-owner.1234"
SOURCE = "一个名字特别特别长的来源，用来看看标题在很窄的屏幕上怎样折行而不把别的东西挤出去 & <b>co</b>"


@pytest.fixture
def owned(site: "Site", start: "Start", web: "Web") -> "Daemon":
    """A Chinese site whose daemon shows its owner, by a token, sources that are well, broken, and gone for good."""
    site.options |= {"title": "示例站", "language": "zh-Hans", "status": "token", "status_token": TOKEN, "pause": "0s"}
    site.sources[0]["title"] = SOURCE
    site.archive.write_many(30)
    today = datetime.now(UTC).replace(microsecond=0)
    for number in range(30, 40):
        site.archive.write(number, published=today - timedelta(days=number - 29), title=TITLE, body=BODY)
    site.archive.write(40, title=HOSTILE, text=HOSTILE, published=today - timedelta(hours=3))
    web.say("/gone", b"", status="410 Gone")
    web.say("/bad", b"<title>" + b"W" * 5_000)
    site.add_feed("gone", web.url("/gone"), title="法国国际广播电台")
    site.add_feed("bad", web.url("/bad"))
    daemon = start(site).ready()
    daemon.wait(lambda: len(daemon.lines("refresh ")) >= 3)
    return daemon


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_owner_can_read_how_things_stand(
    owned: "Daemon", visit: Begin, tmp_path: Path, scheme: str, width: int
) -> None:
    """As the public pages: nobody is shut out, nothing is too wide, no other host is asked, nothing runs."""
    one = visit(owned, viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True)
    page = one.go(f"status/?token={TOKEN}")
    article = page.get_by_role("main").get_by_role("link", name="一个名字特别").first.get_attribute("href")
    assert article
    one.go(f"status/{article}")
    rows = [str(link.get_attribute("href")) for link in page.locator(".name a").all()][:2]
    for path in ("", article, *rows, "source?name=gone", "source?name=bad", "pictures", "?show=trouble"):
        page = one.go(f"status/{path}")
        found = Axe().run(page).response
        assert found["passes"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("document.querySelectorAll('script').length") == 0
        assert page.title() != "owned"
        assert (
            max(page.evaluate("[...document.querySelectorAll('h1,h2,h3,p,bdi')].map(one => one.offsetHeight)")) < 2500
        )
        shot = tmp_path / "shot.png"
        page.screenshot(path=shot)
        with Image.open(shot) as picture:
            colour = picture.convert("L").getpixel((width // 2, 2))
        assert isinstance(colour, int)
        assert (colour > 200) is (scheme == "light")
    assert (one.said, one.strangers) == ([], set())


def test_the_owner_comes_by_a_bookmark_and_has_a_source_refreshed(owned: "Daemon", visit: Begin, web: "Web") -> None:
    """Without a script; the token leaves the address bar, and the cookie is not for scripts."""
    web.feed("/bad", "good again")
    one = visit(owned, java_script_enabled=False)
    page = one.go(f"status?token={TOKEN}")
    assert page.url == f"{owned.url}/status/"
    (cookie,) = one.context.cookies()
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/status", True, "Strict")
    page.get_by_role("link", name="有问题的").click()
    page.get_by_role("link", name="bad").click()
    page.get_by_role("button", name="立即更新").click()
    assert page.get_by_role("status").text_content() == "已请求更新，轮到此来源时即会执行；请稍后重新载入本页。"
    owned.wait(lambda: len(web.times("/bad")) == 2)
    owned.wait(lambda: owned.lines("source recovered"))
    page = one.go("status/source?name=bad")
    assert page.locator("header .state").text_content() == "正常"
    page.get_by_role("link", name="good again").click()
    assert "http://site.example/bad/good%20again" in str(page.get_by_role("main").text_content())
    assert (one.said, one.strangers) == ([], set())


def test_another_site_can_do_nothing_in_the_owners_name(owned: "Daemon", visit: Begin, web: "Web") -> None:
    """Its forms, frames and pictures come without the cookie, and the pages cannot be framed even with it."""
    one = visit(owned)
    page = one.go(f"status/?token={TOKEN}")
    one.go("status/source?name=bad")
    form = page.locator("form input[name=form]").get_attribute("value")
    evil, body = (
        "http://evil.example/",
        f'''<!DOCTYPE html><form method="post" action="{owned.url}/status/refresh"><input name="name" value="bad">
        <input name="form" value="{form}"><button>win</button></form>
        <img src="{owned.url}/status/"><iframe src="{owned.url}/status/"></iframe>''',
    )
    one.context.unroute_all()
    one.context.route(evil, lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(evil)
    page.wait_for_load_state("networkidle")
    assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
    with page.expect_response(lambda answer: answer.url.endswith("/status/refresh")) as refused:
        page.get_by_role("button").click()
    assert refused.value.status == 401
    assert "cookie" not in refused.value.request.all_headers()
    page = one.context.new_page()
    page.goto(evil)
    page.evaluate(
        """address => fetch(address, {method: "POST", mode: "no-cors", credentials: "include", body: "name=bad"})
        .catch(() => {})""",
        f"{owned.url}/status/refresh",
    )
    assert len(web.times("/bad")) == 1
    page.goto(f"{owned.url}/status/")
    assert page.title().startswith("运行状况")
