"""Which addresses of pictures answer is found out, and copies are had: with real servers on this machine."""

import asyncio
import hashlib
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from feedbridge import publishing
from feedbridge.asking import user_agent
from feedbridge.fetch.client import Client
from feedbridge.pictures.media import Media
from feedbridge.pictures.referers import Referers
from feedbridge.settling import Settled, Settler, picture_fetch
from feedbridge.store.database import Store

ORIGIN, PROXY = "127.0.0.2", "127.0.0.3"
MINUTE = timedelta(minutes=1)


def picture(number: int) -> bytes:
    """A GIF; each number gives another."""
    return b"GIF89a" + struct.pack("<HHBBB", number + 1, 2, 0, 0, 0) + b";"


class Stage:
    """A site whose pictures come from a host, and may come through a proxy; time stands still unless it is moved.

    Attributes:
        now: The time by which pictures are due.
    """

    def __init__(self, site: Any, web: Any, *, count: int, images: list[str]) -> None:
        self.site = site
        self.web = web
        self.count = count
        self.now = datetime.now(UTC).replace(microsecond=0)
        site.options["images"] = images
        site.pictures["allow_private"] = [ORIGIN, PROXY]
        for number in range(count):
            site.archive.write(number, text="x", body=f'<p><img src="{self.origin(number)}"></p>')
            web.say(self.path(number), picture(number))
            web.say(self.proxied_path(number), picture(number))

    def path(self, number: int) -> str:
        return f"/p/{number}.gif"

    def origin(self, number: int) -> str:
        return str(self.web.url(self.path(number), ORIGIN))

    def proxied_path(self, number: int) -> str:
        return f"/?u={self.origin(number).encode().hex()}"

    @property
    def template(self) -> str:
        return str(self.web.url("/?u=${href_hex}", PROXY))

    def breaks(self, *, status: str = "502 Bad Gateway") -> None:
        """The proxy fails from now on."""
        for number in range(self.count):
            self.web.say(self.proxied_path(number), b"<html>sorry", status=status)

    def mends(self) -> None:
        """The proxy works again."""
        for number in range(self.count):
            self.web.say(self.proxied_path(number), picture(number))

    def asked_proxy(self) -> int:
        """How often it was asked since this was called last."""
        asked = len([path for _, path in self.web.asked if path.startswith("/?u=")])
        self.web.asked.clear()
        return asked

    def settle(self, after: timedelta) -> Settled:
        """Let time pass, look for what is due, and write what follows."""
        self.now += after
        settings = self.site.settings()

        async def settle() -> Settled:
            with ThreadPoolExecutor(1) as pool:
                async with Client(user_agent=user_agent(settings.site)) as client:
                    settler = Settler(
                        store,
                        picture_fetch(settings, client),
                        Media(self.site.public),
                        referers=Referers(),
                        in_thread=partial(asyncio.get_running_loop().run_in_executor, pool),
                        rules=settings.pictures,
                        now=lambda: self.now,
                    )
                    await settler.tidy()
                    return await settler.settle()

        with Store(settings.site.store, write=True) as store:
            settled = asyncio.run(settle())
            report = publishing.Report()
            publishing.publish(store, settings, now=self.site.now, report=report)
            assert report.errors == []
        return settled

    def hosts(self) -> dict[str, int]:
        """How many pictures readers are told to fetch from each host, over all documents."""
        found: dict[str, int] = {}
        for path, body in self.site.published().items():
            if path.endswith(".json"):
                for host in re.findall(r'src=\\"http://([0-9.]+)[:/]', body.decode()):
                    found[host] = found.get(host, 0) + 1
        return found


def test_a_proxy_that_dies_and_comes_back(site: Any, web: Any) -> None:
    """All its pictures move to the next of the chain with one question, and return, with at most one a minute."""
    stage = Stage(site, web, count=120, images=[])
    site.options["images"] = [stage.template, "origin"]
    assert not site.build().failed
    assert stage.hosts() == {PROXY: 120}
    assert stage.asked_proxy() == 120

    stage.breaks()
    stage.settle(MINUTE)
    assert stage.asked_proxy() == 0, "nothing is due yet"
    assert stage.settle(10 * MINUTE).changed
    assert stage.asked_proxy() == 1
    assert stage.hosts() == {ORIGIN: 120}

    asked = []
    for _ in range(30):
        stage.settle(MINUTE)
        asked.append(stage.asked_proxy())
    assert max(asked) == 1
    assert 3 <= sum(asked) <= 8
    assert stage.hosts() == {ORIGIN: 120}

    stage.mends()
    for _ in range(11):
        stage.settle(MINUTE)
        assert stage.asked_proxy() <= 1
    assert stage.hosts() == {PROXY: 120}


def test_a_proxy_that_answers_with_pages_is_found_out(site: Any, web: Any) -> None:
    """One that is sold and answers with a page for everything costs two questions."""
    stage = Stage(site, web, count=20, images=[])
    site.options["images"] = [stage.template, "origin"]
    site.build()
    stage.asked_proxy()
    stage.breaks(status="200 OK")
    for _ in range(13):
        stage.settle(MINUTE)
    assert stage.hosts() == {ORIGIN: 20}
    assert stage.asked_proxy() <= 3


