"""Pictures that always load: served, mirrored, or from the next best address. Real programs throughout."""

import asyncio
import base64
import contextlib
import hashlib
import io
import multiprocessing
import os
import random
import re
import shutil
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from lxml import etree
from PIL import Image

from feedbridge import __file__ as package
from feedbridge import publishing
from feedbridge.composing import cache_folder, key_file
from feedbridge.daemon import make_server, picture_routes
from feedbridge.fetch.client import Client
from feedbridge.metrics import Metrics
from feedbridge.pictures.keys import Keys
from feedbridge.pictures.media import Media
from feedbridge.pictures.referers import Referers
from feedbridge.server.shelf import PICTURE_TYPES
from feedbridge.settling import Settler, picture_fetch
from feedbridge.store.database import Store

from .conftest import NOON, free_port
from .test_service_files import SITE, nginx_command, program, wait_until_open

if TYPE_CHECKING:
    from tests.conftest import Daemon, Site, Web

    Start = Callable[..., Daemon]

ROOT = Path(package).parents[1]
SEED = ROOT / "seeds" / "000_93babe1cfb858445.txt"
SEED_PICTURE = "gdb.voanews.com/cdc4cedc-e24f-422d-83be-fc77c0e2fe42_r1_s_w900.jpg"
ATOM = "http://www.w3.org/2005/Atom"
MEBIBYTE = 2**20
RED = (200, 30, 60)


# Pictures


def picture(colour: tuple[int, int, int] = RED, *, form: str = "PNG", size: tuple[int, int] = (160, 120)) -> bytes:
    """A picture of one colour."""
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, form, quality=95, lossless=True)
    return made.getvalue()


# A browser


class Browser:
    """chromium, which can reach 127.0.0.1 and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._program = program("chromium")
        self._folder = folder
        folder.mkdir()

    def look(self, html: str) -> Image.Image:
        """What a page looks like once everything in it has come."""
        page, shot = self._folder / "page.html", self._folder / "shot.png"
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{html}', encoding="utf-8")
        shot.unlink(missing_ok=True)
        flags = (
            "headless no-sandbox disable-gpu disable-dev-shm-usage hide-scrollbars no-first-run disable-sync "
            "disable-background-networking disable-component-update disable-extensions force-color-profile=srgb "
            f"user-data-dir={self._folder}/profile window-size=1000,1200 screenshot={shot} "
        )
        command = [self._program, *(f"--{flag}" for flag in flags.split())]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert shot.exists(), done.stderr
        with Image.open(shot) as found:
            return found.convert("RGB")


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A browser with a profile of its own."""
    return Browser(tmp_path / "browser")


def pixels(shot: Image.Image, colour: tuple[int, int, int] = RED) -> int:
    """How many pixels have a colour, or nearly."""
    near = [(max(0, one - 4), min(255, one + 4)) for one in colour]
    return sum(
        count
        for count, seen in shot.getcolors(shot.width * shot.height) or ()
        if isinstance(seen, tuple) and all(low <= one <= high for one, (low, high) in zip(seen, near, strict=True))
    )


# What is published


def contents(atom: bytes) -> list[str]:
    """The HTML of each entry of a document."""
    return [str(found.text) for found in etree.fromstring(atom).iterfind(f"{{{ATOM}}}entry/{{{ATOM}}}content")]


def addresses(html: str) -> list[str]:
    """The addresses of the pictures in some HTML."""
    tree = etree.fromstring(f"<body>{html}", etree.HTMLParser())
    return [str(found) for found in tree.xpath("//img/@src")]


# Served by ourselves


def with_seed(site: "Site", web: "Web") -> None:
    """The seed, with the picture's host in its text replaced by one that can be reached here."""
    text = SEED.read_text(encoding="utf-8")
    assert text.count(SEED_PICTURE) == 1
    here = text.replace(SEED_PICTURE, web.url("/picture.jpg"))
    (site.archive.root / SEED.name).write_text(here, encoding="utf-8")
    web.say("/picture.jpg", picture(), "Content-Type: text/html", "Set-Cookie: a=b")
    site.options["images"] = "serve"
    site.pictures["allow_private"] = [f"127.0.0.1:{web.port}"]


