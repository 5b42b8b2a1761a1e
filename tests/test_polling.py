"""The schedule, driven second by second by a clock that the tests hold."""

import gc
import random
import threading
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from feedbridge import gathering, polling
from feedbridge.errors import StoreError
from feedbridge.polling import Schedule
from feedbridge.schedule import AILING_AFTER, LONGEST_BACKOFF
from feedbridge.settings import Settings, Source
from feedbridge.store import claims, polls, visits
from feedbridge.store.claims import Claim, Planned
from feedbridge.store.database import Store
from feedbridge.store.polls import Poll
from feedbridge.store.visits import Visit
from feedbridge.tally import Progress, Tally, Wish

if TYPE_CHECKING:
    from tests.conftest import Site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVERYBODY = 10_000
GOING = threading.Event()
"""Never set: nobody asks a refresh to stop."""


def settings_of(folder: Path, **sources: dict[str, Any]) -> Settings:
    """Settings of sources by name; the folders need not be there."""
    tables = [
        {"name": name, "kind": "archive", "path": str(folder / "articles"), **keys} for name, keys in sources.items()
    ]
    site = {"store": f"sqlite:///{folder}/store.db", "output": str(folder / "public")}
    return Settings.model_validate({"site": site, "source": tables})


def schedule_of(store: Store, settings: Settings, *, seed: int = 1) -> Schedule:
    return Schedule(store, settings, dice=random.Random(seed))


def planned(store: Store, settings: Settings) -> dict[str, datetime]:
    """When each source that nobody is at work on is due."""
    with store.transaction() as connection:
        standing = claims.schedule(connection, [source.name for source in settings.source])
    return {one.name: one.due for one in standing}