def test_one_missing_picture_moves_alone(site: Any, web: Any) -> None:
    """A picture that its host lacks is shown by the next of the chain, the others stay."""
    stage = Stage(site, web, count=9, images=["origin"])
    site.options["images"] = ["origin", stage.template]
    web.say(stage.path(4), b"", status="404 Not Found")
    site.build()
    assert stage.hosts() == {ORIGIN: 8, PROXY: 1}
    web.say(stage.path(4), picture(4))
    stage.settle(59 * MINUTE)
    assert stage.hosts() == {ORIGIN: 8, PROXY: 1}
    stage.settle(2 * MINUTE)
    assert stage.hosts() == {ORIGIN: 9}


def test_the_last_of_a_chain_is_used_unasked(site: Any, web: Any) -> None:
    """Where nothing answers, the last is shown, and nobody asks whether it works."""
    stage = Stage(site, web, count=3, images=["origin"])
    site.options["images"] = ["origin", stage.template]
    for number in range(3):
        web.say(stage.path(number), b"", status="404 Not Found")
    site.build()
    assert stage.hosts() == {PROXY: 3}
    assert stage.asked_proxy() == 0


def test_drop_ends_a_chain(site: Any, web: Any) -> None:
    """A picture that is not to be had is left out, if the chain says so."""
    stage = Stage(site, web, count=3, images=["origin", "drop"])
    web.say(stage.path(1), b"", status="404 Not Found")
    site.build()
    assert stage.hosts() == {ORIGIN: 2}


def test_copies_are_had_once(site: Any, web: Any) -> None:
    """Every picture is asked for once; the same bytes are one file; nothing is asked when nothing has changed."""
    stage = Stage(site, web, count=12, images=["mirror"])
    web.say(stage.path(7), picture(6))
    site.build()
    media = {path: body for path, body in site.published().items() if path.startswith("media/")}
    assert len(media) == 11
    assert all(hashlib.sha256(body).hexdigest() in path for path, body in media.items())
    assert sorted(path for _, path in web.asked) == sorted(stage.path(number) for number in range(12))
    assert stage.hosts() == {"127.0.0.1": 12}, "of the site itself"
    before = site.stamps()
    site.build()
    assert len(web.asked) == 12
    assert site.stamps() == before


def test_a_copy_that_is_lost_is_had_again(site: Any, web: Any) -> None:
    """Somebody removes a file: it is downloaded again, and meanwhile no document names it for long."""
    stage = Stage(site, web, count=3, images=["mirror"])
    site.build()
    lost = next((site.public / "media").rglob("*.gif"))
    lost.unlink()
    site.build()
    assert lost.exists()
    assert len(web.asked) == 4
    assert stage.hosts() == {"127.0.0.1": 3}


def test_what_cannot_be_copied_keeps_its_next_best_address(site: Any, web: Any) -> None:
    """It is tried again later, and shown from its copy then."""
    stage = Stage(site, web, count=3, images=["mirror"])
    web.say(stage.path(1), b"", status="404 Not Found")
    site.build()
    assert stage.hosts() == {"127.0.0.1": 2, ORIGIN: 1}
    web.say(stage.path(1), picture(1))
    stage.settle(61 * MINUTE)
    assert stage.hosts() == {"127.0.0.1": 3}


def test_a_copy_is_had_from_wherever_it_is(site: Any, web: Any) -> None:
    """Where its own host fails, the addresses of the chain are asked."""
    stage = Stage(site, web, count=4, images=["mirror"])
    site.options["images"] = ["mirror", stage.template]
    for number in range(4):
        web.say(stage.path(number), b"", status="503 Service Unavailable")
    site.build()
    assert stage.hosts() == {"127.0.0.1": 4}


def test_documents_wait_for_their_copies(site: Any, web: Any, store: Store) -> None:
    """Readers get the copies from the first: a document is not written before they are looked for."""
    Stage(site, web, count=3, images=["mirror"])
    settings = site.settings()
    from feedbridge.refresh import refresh
    from feedbridge.tally import Wish

    refresh(store, settings.source[0], Wish(now=site.now), lambda *_: None)
    patience = publishing.Patience(3600)
    report = publishing.Report()
    publishing.publish(store, settings, now=site.now, report=report, patience=patience)
    assert report.waiting == 1
    assert not (site.public / "feeds/news.json").exists()
    report = publishing.Report()
    publishing.publish(store, settings, now=site.now, report=report)
    assert report.waiting == 0
    assert len(site.shown()) == 3


@pytest.mark.parametrize("quota", [1, 10_000])
def test_what_is_shown_is_never_removed(site: Any, web: Any, quota: int) -> None:
    """Neither the quota nor the age removes a copy that a document names; one that none names goes."""
    stage = Stage(site, web, count=4, images=["mirror"])
    site.build()
    site.pictures |= {"quota": quota, "keep": "1d"}
    site.archive.write(2, text="x", body="<p>no picture any more</p>")
    site.build()
    stage.settle(timedelta(days=2))
    left = [path for path in site.published() if path.startswith("media/")]
    shown = set(re.findall(r"media/[0-9a-f/]+\.gif", (site.public / "feeds/news.json").read_text()))
    assert set(left) == shown
    assert len(left) == 3