def shown(daemon: "Daemon", count: int = 1) -> list[str]:
    """The HTML of the entries of `news`, once so many are there."""
    found: list[str] = []

    def is_there() -> bool:
        found[:] = contents(daemon.get("/feeds/news.atom").content)
        return len(found) == count

    daemon.wait(is_there, seconds=60)
    return found


def test_a_browser_paints_the_seeds_picture(site: "Site", start: "Start", web: "Web", browser: Browser) -> None:
    """The entry's text, as it stands in the Atom that is served, shows its picture, which comes through our own
    address and once from its host; with one sign of the signature changed nothing is painted.
    """
    with_seed(site, web)
    daemon = start(site).ready("/feeds/news.atom")
    (content,) = shown(daemon)
    (address,) = addresses(content)
    assert re.fullmatch(rf"{daemon.url}/img/[\w-]{{43}}/[\w-]+", address)
    assert str(web.port) not in content
    assert pixels(browser.look(content.replace(address, other_signature(address)))) == 0
    assert web.asked == []
    assert pixels(browser.look(content)) == 160 * 120
    assert [path for _, path in web.asked] == ["/picture.jpg"]


def other_signature(address: str, at: int = 0) -> str:
    """The address with one sign of its signature changed."""
    beginning, signature, encoded = address.rsplit("/", 2)
    sign = "A" if signature[at] != "A" else "B"
    return f"{beginning}/{signature[:at]}{sign}{signature[at + 1 :]}/{encoded}"


def other_address(address: str, to: str) -> str:
    """The same signature before another address of a picture."""
    return f"{address.rpartition('/')[0]}/{base64.urlsafe_b64encode(to.encode()).decode().rstrip('=')}"


def test_nothing_else_is_served(site: "Site", start: "Start", web: "Web") -> None:
    """With a changed signature or address, with none at all, or once its key has had its time: 403, and nobody is
    asked for anything.
    """
    with_seed(site, web)
    site.pictures["keep_links"] = "1s"
    daemon = start(site).ready("/feeds/news.atom")
    (address,) = addresses(shown(daemon)[0])
    inside = web.url("/latest/", host="127.0.0.2")
    refused = [
        *(other_signature(address, at) for at in range(43)),
        other_address(address, web.url("/other.jpg")),
        other_address(address, inside),
        f"{daemon.url}/img/{inside}",
        f"{daemon.url}/img/?url={inside}",
        other_address(f"{daemon.url}/img/x/y", inside),
    ]
    with httpx.Client(trust_env=False) as reader:
        for answer in map(reader.get, refused):
            assert (answer.status_code, answer.headers["x-content-type-options"]) == (403, "nosniff"), answer.url
        assert web.asked == []
        answer = reader.get(address)
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", picture())
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert "set-cookie" not in answer.headers
        assert daemon.ask("images", "--new-key").returncode == 0
        daemon.wait(lambda: reader.get(address).status_code == 403)
    assert len(web.asked) == 1


def test_no_way_leads_inside(site: "Site", web: "Web") -> None:
    """What hostile articles named is signed with the rest, and not reached: a private address, a redirect to one, and
    a name that means one once we connect, though it meant another before.
    """
    inside, turning = web.url("/secret.png", host="127.0.0.3"), web.url("/turned.png", host="pictures.example")
    web.say("/good.png", picture())
    web.say("/secret.png", picture())
    web.say("/turned.png", picture())
    web.say("/redirect.png", b"", f"Location: {inside}", status="302 Found")
    web.say("/to-name.png", b"", f"Location: {turning}", status="302 Found")
    good = web.url("/good.png", host="pictures.example")
    bad = [inside, web.url("/redirect.png", host="127.0.0.2"), web.url("/to-name.png", host="127.0.0.2"), turning]
    bad += ["http://169.254.169.254/latest/meta-data", "http://[::1]/secret.png"]
    site.archive.write(1, text="Look.", body="".join(f'<img src="{address}">' for address in (good, *bad)))
    site.options |= {"images": "serve", "listen": f"127.0.0.1:{free_port()}"}
    site.pictures["allow_private"] = ["127.0.0.2"]
    site.build()
    means = ["127.0.0.2"]

    async def resolve(host: str, _port: int) -> Sequence[str]:
        return [means.pop() if means else "127.0.0.3"] if host == "pictures.example" else [host.strip("[]")]

    async def ask() -> list[int]:
        loaded = site.settings()
        paths = [address.removeprefix(loaded.site.base_url) for address in addresses(site.shown()[0].content)]
        async with (
            Client(user_agent="feedbridge", resolve=resolve) as client,
            picture_routes(loaded, client) as routes,
            httpx.AsyncClient(trust_env=False, timeout=30) as reader,
        ):
            server = make_server(loaded, Metrics(), max_age=lambda _path: 0, checks={}, routes=routes)
            await server.start()
            statuses = [(await reader.get(f"http://{loaded.site.listen}/{path}")).status_code for path in paths]
            await server.stop(1)
        return statuses

    assert asyncio.run(ask()) == [200, *(502 for _ in bad)]
    assert [path for _, path in web.asked] == ["/good.png", "/redirect.png", "/to-name.png"]


