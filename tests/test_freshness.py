"""How long caches may keep what is published."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from feedbridge import schedule
from feedbridge.freshness import Freshness

if TYPE_CHECKING:
    from tests.conftest import Site


@pytest.fixture
def site(site: "Site") -> "Site":
    """A source that is read every two minutes, and one that is read every hour and a half."""
    site.sources[0]["every"] = "2m"
    site.add_source("slow", every="90m")
    site.feeds = [
        {"name": "all"},
        {"name": "slow", "sources": ["slow"]},
        {"name": "kinds", "sources": ["slow"], "by": "category"},
    ]
    return site


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("feeds/all.atom", 60),
        ("feeds/slow.rss", 2700),
        ("feeds/kinds-rain-0a1b2c3d.json", 60),
        ("feeds/all/0001.atom", 3600),
        ("index.html", 300),
        ("feeds.opml", 300),
        ("media/ab/abcd.png", 31_536_000),
    ],
)
def test_each_file_goes_by_its_sources(site: "Site", path: str, seconds: int) -> None:
    """A subscription document goes by half the shortest interval of the feed's own sources, within bounds."""
    settings = site.settings()
    assert Freshness(lambda: settings).max_age(path) == seconds


def test_new_settings_count_at_once(site: "Site") -> None:
    """What was worked out for other settings is not given out."""
    in_force = [site.settings()]
    freshness = Freshness(lambda: in_force[-1])
    assert freshness.max_age("feeds/all.atom") == 60
    site.sources[0]["every"] = "1s"
    in_force.append(site.settings())
    assert freshness.max_age("feeds/all.atom") == 30


def test_it_is_worked_out_seldom(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand requests cost as much as one; the next turn of a cron rhythm is looked at anew now and then."""
    settings, seconds = site.settings(), [0.0]
    asked: list[schedule.Rhythm] = []
    whole = schedule.base_interval

    def noting(rhythm: schedule.Rhythm, *, now: datetime) -> timedelta:
        asked.append(rhythm)
        return whole(rhythm, now=now)

    monkeypatch.setattr(schedule, "base_interval", noting)
    freshness = Freshness(lambda: settings, clock=lambda: seconds[0])
    for _ in range(10_000):
        freshness.max_age("feeds/slow.atom")
    assert len(asked) == 1
    seconds[0] = 11.0
    freshness.max_age("feeds/slow.atom")
    assert len(asked) == 2