@dataclass
class Refreshes:
    """Stands in for the refresh: remembers who was refreshed when, and fails when told to."""

    fails: Callable[[str, datetime], bool] = lambda _name, _now: False
    ran: list[tuple[str, datetime]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def __call__(self, _store: Store, source: Source, wish: Wish, _progress: Progress) -> Tally:
        self.ran.append((source.name, wish.now))
        self.during()
        return Tally(source=source.name, error="is down" if self.fails(source.name, wish.now) else None)

    def of(self, name: str) -> list[datetime]:
        return [now for who, now in self.ran if who == name]

    def spacing(self, name: str) -> list[float]:
        return [(later - earlier).total_seconds() for earlier, later in pairwise(self.of(name))]


@pytest.fixture
def refreshes(monkeypatch: pytest.MonkeyPatch) -> Refreshes:
    """No refresh is real: this stands in for all."""
    found = Refreshes()
    monkeypatch.setattr(polling, "refresh", found)
    return found


class Driver:
    """Turns the clock second by second, and works as the daemon does; a refresh takes up to some seconds."""

    def __init__(self, plan: Schedule, *, now: datetime, longest_work: int = 0) -> None:
        self.plan = plan
        self.now = now
        self.monotonic = 1000 * SECOND
        self._longest_work = longest_work
        self._dice = random.Random(99)
        self._at_work: list[tuple[datetime, datetime, Claim]] = []

    def run(self, span: timedelta, *, step: timedelta = SECOND) -> None:
        for _ in range(span // step):
            self.tick()
            self.now += step
            self.monotonic += step

    def tick(self) -> None:
        self.plan.heed_clock(now=self.now, monotonic=self.monotonic)
        for claim in self.plan.take_folders(now=self.now, limit=EVERYBODY):
            assert claim.name not in {one.name for _, _, one in self._at_work}, "is at work already"
            done = self.now + self._dice.randint(0, self._longest_work) * SECOND
            self._at_work.append((done, self.now, claim))
        ready = [one for one in self._at_work if one[0] <= self.now]
        self._at_work = [one for one in self._at_work if one[0] > self.now]
        for _, began, claim in ready:
            self.plan.poll(claim, now=began, stop=GOING)


# An hour


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Refreshes:
    """An hour of 200 sources, from noon on; those whose name ends in "-ill" fail from a quarter past to half past."""
    folder = tmp_path_factory.mktemp("hour")
    rhythms: list[dict[str, Any]] = [
        {"every": "30s"},
        {"every": "90s"},
        {"every": "5m"},
        {"every": "7m", "jitter": "20s"},
        {"every": "20m"},
        {"cron": "*/20 * * * *", "cron_timezone": "Asia/Kathmandu"},
        {"cron": "30 7 * * 1", "cron_timezone": "America/New_York"},
        {"every": "adaptive", "min": "2m", "max": "6m"},
    ]
    sources = {
        f"{kind}-{number}{'-ill' if number % 5 == 4 else ''}": rhythm
        for kind, rhythm in enumerate(rhythms)
        for number in range(25)
    }
    assert len(sources) == 200
    refreshes = Refreshes()
    refreshes.fails = lambda name, now: name.endswith("-ill") and NOON + 15 * MINUTE <= now < NOON + 30 * MINUTE
    with Store(folder / "store.db", write=True) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "refresh", refreshes)
        plan = schedule_of(store, settings_of(folder, **sources))
        plan.start(now=NOON)
        Driver(plan, now=NOON, longest_work=4).run(HOUR)
    return refreshes


def test_an_hour_of_200_sources(hour: Refreshes) -> None:
    """Each run that is due comes once, to the second; failing sources wait twice as long each time, and come back."""
    for kind, seconds in ((0, 30), (1, 90), (2, 300), (4, 1200)):
        assert hour.of(f"{kind}-0") == [NOON + at * SECOND for at in range(0, 3600, seconds)]
    assert all(420 <= spacing <= 440 for spacing in hour.spacing("3-0"))
    assert len(set(hour.spacing("3-0") + hour.spacing("3-1"))) > 5
    assert hour.of("5-0") == [NOON, *(NOON + at * MINUTE for at in (15, 35, 55))]
    assert hour.of("6-0") == [NOON, NOON + 30 * MINUTE]
    assert all(120 <= spacing <= 360 for spacing in hour.spacing("7-0"))
    assert len({name for name, _ in hour.ran}) == 200


def test_nobody_is_asked_during_back_off(hour: Refreshes) -> None:
    """After the nth failure on end, at least nine tenths of the interval times two to the n pass."""
    for kind, seconds in ((0, 30), (1, 90), (2, 300)):
        for number in range(4, 25, 5):
            failures = 0
            for earlier, later in pairwise(hour.of(f"{kind}-{number}-ill")):
                spacing = (later - earlier).total_seconds()
                failures = failures + 1 if hour.fails("-ill", earlier) else 0
                if failures:
                    meant = seconds * 2**failures
                    assert meant * 0.9 - 1 <= spacing <= meant * 1.1 + 1
                else:
                    assert spacing == seconds


def test_a_failing_source_does_not_move_others(hour: Refreshes) -> None:
    """Sound sources of the same rhythm ran at the same times, whoever failed beside them."""
    for kind in (0, 1, 2, 4, 5, 6):
        runs = {tuple(hour.of(f"{kind}-{number}")) for number in range(25) if number % 5 != 4}
        assert len(runs) == 1


def test_an_hour_of_real_archives(site: "Site") -> None:
    """The same with real refreshes: every article that arrives is found at the next turn, and one folder's loss
    costs the others nothing."""
    archives = {name: site.add_source(name, every=every) for name, every in (("quick", "1m"), ("slow", "10m"))}
    site.sources[0]["every"] = "5m"
    for archive in (site.archive, *archives.values()):
        archive.write_many(3)
    settings = site.settings()
    with Store(site.address, write=True) as store:
        plan = schedule_of(store, settings)
        plan.start(now=NOON)
        driver = Driver(plan, now=NOON)
        driver.run(10 * MINUTE, step=5 * SECOND)
        archives["quick"].root.rename(site.folder / "away")
        archives["slow"].write(7)
        driver.run(10 * MINUTE, step=5 * SECOND)
        (site.folder / "away").rename(archives["quick"].root)
        driver.run(40 * MINUTE, step=5 * SECOND)
    assert dict(
        site.query("SELECT s.name, count(*) FROM articles a JOIN sources s ON s.id = a.source_id GROUP BY 1")
    ) == {
        "voa": 3,
        "quick": 3,
        "slow": 4,
    }
    began = {
        name: [
            (at - NOON.timestamp() * 1000) / 60_000
            for (at,) in site.query(
                "SELECT started_at FROM polls p JOIN sources s ON s.id = p.source_id WHERE s.name = ? ORDER BY p.id",
                name,
            )
        ]
        for name in ("voa", "slow", "quick")
    }
    assert began["voa"] == list(range(0, 60, 5))
    assert began["slow"] == list(range(0, 60, 10))
    failing = [at for at in began["quick"] if 10 <= at < 20]
    assert len(failing) == 3
    assert failing[0] == 10
    assert site.query("SELECT failures FROM sources WHERE name = 'quick'") == [(0,)]


# Restarts


def test_a_restart_keeps_the_schedule(store: Store, tmp_path: Path, refreshes: Refreshes) -> None:
    """What is not overdue keeps its instant, and nobody is asked before it."""
    settings = settings_of(tmp_path, **{f"s{number}": {"every": f"{number + 5}m"} for number in range(30)})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    Driver(plan, now=NOON).run(4 * MINUTE)
    before = planned(store, settings)
    again = schedule_of(store, settings)
    again.start(now=NOON + 4 * MINUTE)
    assert planned(store, settings) == before
    Driver(again, now=NOON + 4 * MINUTE).run(31 * MINUTE)
    assert refreshes.of("s10") == [NOON, NOON + 15 * MINUTE, NOON + 30 * MINUTE]


@pytest.mark.parametrize("minutes", [25, 9 * 60])
def test_overdue_sources_are_spread_over_a_minute(
    store: Store, tmp_path: Path, refreshes: Refreshes, minutes: int
) -> None:
    """After a long stop each overdue source runs once within the minute, never more than a few in the same second."""
    settings = settings_of(tmp_path, **{f"s{number}": {"every": "20m"} for number in range(200)})
    schedule_of(store, settings).start(now=NOON)
    back = NOON + minutes * MINUTE
    plan = schedule_of(store, settings)
    plan.start(now=back)
    Driver(plan, now=back).run(10 * MINUTE)
    assert sorted(name for name, _ in refreshes.ran) == sorted(f"s{number}" for number in range(200))
    counts: dict[datetime, int] = defaultdict(int)
    for _, at in refreshes.ran:
        counts[at] += 1
    assert max(counts.values()) <= 5
    assert max(counts) <= back + MINUTE
    assert min(counts) == back


def test_a_short_stop_delays_nobody_by_more_than_it_took(store: Store, tmp_path: Path) -> None:
    """What is late by some seconds is spread over as many, and not over a minute."""
    settings = settings_of(tmp_path, **{f"s{number}": {"every": "30s"} for number in range(50)})
    schedule_of(store, settings).start(now=NOON)
    schedule_of(store, settings).start(now=NOON + 5 * SECOND)
    due = sorted(planned(store, settings).values())
    assert due[0] == NOON + 5 * SECOND
    assert NOON + 9 * SECOND < due[-1] < NOON + 10 * SECOND


def test_claims_of_a_killed_process_are_taken_back(store: Store, tmp_path: Path, refreshes: Refreshes) -> None:
    """What was at work when the process died is still due for the next one."""
    settings = settings_of(tmp_path, a={"every": "10m"}, b={"every": "10m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    assert len(plan.take_folders(now=NOON, limit=1)) == 1
    assert plan.waiting(now=NOON) == 1
    again = schedule_of(store, settings)
    again.start(now=NOON + SECOND)
    Driver(again, now=NOON + SECOND).run(5 * MINUTE)
    assert sorted(name for name, _ in refreshes.ran) == ["a", "b"]


def test_a_rhythm_that_became_quicker_is_heeded_at_once(store: Store, tmp_path: Path, refreshes: Refreshes) -> None:
    """Nobody waits half a day because that was the rhythm before; by a restart or by a reload."""
    slow, quick = (settings_of(tmp_path, a={"every": every}) for every in ("12h", "5m"))
    for reload in (True, False):
        plan = schedule_of(store, slow)
        plan.start(now=NOON)
        plan.hasten("a", now=NOON)
        Driver(plan, now=NOON).run(SECOND)
        assert planned(store, slow) == {"a": NOON + 12 * HOUR}
        if reload:
            plan.use(quick)
            plan.enter_new(now=NOON + MINUTE)
        else:
            schedule_of(store, quick).start(now=NOON + MINUTE)
        assert planned(store, quick) == {"a": NOON + MINUTE}


def test_a_source_that_is_new_is_due_at_once_and_moves_nobody(store: Store, tmp_path: Path) -> None:
    """As settings that are read again bring it."""
    plan = schedule_of(store, settings_of(tmp_path, a={"every": "10m"}))
    plan.start(now=NOON)
    plan.hasten("a", now=NOON)
    with store.transaction() as connection:
        claims.set_due(connection, {"a": NOON + 7 * MINUTE})
    more = settings_of(tmp_path, a={"every": "10m"}, b={"every": "10m"})
    plan.use(more)
    plan.enter_new(now=NOON + MINUTE)
    assert planned(store, more) == {"a": NOON + 7 * MINUTE, "b": NOON + MINUTE}


def test_a_source_that_left_the_settings_while_it_waited_is_let_go(
    store: Store, tmp_path: Path, refreshes: Refreshes
) -> None:
    """Nothing is refreshed that the settings no longer name; when it is back, it is still due."""
    both = settings_of(tmp_path, a={"every": "10m"}, b={"every": "10m"})
    plan = schedule_of(store, both)
    plan.start(now=NOON)
    taken = plan.take_folders(now=NOON, limit=2)
    plan.use(settings_of(tmp_path, a={"every": "10m"}))
    done = [plan.poll(claim, now=NOON, stop=GOING) for claim in taken]
    assert [(one.claim.name, one.tally is None) for one in done] == [("a", False), ("b", True)]
    plan.use(both)
    assert [claim.name for claim in plan.take_folders(now=NOON, limit=2)] == ["b"]


# Sleep, and clocks that are set


def standing(store: Store, tmp_path: Path) -> tuple[Settings, Driver]:
    """A hundred sources of every half hour, in the middle of things."""
    settings = settings_of(tmp_path, **{f"s{number}": {"every": "30m"} for number in range(100)})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    with store.transaction() as connection:
        claims.set_due(connection, {f"s{number}": NOON + number * 15 * SECOND for number in range(100)})
    driver = Driver(plan, now=NOON)
    driver.run(30 * MINUTE)
    return settings, driver


@pytest.mark.parametrize("counted", [True, False], ids=["the monotonic clock goes on", "the monotonic clock stops"])
def test_a_sleep_of_nine_hours_costs_one_run_each(
    store: Store, tmp_path: Path, refreshes: Refreshes, counted: bool
) -> None:
    """Missed runs are not made up for, and the one that comes is not at the same moment for all."""
    _, driver = standing(store, tmp_path)
    refreshes.ran.clear()
    driver.now += 9 * HOUR
    driver.monotonic += 9 * HOUR if counted else timedelta()
    driver.run(30 * MINUTE)
    assert sorted(name for name, _ in refreshes.ran) == sorted(f"s{number}" for number in range(100))
    counts: dict[datetime, int] = defaultdict(int)
    for _, at in refreshes.ran:
        counts[at] += 1
    assert max(counts.values()) <= 3


@pytest.mark.parametrize("years", [10, -10, 1 / 8766, -1 / 8766], ids=["+10y", "-10y", "+1h", "-1h"])
def test_the_schedule_goes_on_as_on_the_monotonic_clock(
    store: Store, tmp_path: Path, refreshes: Refreshes, years: float
) -> None:
    """Whatever the wall clock is set to, every source comes when its time has passed: not at once, not in years."""
    _, driver = standing(store, tmp_path)
    began = refreshes.of("s20")
    refreshes.ran.clear()
    jump = round(years * 8766) * HOUR
    driver.now += jump
    said = driver.plan.heed_clock(now=driver.now, monotonic=driver.monotonic)
    assert said == jump
    driver.run(30 * MINUTE)
    assert refreshes.of("s20") == [began[0] + jump + 30 * MINUTE]
    assert len(refreshes.ran) == 100
    assert driver.plan.heed_clock(now=driver.now, monotonic=driver.monotonic) is None


def set_the_clock(plan: Schedule, now: datetime) -> None:
    plan.heed_clock(now=now, monotonic=HOUR)


@pytest.mark.parametrize("years", [10, -10])
def test_a_source_at_work_while_the_clock_is_set_is_not_lost(store: Store, tmp_path: Path, years: int) -> None:
    """Its next turn is an interval after the last on the monotonic clock, like everybody's."""
    settings = settings_of(tmp_path, a={"every": "30m"}, b={"every": "30m"})
    jump = years * 365 * DAY
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    plan.heed_clock(now=NOON, monotonic=HOUR)
    with pytest.MonkeyPatch.context() as patch:
        moving = Refreshes(during=lambda: set_the_clock(plan, NOON + jump))
        patch.setattr(polling, "refresh", moving)
        first, second = plan.take_folders(now=NOON, limit=2)
        done = plan.poll(first, now=NOON, stop=GOING)
        late = plan.poll(second, now=NOON + jump, stop=GOING)
    assert planned(store, settings) == {"a": NOON + jump + 30 * MINUTE, "b": NOON + jump + 30 * MINUTE}
    assert (done.next_poll_at, late.next_poll_at) == (NOON + jump + 30 * MINUTE,) * 2


def test_small_steps_of_the_clock_are_no_matter(store: Store, tmp_path: Path) -> None:
    """A correction by some seconds moves nothing."""
    settings = settings_of(tmp_path, a={"every": "30m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    for seconds in (0, 10, -10, 25):
        assert plan.heed_clock(now=NOON + seconds * SECOND, monotonic=HOUR) is None
    assert planned(store, settings) == {"a": NOON}


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        (HOUR, [datetime(2026, 11, 23, 13, 30, tzinfo=UTC)]),
        (3 * HOUR, [datetime(2026, 11, 23, 15, 10, tzinfo=UTC)]),
        (-3 * HOUR, [datetime(2026, 11, 23, 9, 30, tzinfo=UTC), datetime(2026, 11, 23, 13, 30, tzinfo=UTC)]),
    ],
    ids=["before its turn", "over its turn", "back before an earlier turn"],
)
def test_cron_lines_stay_on_the_wall_clock(
    store: Store, tmp_path: Path, refreshes: Refreshes, jump: timedelta, expected: list[datetime]
) -> None:
    """Their turns are told by the clock on the wall, however it is set; a turn that it was set over comes at once."""
    settings = settings_of(tmp_path, a={"cron": "30 9,13 * * *"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    driver = Driver(plan, now=NOON)
    driver.run(10 * MINUTE, step=10 * SECOND)
    refreshes.ran.clear()
    driver.now += jump
    driver.run(5 * HOUR, step=10 * SECOND)
    assert refreshes.of("a") == expected


def test_after_a_restart_with_a_clock_set_back_nobody_waits_for_years(
    store: Store, tmp_path: Path, refreshes: Refreshes
) -> None:
    """The schedule of a clock that ran ahead is not believed; and its sources do not come all at once."""
    settings = settings_of(
        tmp_path,
        cron={"cron": "0 6 * * *"},
        adaptive={"every": "adaptive"},
        **{f"s{number}": {"every": "30m"} for number in range(98)},
    )
    ahead = NOON + 3650 * DAY
    plan = schedule_of(store, settings)
    plan.start(now=ahead)
    Driver(plan, now=ahead).run(SECOND)
    refreshes.ran.clear()
    again = schedule_of(store, settings)
    again.start(now=NOON)
    Driver(again, now=NOON).run(2 * MINUTE)
    assert len({name for name, _ in refreshes.ran}) == len(refreshes.ran) == 100
    assert len({at for _, at in refreshes.ran}) >= 50


# Failures


def test_failures_back_off_and_success_ends_them(store: Store, tmp_path: Path, refreshes: Refreshes) -> None:
    """The wait doubles up to half a day; one success, and the rhythm is as before."""
    settings = settings_of(tmp_path, a={"every": "15m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    refreshes.fails = lambda _name, _now: True
    now = NOON
    for failures in range(1, 40):
        (claim,) = plan.take_folders(now=now, limit=1)
        done = plan.poll(claim, now=now, stop=GOING)
        assert done.failures == failures
        meant = min(15 * MINUTE * 2 ** min(failures, 20), LONGEST_BACKOFF)
        assert meant * 0.9 - SECOND <= done.next_poll_at - now <= meant * 1.1
        assert plan.take_folders(now=done.next_poll_at - SECOND, limit=1) == []
        now = done.next_poll_at
    refreshes.fails = lambda _name, _now: False
    (claim,) = plan.take_folders(now=now, limit=1)
    done = plan.poll(claim, now=now, stop=GOING)
    assert (done.failures, done.next_poll_at) == (0, now + 15 * MINUTE)


def test_failures_outlive_a_restart(store: Store, tmp_path: Path, refreshes: Refreshes) -> None:
    """A restart neither forgets how often a source has failed nor hastens it."""
    settings = settings_of(tmp_path, a={"every": "15m"})
    refreshes.fails = lambda _name, _now: True
    now = NOON
    for failures in range(1, AILING_AFTER + 1):
        plan = schedule_of(store, settings)
        plan.start(now=now)
        (claim,) = plan.take_folders(now=now, limit=1)
        done = plan.poll(claim, now=now, stop=GOING)
        assert done.failures == failures
        plan = schedule_of(store, settings)
        plan.start(now=now + MINUTE)
        assert planned(store, settings) == {"a": done.next_poll_at}
        now = done.next_poll_at


def test_a_build_by_hand_that_succeeds_ends_the_failures(store: Store) -> None:
    """What succeeded fails no more, whoever refreshed it."""
    with store.transaction() as connection:
        claims.enter(connection, ["a"], now=NOON)
        claims.hold(connection, "me", lease=None)
        (claim,) = claims.claim(connection, ["a"], holder="me", now=NOON, limit=1)
        claims.settle(connection, claim, next_poll_at=NOON + DAY, failures=7)
        polls.record_success(connection, 1, Poll(started_at=NOON, finished_at=NOON), shape="x")
        assert claims.schedule(connection, ["a"]) == [Planned(name="a", due=NOON + DAY, failures=0)]


def test_a_store_that_cannot_be_written_is_a_named_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim stays, so that nobody else begins; the next start gives it back."""

    def full(*_: object) -> Tally:
        raise StoreError("store.db: cannot be written: the disk is full")

    monkeypatch.setattr(polling, "refresh", full)
    settings = settings_of(tmp_path, a={"every": "15m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    (claim,) = plan.take_folders(now=NOON, limit=1)
    with pytest.raises(StoreError, match="disk is full"):
        plan.poll(claim, now=NOON, stop=GOING)
    assert plan.take_folders(now=NOON + HOUR, limit=1) == []
    again = schedule_of(store, settings)
    again.start(now=NOON + HOUR)
    assert [one.name for one in again.take_folders(now=NOON + HOUR, limit=1)] == ["a"]


# Stopping


def test_stopping_keeps_what_is_read_and_the_source_stays_due(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches a refresh ends; that is no failure, and the next one reads only the rest."""
    monkeypatch.setattr(gathering, "BATCH_FILES", 5)
    site.archive.write_many(20)
    settings = site.settings()
    stop = threading.Event()
    stop.set()
    with Store(site.address, write=True) as store:
        plan = schedule_of(store, settings)
        plan.start(now=NOON)
        (claim,) = plan.take_folders(now=NOON, limit=1)
        done = plan.poll(claim, now=NOON, stop=stop)
        assert (done.tally, done.failures, done.next_poll_at) == (None, 0, NOON)
        with store.transaction() as connection:
            assert polls.count(connection, "voa") == 5
            assert polls.summary(connection, "voa", now=NOON, normaliser=1).last_error is None
        (claim,) = plan.take_folders(now=NOON + SECOND, limit=1)
        done = plan.poll(claim, now=NOON + SECOND, stop=GOING)
        assert done.tally
        assert (done.tally.read, done.tally.new) == (15, 15)


def test_stopping_does_not_forget_failures(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that was failing goes on where it was."""
    settings = settings_of(tmp_path, a={"every": "15m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    (claim,) = plan.take_folders(now=NOON, limit=1)
    with store.transaction() as connection:
        claims.settle(connection, claim, next_poll_at=NOON, failures=3)
    stop = threading.Event()

    def interrupted(_store: Store, source: Source, _wish: Wish, progress: Progress) -> Tally:
        stop.set()
        progress(1, 2)
        return Tally(source=source.name)

    monkeypatch.setattr(polling, "refresh", interrupted)
    (claim,) = plan.take_folders(now=NOON, limit=1)
    plan.poll(claim, now=NOON, stop=stop)
    with store.transaction() as connection:
        assert claims.schedule(connection, ["a"]) == [Planned(name="a", due=NOON, failures=3)]


# Six hundred days


@pytest.fixture
def long_run(site: "Site") -> Iterator[tuple[Store, Callable[[int], None]]]:
    """A store, and a way to let so many half days pass; each has a real refresh of one file."""
    site.archive.write(1)
    site.sources[0]["every"] = "12h"
    settings = site.settings()
    with Store(site.address, write=True) as store:
        event.listen(store._home.engine, "checkout", _without_waiting_for_the_disk)
        plan = schedule_of(store, settings)
        plan.start(now=NOON)
        clock = [NOON]

        def pass_half_days(count: int) -> None:
            for _ in range(count):
                (claim,) = plan.take_folders(now=clock[0], limit=1)
                done = plan.poll(claim, now=clock[0], stop=GOING)
                assert done.tally
                assert done.tally.error is None
                assert done.next_poll_at == clock[0] + 12 * HOUR
                clock[0] += 12 * HOUR

        yield store, pass_half_days


def _without_waiting_for_the_disk(connection: Any, *_: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.mark.sqlite
def test_six_hundred_days_of_polls_take_no_room(long_run: tuple[Store, Callable[[int], None]]) -> None:
    """1,200 refreshes of a source that does not change: neither the file nor the memory grows with them."""
    store, pass_half_days = long_run

    def pages() -> int:
        with store.transaction() as connection:
            return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    def bytes_held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    pass_half_days(200)
    store.tidy()
    before = pages()
    tracemalloc.start()
    try:
        pass_half_days(200)
        warm = bytes_held()
        pass_half_days(300)
        hot = bytes_held()
    finally:
        tracemalloc.stop()
    pass_half_days(500)
    store.tidy()
    assert pages() <= before + 2
    assert Path(store.name).stat().st_size <= (before + 2) * 4096
    assert Path(f"{store.name}-wal").stat().st_size == 0
    assert hot - warm < 30_000
    with store.transaction() as connection:
        assert polls.count(connection, "voa") == 1
        kept = connection.exec_driver_sql("SELECT count(*), max(started_at) FROM polls").one()
    assert tuple(kept) == (polls.POLLS_KEPT, (NOON + 1_199 * 12 * HOUR).timestamp() * 1000)


# Sources on the web


def sites_of(folder: Path, **sources: dict[str, Any]) -> Settings:
    """Settings of sources on the web by name; nobody is asked."""
    tables = [
        {"name": name, "kind": "feed", "url": f"https://{name}.example/", **keys} for name, keys in sources.items()
    ]
    site = {"store": f"sqlite:///{folder}/store.db", "output": str(folder / "public")}
    return Settings.model_validate({"site": site, "source": tables})


def told(plan: Schedule, *, now: datetime, **tally: Any) -> polling.Polled:
    """Claim the one source that is due, and settle it with what its refresh is said to have done."""
    (claim,) = plan.take_sites(now=now, limit=1, at_work=())
    return plan.settle(claim, Tally(source=claim.name, kind="feed", **tally))


def test_a_site_is_not_asked_sooner_than_it_wishes(store: Store, tmp_path: Path) -> None:
    """The rhythm is our wish; the later of the two counts, after a success as after a failure."""
    plan = schedule_of(store, sites_of(tmp_path, a={"every": "30m"}))
    plan.start(now=NOON)
    assert told(plan, now=NOON, not_before=NOON + 10 * MINUTE).next_poll_at == NOON + 30 * MINUTE
    now = NOON + 30 * MINUTE
    assert told(plan, now=now, not_before=now + 2 * HOUR).next_poll_at == now + 2 * HOUR
    now += 2 * HOUR
    done = told(plan, now=now, error="429", not_before=now + 5 * HOUR)
    assert (done.failures, done.next_poll_at) == (1, now + 5 * HOUR)
    now += 5 * HOUR
    done = told(plan, now=now, error="404")
    assert done.failures == 2
    assert 1.8 * HOUR <= done.next_poll_at - now <= 2.2 * HOUR


def test_a_cron_line_is_not_followed_sooner_than_the_site_wishes(store: Store, tmp_path: Path) -> None:
    """Nor is an adaptive rhythm."""
    for rhythm in ({"cron": "*/5 * * * *"}, {"every": "adaptive", "min": "5m"}):
        plan = schedule_of(store, sites_of(tmp_path, a=rhythm))
        plan.start(now=NOON)
        plan.hasten("a", now=NOON)
        assert told(plan, now=NOON, not_before=NOON + 2 * DAY).next_poll_at == NOON + 2 * DAY


def test_who_was_not_asked_has_neither_failed_nor_recovered(store: Store, tmp_path: Path) -> None:
    """The count of failures stays; the source comes in its rhythm again, or when the wish is over."""
    plan = schedule_of(store, sites_of(tmp_path, a={"every": "30m"}))
    plan.start(now=NOON)
    now = NOON
    for failures in (1, 2, 3):
        done = told(plan, now=now, error="500")
        assert done.failures == failures
        now = done.next_poll_at
    done = told(plan, now=now, asked=False, not_before=now + 9 * HOUR)
    assert (done.failures, done.next_poll_at) == (3, now + 9 * HOUR)
    now += 9 * HOUR
    done = told(plan, now=now, asked=False)
    assert (done.failures, done.next_poll_at) == (3, now + 30 * MINUTE)


@pytest.mark.parametrize("error", ["404 Not Found", "403 Forbidden", "500 Internal Server Error"])
def test_a_site_that_fails_is_asked_ever_less_often(store: Store, tmp_path: Path, error: str) -> None:
    """The wait doubles from failure to failure up to half a day."""
    plan = schedule_of(store, sites_of(tmp_path, a={"every": "30m"}))
    plan.start(now=NOON)
    now, waits = NOON, []
    for _ in range(8):
        done = told(plan, now=now, error=error)
        waits.append((done.next_poll_at - now) / HOUR)
        now = done.next_poll_at
    for wait, meant in zip(waits, [1, 2, 4, 8, 12, 12, 12, 12], strict=True):
        assert 0.9 * meant - 0.001 <= wait <= 1.1 * meant


def test_what_is_gone_is_never_due(store: Store, tmp_path: Path) -> None:
    """Not after a restart, not after a year; under another address it is due at once."""
    before = sites_of(tmp_path, a={"every": "30m"})
    plan = schedule_of(store, before)
    plan.start(now=NOON)
    with store.transaction() as connection:
        visits.keep_visit(connection, 1, Visit(url="https://a.example/"))
        visits.note_gone(connection, 1, at=NOON)
    told_of = [plan.take_sites(now=NOON + days * DAY, limit=1, at_work=()) for days in (0, 1, 400)]
    again = schedule_of(store, before)
    again.start(now=NOON + DAY)
    assert [*told_of, again.take_sites(now=NOON + 400 * DAY, limit=1, at_work=())] == [[], [], [], []]
    assert again.waiting(now=NOON + 400 * DAY) == 0
    again.use(sites_of(tmp_path, a={"every": "30m", "url": "https://a.example/new"}))
    again.enter_new(now=NOON + 2 * DAY)
    (claim,) = again.take_sites(now=NOON + 2 * DAY, limit=1, at_work=())
    assert (claim.due, claim.failures) == (NOON + 2 * DAY, 0)


def test_a_wish_outlives_a_restart(store: Store, tmp_path: Path) -> None:
    """Also where the rhythm has become quicker meanwhile, and where the source was overdue."""
    plan = schedule_of(store, sites_of(tmp_path, a={"every": "1d"}))
    plan.start(now=NOON)
    with store.transaction() as connection:
        visits.note_wish(connection, 1, not_before=NOON + 3 * HOUR)
    for every in ("1d", "5m"):
        again = schedule_of(store, sites_of(tmp_path, a={"every": every}))
        again.start(now=NOON + HOUR)
        assert planned(store, sites_of(tmp_path, a={})) == {"a": NOON + 3 * HOUR}


def test_a_wish_of_a_clock_that_ran_ahead_is_not_heeded(store: Store, tmp_path: Path) -> None:
    """Nobody wishes to be left alone for years."""
    settings = sites_of(tmp_path, a={"every": "30m"})
    ahead = NOON + 3650 * DAY
    plan = schedule_of(store, settings)
    plan.start(now=ahead)
    told(plan, now=ahead, not_before=ahead + HOUR)
    with store.transaction() as connection:
        visits.note_wish(connection, 1, not_before=ahead + HOUR)
    schedule_of(store, settings).start(now=NOON)
    assert planned(store, settings) == {"a": NOON}


def test_a_set_clock_moves_wishes_too(store: Store, tmp_path: Path) -> None:
    """They last as long as they were meant to."""
    settings = sites_of(tmp_path, a={"every": "30m"})
    plan = schedule_of(store, settings)
    plan.start(now=NOON)
    plan.heed_clock(now=NOON, monotonic=HOUR)
    done = told(plan, now=NOON, not_before=NOON + 2 * HOUR)
    with store.transaction() as connection:
        visits.note_wish(connection, 1, not_before=done.next_poll_at)
    plan.heed_clock(now=NOON + DAY, monotonic=HOUR)
    with store.transaction() as connection:
        (one,) = claims.schedule(connection, ["a"])
    assert (one.due, one.not_before) == (NOON + DAY + 2 * HOUR, NOON + DAY + 2 * HOUR)


def test_folders_and_sites_are_claimed_apart(store: Store, tmp_path: Path) -> None:
    """Neither takes the other's places."""
    tables = [
        {"name": "folder", "kind": "archive", "path": str(tmp_path / "articles")},
        {"name": "site", "kind": "feed", "url": "https://a.example/"},
    ]
    plan = schedule_of(store, Settings.model_validate({"source": tables}))
    plan.start(now=NOON)
    later = NOON + 2 * MINUTE
    assert [claim.name for claim in plan.take_sites(now=later, limit=9, at_work=())] == ["site"]
    (claim,) = plan.take_folders(now=later, limit=9)
    assert claim.name == "folder"


def test_few_of_one_host_are_claimed_at_a_time(store: Store, tmp_path: Path) -> None:
    """A host with many sources takes no places from the others: its sources would only stand in line."""
    many = {f"s{number:02}": {"url": f"https://many.example/{number}"} for number in range(20)}
    few: dict[str, dict[str, Any]] = {f"t{number:02}": {} for number in range(4)}
    plan = schedule_of(store, sites_of(tmp_path, **many, **few))
    plan.start(now=NOON)
    taken = [claim.name for claim in plan.take_sites(now=NOON, limit=10, at_work=())]
    assert taken == ["s00", "s01", "t00", "t01", "t02", "t03"]
    assert plan.take_sites(now=NOON, limit=10, at_work=taken) == []
    assert [one.name for one in plan.take_sites(now=NOON, limit=10, at_work=[*taken[1:], "unknown"])] == ["s02"]
    assert plan.take_sites(now=NOON, limit=0, at_work=()) == []


def test_a_site_that_left_the_settings_while_it_was_asked_is_let_go(store: Store, tmp_path: Path) -> None:
    """It is still due, should it come back."""
    both = sites_of(tmp_path, a={}, b={})
    plan = schedule_of(store, both)
    plan.start(now=NOON)
    claim = next(one for one in plan.take_sites(now=NOON, limit=2, at_work=()) if one.name == "b")
    plan.use(sites_of(tmp_path, a={}))
    done = plan.settle(claim, Tally(source="b", kind="feed", new=1))
    assert (done.tally, done.next_poll_at) == (None, NOON)


def test_what_was_noticed_does_between_looks_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a folder is looked at first, once in its rhythm, after a failure, and with new settings."""
    wishes: list[Wish] = []
    errors: list[str | None] = []

    def look(_store: Store, source: Source, wish: Wish, _progress: Progress) -> Tally:
        wishes.append(wish)
        error = errors.pop() if errors else None
        return Tally(source=source.name, error=error, is_whole=wish.noticed is None)

    monkeypatch.setattr(polling, "refresh", look)
    settings = settings_of(tmp_path, a={"every": "1h"})
    places = frozenset({tmp_path / "articles/1.md"})
    with Store(settings.site.store, write=True) as store:
        plan = schedule_of(store, settings)
        plan.start(now=NOON)

        def is_whole(after: timedelta) -> bool:
            now = NOON + after
            plan.hasten("a", now=now)
            (claim,) = plan.take_folders(now=now, limit=1)
            plan.poll(claim, now=now, stop=GOING, noticed=places)
            return wishes[-1].noticed is None

        assert [is_whole(minutes * MINUTE) for minutes in (1, 2, 30, 60, 61, 62)] == [
            *(True, False, False, False),
            *(True, False),
        ]
        errors.append("is down")
        assert [is_whole(minutes * MINUTE) for minutes in (63, 64, 65)] == [False, True, False]
        plan.use(settings)
        assert [is_whole(minutes * MINUTE) for minutes in (66, 67)] == [True, False]