PICTURES = 300
"""`test_images` shows ten thousand, without a network between."""


def test_many_pictures_fit_into_little_memory(site: "Site", start: "Start", web: "Web") -> None:
    """Each other than all before, fetched once and shown twice, far more than the cache holds: neither memory nor the
    cache grows with their number.
    """
    body = picture(form="BMP", size=(100, 60))
    numbers = range(PICTURES)
    for number in numbers:
        web.say(f"/{number}", body + number.to_bytes(4, "big"))
    site.options["images"] = "serve"
    site.pictures |= {"allow_private": ["127.0.0.1"], "cache": "1MiB"}
    daemon = start(site).ready()
    keys, memory = Keys(key_file(site.settings())), []
    with httpx.Client(trust_env=False, base_url=daemon.url, timeout=30) as reader:
        for number in numbers:
            path = keys.sign(web.url(f"/{number}"))
            for _ in range(2):
                answer = reader.get(path)
                assert (answer.status_code, answer.content) == (200, body + number.to_bytes(4, "big"))
            memory.append(daemon.memory())
    assert len(web.asked) == PICTURES
    assert max(memory[PICTURES // 5 :]) - memory[PICTURES // 5] < 8 * MEBIBYTE
    kept = sum(path.stat().st_size for path in cache_folder(site.settings()).rglob("*") if path.is_file())
    assert MEBIBYTE // 2 < kept <= MEBIBYTE


# Copied


FORMS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "ICO")


def colour_of(number: int) -> tuple[int, int, int]:
    """A colour like no other's."""
    return 16 * (number % 16), 16 * (number // 16 % 16), 64 * (number // 256)


Show = Callable[[int, bytes], str]
"""Lets somebody show a picture that has a number; gives its address."""


def illustrate(site: "Site", count: int, show: Show) -> dict[str, bytes]:
    """Articles with a picture each, by their links; every tenth has the same as the one before at its own address."""
    site.options |= {"images": "mirror"}
    site.pictures["allow_private"] = ["127.0.0.0/8"]
    shown = {}
    for number in range(count):
        of = number - (number % 10 == 9)
        shown[site.archive.link(number)] = body = picture(colour_of(of), form=FORMS[of % len(FORMS)], size=(64, 64))
        site.archive.write(number, text=f"Number {number}.", body=f'<p><img src="{show(number, body)}"></p>')
    return shown


def show_at(web: "Web") -> Show:
    """On many hosts."""

    def show(number: int, body: bytes) -> str:
        web.say(f"/{number}", body, "Content-Type: application/octet-stream")
        return web.url(f"/{number}", host=f"127.0.0.{1 + number % 25}")

    return show


COPY = re.compile(rb"media/[0-9a-f]{2}/([0-9a-f]{64})\.[a-z]+")


def copies(site: "Site") -> dict[str, bytes]:
    """The files of the folder with the copies."""
    return {path: body for path, body in site.published().items() if path.startswith("media/")}


def named(site: "Site") -> set[str]:
    """The copies that published documents name."""
    documents = (body for path, body in site.published().items() if path.startswith("feeds/"))
    return {found[0].decode() for body in documents for found in COPY.finditer(body)}


def assert_copies_whole(site: "Site") -> None:
    """Each is named by what it holds, beside what a killed run was writing; and what documents name is there."""
    there = copies(site)
    for path, body in there.items():
        found = COPY.fullmatch(path.encode())
        if found is None:
            assert re.fullmatch(r"media/\.new/[0-9a-f]{16}\.feedbridge-tmp", path)
        else:
            assert hashlib.sha256(body).hexdigest().encode() == found[1]
    assert named(site) <= there.keys()


@contextlib.contextmanager
def nginx(folder: Path, root: Path, port: int) -> Iterator[None]:
    """nginx, with our own settings for it, serves a folder."""
    folder.mkdir()
    process = subprocess.Popen(nginx_command(folder, SITE, port=port, upstream=9, root=root))
    try:
        wait_until_open(port, process, folder / "error.log")
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_a_copied_folder_shows_every_picture(site: "Site", web: "Web", tmp_path: Path, browser: Browser) -> None:
    """The output folder of 300 articles, copied elsewhere and served by nginx, shows each of them its own picture,
    of every kind, and no other machine is asked; a further build fetches nothing and writes nothing.
    """
    port = free_port()
    site.options["base_url"] = f"http://127.0.0.1:{port}/"
    shown = illustrate(site, 300, show_at(web))
    built = site.build()
    assert (built.failed, built.published.left_out) == (False, [])
    assert sorted(path for _, path in web.asked) == sorted(f"/{number}" for number in range(300))
    assert sorted(copies(site).values()) == sorted(set(shown.values()))
    assert not any(
        f":{web.port}/".encode() in body for path, body in site.published().items() if path not in copies(site)
    )
    asked, stamps = len(web.asked), site.stamps()
    assert site.build().published.written == []
    assert (len(web.asked), site.stamps()) == (asked, stamps)

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(site.public, elsewhere)
    with nginx(tmp_path / "nginx", elsewhere, port), httpx.Client(trust_env=False) as reader:
        for entry in site.everything():
            (address,) = addresses(entry.content)
            answer = reader.get(address)
            assert (answer.status_code, answer.content) == (200, shown[entry.link or ""])
            assert answer.headers["content-type"] == PICTURE_TYPES[Path(address).suffix]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "immutable" in answer.headers["cache-control"]
        for path in named(site):
            assert reader.get(f"http://127.0.0.1:{port}/{path}").status_code == 200
        some = range(10, 10 + len(FORMS))
        page = "".join(site.entry(f"/{number}.html").content for number in some)
        shot = browser.look(page)
        assert [pixels(shot, colour_of(number)) for number in some] == [64 * 64 for _ in some]
    assert len(web.asked) == asked


KILLS = 20


def test_killed_builds_tear_no_picture(site: "Site", other_site: "Site", tmp_path: Path) -> None:
    """Killed at twenty moments, a build leaves every copy whole, and every published document with the copies that it
    names; the run that gets through at last leaves what one leaves that was never disturbed.
    """
    chance, port, pages = random.Random(20261123), free_port(), tmp_path / "pages"
    pages.mkdir()

    def show(number: int, body: bytes) -> str:
        (pages / str(number)).write_bytes(body)
        return f"http://127.0.0.1:{port}/{number}"

    for one in (other_site, site):
        illustrate(one, 170, show)
    with nginx(tmp_path / "nginx", pages, port):
        began = time.monotonic()
        other_site.build()
        length = time.monotonic() - began
        expected = other_site.published()
        kills = finished = halfway = 0
        while kills < KILLS:
            builder = multiprocessing.get_context("fork").Process(target=site.build)
            builder.start()
            builder.join(chance.uniform(0, length))
            if builder.exitcode is None:
                builder.kill()
                builder.join()
                kills += 1
                assert_copies_whole(site)
                halfway += 0 < len(copies(site)) < len(copies(other_site))
                continue
            assert (builder.exitcode, site.published()) == (0, expected)
            finished, length = finished + 1, length * 0.7  # it has become quicker, for it is warm
            site.forget_store()
            if finished % 2:
                site.forget_public()
        assert halfway
        site.build()
        assert site.published() == expected
        assert site.build().published.written == []


# What is no picture

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PAGE = b"<!doctype html><title>Not found</title><p>Buy a licence to see this picture."


def bomb() -> bytes:
    """A PNG of 30,000 by 30,000 pixels in 109 kB."""
    squeeze, row = zlib.compressobj(9), bytes(1 + 30_000 // 8)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0),
        b"IDAT": b"".join([*(squeeze.compress(row) for _ in range(30_000)), squeeze.flush()]),
        b"IEND": b"",
    }
    chunks = (name + part for name, part in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def jpeg_and_archive() -> bytes:
    """A JPEG that a browser shows, and a ZIP archive behind it."""
    packed = io.BytesIO(picture(form="JPEG"))
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("run.class", b"\xca\xfe\xba\xbe")
    return packed.getvalue()


class Trap:
    """Hosts of what is no picture, though it is called one: one each, for a host is judged by what it has.

    Attributes:
        tags: The `<img>` of each, and of a good one, all through a wrapper that has no pictures either.
        sent: Bytes of the one that does not end.
    """

    def __init__(self, web: "Web") -> None:
        bodies = {"page": PAGE, "svg": SVG, "bomb": bomb(), "archive": jpeg_and_archive()}
        for name, body in bodies.items():
            web.say(f"/{name}", body, "Content-Type: image/png")
        web.answers["/endless"] = self._endless
        web.say("/good", picture())
        self.tags: dict[str, str] = {}
        self.sent = 0
        for number, name in enumerate([*bodies, "endless", "good"]):
            origin = web.url(f"/{name}", host=f"127.0.0.{10 + number}")
            web.say(f"/?url={origin}", PAGE)
            self.tags[name] = f'<img src="{web.url(f"/?url={origin}", host="127.0.0.2")}">'

    async def _endless(self) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + picture(form="JPEG")
        while True:
            yield bytes(65536)
            self.sent += 65536


LIMIT = 2 * MEBIBYTE
BUFFERED = 12 * MEBIBYTE
"""So much at most can be under way in the buffers of both ends."""


def set_trap(site: "Site", web: "Web", images: str | list[str]) -> Trap:
    """A site with an article for each tag of a trap."""
    trap = Trap(web)
    for number, tag in enumerate(trap.tags.values()):
        site.archive.write(number, text="Look.", body=f"<p>{tag}</p>")
    site.options["images"] = images
    site.pictures |= {"allow_private": ["127.0.0.0/8"], "max_bytes": f"{LIMIT}B"}
    site.sources[0]["image_proxy_hosts"] = ["127.0.0.2"]
    return trap


def assert_little_harm(daemon: "Daemon", trap: Trap, event: str, *, memory: int) -> None:
    """Each of the trap was told of once, the endless one was cut off, and memory is what it was, or nearly."""
    told = [str(line["url"]).rpartition("/")[2] for line in daemon.lines(event)]
    assert sorted(told) == sorted(trap.tags.keys() - {"good"})
    assert trap.sent < LIMIT + BUFFERED
    assert daemon.memory() - memory < 32 * MEBIBYTE
    assert daemon.memory() < 150 * MEBIBYTE


def test_what_is_no_picture_is_not_served(site: "Site", start: "Start", web: "Web") -> None:
    """A page, an SVG with a script, a picture that unpacks to a gigabyte, one that is an archive as well, one that
    never ends: each is refused and told once, little is taken of it, and memory stays as it was.
    """
    trap = set_trap(site, web, "serve")
    daemon = start(site).ready("/feeds/news.atom")
    content = "".join(reversed(shown(daemon, len(trap.tags))))
    memory = daemon.memory()
    with httpx.Client(trust_env=False, timeout=30) as reader:
        for _ in range(3):
            answers = dict(zip(trap.tags, map(reader.get, addresses(content)), strict=True))
    good = answers.pop("good")
    assert (good.status_code, good.content) == (200, picture())
    assert {name: answer.status_code for name, answer in answers.items()} == {
        **dict.fromkeys(("page", "svg", "bomb", "archive"), 415),
        "endless": 502,
    }
    assert {(answer.headers["content-type"], len(answer.content)) for answer in answers.values()} == {("image/gif", 43)}
    assert_little_harm(daemon, trap, "picture not shown", memory=memory)


@pytest.mark.parametrize("images", ["mirror", ["origin", "keep"]], ids=["mirror", "chain"])
def test_what_is_no_picture_is_not_chosen(site: "Site", start: "Start", web: "Web", images: str | list[str]) -> None:
    """The same, where it would be copied, or shown if it were one: the feed stands, with the next best address of each,
    and with the good picture beside them.
    """
    trap = set_trap(site, web, images)
    daemon = start(site).ready("/feeds/news.atom")
    memory = daemon.memory()
    expected = {name: tag.split('"')[1] for name, tag in trap.tags.items()}
    copied = [f"media/{digest[:2]}/{digest}.png" for digest in [hashlib.sha256(picture()).hexdigest()]]
    expected["good"] = f"{daemon.url}/{copied[0]}" if images == "mirror" else expected["good"].partition("url=")[2]
    found: list[str] = []

    def is_as_expected() -> bool:
        found[:] = addresses("".join(reversed(contents(daemon.get("/feeds/news.atom").content))))
        return found == list(expected.values())

    daemon.wait(is_as_expected, seconds=60)
    assert list(copies(site)) == (copied if images == "mirror" else [])
    assert_little_harm(daemon, trap, "picture not found", memory=memory)


@pytest.mark.parametrize("images", ["mirror", ["origin", "keep"]], ids=["mirror", "chain"])
def test_what_is_no_picture_is_told_once(site: "Site", web: "Web", images: str | list[str]) -> None:
    """However often it, or a host that is not there, is asked again within a week."""
    bad, gone = web.url("/page"), f"http://127.0.0.1:{free_port()}/gone"
    web.say("/page", PAGE)
    site.archive.write(1, text="Look.", body=f'<img src="{bad}"><img src="{gone}">')
    site.options["images"] = "keep"
    site.build()
    site.options["images"] = images
    site.pictures["allow_private"] = ["127.0.0.0/8"]
    loaded, clock, told = site.settings(), NOON, []

    async def look_for_a_week(store: Store, pool: ThreadPoolExecutor) -> None:
        nonlocal clock
        async with Client(user_agent="feedbridge") as client:
            settler = Settler(
                store,
                picture_fetch(loaded, client),
                Media(site.public),
                referers=Referers(),
                in_thread=partial(asyncio.get_running_loop().run_in_executor, pool),
                rules=loaded.pictures,
                now=lambda: clock,
            )
            for _ in range(7 * 24):
                clock += timedelta(hours=1)
                told.extend((await settler.settle()).news)

    with Store(site.address, write=True) as store, ThreadPoolExecutor(2) as pool:
        publishing.publish(store, loaded, now=clock, report=publishing.Report())
        asyncio.run(look_for_a_week(store, pool))
    assert sorted(address for address, _ in told) == sorted([bad, gone])
    assert len(web.asked) > 5


def test_a_host_that_lacks_pictures_is_asked_for_the_others(site: "Site", web: "Web") -> None:
    """One build has copies of all that there is, though the host lacks the five newest."""
    site.options["images"] = "mirror"
    site.pictures["allow_private"] = ["127.0.0.0/8"]
    for number in range(20):
        there = number < 15
        web.say(
            f"/{number}", picture(colour_of(number)) if there else b"", status="200 OK" if there else "404 Not Found"
        )
        site.archive.write(number, text="Look.", body=f'<img src="{web.url(f"/{number}")}">')
    site.build()
    assert len(copies(site)) == len(named(site)) == 15
    assert [shown_in(site, number) for number in range(15, 20)] == [[web.url(f"/{number}")] for number in range(15, 20)]


# How long copies are kept


def illustrate_two(site: "Site", web: "Web") -> tuple[str, str]:
    """Two articles that show one picture each, and one that shows both; gives the copies, once they are had."""
    site.options |= {"images": "mirror"}
    site.pictures["allow_private"] = ["127.0.0.0/8"]
    for number in (1, 2):
        web.say(f"/{number}", picture(colour_of(number)))
    tags = [f'<p><img src="{web.url(f"/{number}")}"></p>' for number in (1, 2)]
    for number, body in enumerate((*tags, "".join(tags)), 1):
        site.archive.write(number, text=f"Number {number}.", body=body)
    site.build()
    first, second = (shown_in(site, number)[0] for number in (1, 2))
    assert shown_in(site, 3) == [first, second]
    assert copies(site).keys() == {first, second}
    return first, second


def shown_in(site: "Site", number: int) -> list[str]:
    """Where the pictures of an article are, relative to the output folder where that is there."""
    base = site.settings().site.base_url
    return [address.removeprefix(base) for address in addresses(site.entry(f"/{number}.html").content)]


def let_pass(site: "Site", seconds: int) -> None:
    """Let copies be as old as if so much time had passed."""
    site.query("UPDATE pictures SET unshown_at = unshown_at - ?", seconds * 1000)
    for path in copies(site):
        found = (site.public / path).stat()
        os.utime(site.public / path, (found.st_atime, found.st_mtime - seconds))


DAY = 86_400


def test_copies_are_kept_as_long_as_they_are_shown(site: "Site", web: "Web") -> None:
    """However old they are; and for the time to keep after the last document has let them go."""
    first, second = illustrate_two(site, web)
    let_pass(site, 400 * DAY)
    site.remove(site.archive.link(1))
    site.build()
    let_pass(site, 400 * DAY)
    site.build()
    assert copies(site).keys() == {first, second} == named(site)
    site.remove(site.archive.link(3))
    site.build()
    let_pass(site, 29 * DAY)
    site.build()
    assert copies(site).keys() == {first, second}
    assert named(site) == {second}
    let_pass(site, 2 * DAY)
    site.build()
    assert copies(site).keys() == {second} == named(site)
    assert len(web.asked) == 2


def test_a_copy_that_is_shown_again_is_kept(site: "Site", web: "Web") -> None:
    """It is not fetched again, and the time that it was not shown does not count."""
    first, second = illustrate_two(site, web)
    for number in (1, 3):
        site.remove(site.archive.link(number))
    site.build()
    let_pass(site, 20 * DAY)
    site.archive.write(4, text="Another.", body=f'<p><img src="{web.url("/1")}"></p>')
    site.build()
    let_pass(site, 20 * DAY)
    site.build()
    assert copies(site).keys() == {first, second} == named(site)
    assert len(web.asked) == 2


def test_a_quota_takes_nothing_that_is_shown(site: "Site", web: "Web") -> None:
    """Too small for what is shown, it keeps further pictures from being copied, which stay where they were; what is no
    longer shown goes first for it, the oldest first.
    """
    first, second = illustrate_two(site, web)
    site.pictures["quota"] = "1B"
    web.say("/5", picture(colour_of(5)))
    site.archive.write(5, text="Another.", body=f'<p><img src="{web.url("/5")}"></p>')
    assert not site.build().failed
    assert copies(site).keys() == {first, second} == named(site)
    assert shown_in(site, 5) == [web.url("/5")]
    assert web.times("/5") == []
    for number in (1, 3):
        site.remove(site.archive.link(number))
    site.build()
    assert copies(site).keys() == {second} == named(site)
    site.pictures["quota"] = "1MiB"
    site.query("UPDATE pictures SET due_at = 0 WHERE copy IS NULL")
    site.build()
    assert copies(site).keys() == named(site)
    assert shown_in(site, 5)[0] in copies(site)


def test_a_lost_store_takes_no_copy_with_it(site: "Site", web: "Web") -> None:
    """Old copies, of which a new store knows nothing, stay for the time to keep, though their host is no more; so the
    documents show them again once a backup of the store has been put in place.
    """
    first, second = illustrate_two(site, web)
    documents = site.published()
    let_pass(site, 400 * DAY)
    backup = site.put_store_aside()
    for number in (1, 2):
        web.say(f"/{number}", status="404 Not Found")
    site.build()
    assert shown_in(site, 1) == [web.url("/1")]
    let_pass(site, 29 * DAY)
    site.build()
    assert copies(site).keys() == {first, second}
    new = site.put_store_aside()
    site.put_store_back(backup)
    site.build()
    assert site.published() == documents
    site.put_store_aside()
    site.put_store_back(new)
    let_pass(site, 2 * DAY)
    site.build()
    assert copies(site) == {}
