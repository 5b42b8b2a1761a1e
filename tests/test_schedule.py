"""When a source is next due."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge import schedule
from feedbridge.schedule import Rhythm

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE


def after_success(
    rhythm: Rhythm, *, due: datetime = NOON, now: datetime = NOON, history: tuple[datetime, ...] = ()
) -> datetime:
    return schedule.after_success(rhythm, due=due, now=now, history=history, dice=random.Random(1))


def test_a_fixed_interval_keeps_its_grid() -> None:
    """A refresh that began late or took a while does not move those after it."""
    assert after_success(Rhythm(every=QUARTER), due=NOON, now=NOON + 4 * MINUTE) == NOON + QUARTER


def test_missed_runs_are_not_made_up_for() -> None:
    """After a night's sleep there is one run, and the next a whole interval later."""
    assert after_success(Rhythm(every=QUARTER), due=NOON - timedelta(hours=9), now=NOON) == NOON + QUARTER


def test_jitter_comes_on_top_and_has_its_bound() -> None:
    """Jitter only ever makes a run later, by no more than it may."""
    dice = random.Random(7)
    rhythm = Rhythm(every=QUARTER, jitter=MINUTE)
    found = [schedule.after_success(rhythm, due=NOON, now=NOON, history=(), dice=dice) for _ in range(200)]
    assert min(found) >= NOON + QUARTER
    assert max(found) <= NOON + QUARTER + MINUTE
    assert len(set(found)) > 30


def test_a_cron_line_is_read_in_its_zone() -> None:
    """Six in the morning in Shanghai is ten in the evening in UTC."""
    rhythm = Rhythm(cron="0 6 * * *", zone="Asia/Shanghai")
    assert after_success(rhythm) == datetime(2026, 11, 23, 22, tzinfo=UTC)


def test_a_cron_turn_is_strictly_later() -> None:
    """A run at its turn is followed by the next turn, not by the same."""
    assert after_success(Rhythm(cron="*/15 * * * *")) == NOON + QUARTER


def test_a_cron_line_outlives_the_end_of_summer_time() -> None:
    """The hour that comes twice neither loses nor doubles the day's run."""
    berlin = ZoneInfo("Europe/Berlin")
    rhythm = Rhythm(cron="30 2 * * *", zone="Europe/Berlin")
    at = datetime(2026, 10, 23, 2, 30, tzinfo=berlin).astimezone(UTC)
    days = []
    for _ in range(5):
        at = after_success(rhythm, due=at, now=at)
        days.append(at.astimezone(berlin).day)
    assert days == [24, 25, 26, 27, 28]


def test_a_cron_line_without_a_turn_is_refused() -> None:
    """The 30th of February never comes."""
    with pytest.raises(ValueError, match="no turn within five years"):
        schedule.next_by_cron("0 0 30 2 *", "UTC", after=NOON)


def test_an_adaptive_rhythm_follows_the_history() -> None:
    """An article every four hours asks for a look every two."""
    history = tuple(NOON - timedelta(hours=4 * count) for count in range(20))
    assert after_success(Rhythm(), history=history) == NOON + timedelta(hours=2)


@pytest.mark.parametrize(
    ("hours", "expected"), [(0.01, timedelta(minutes=5)), (24 * 30, timedelta(days=1))], ids=["rapid", "rare"]
)
def test_an_adaptive_rhythm_stays_within_its_bounds(hours: float, expected: timedelta) -> None:
    """Neither a rapid nor a rare source leads out of `min` and `max`."""
    history = tuple(NOON - timedelta(hours=hours * count) for count in range(20))
    assert after_success(Rhythm(), history=history) == NOON + expected


def test_an_adaptive_rhythm_slows_down_in_a_silence() -> None:
    """A source that fell silent is asked less and less often."""
    history = tuple(NOON - timedelta(days=2, minutes=30 * count) for count in range(20))
    assert after_success(Rhythm(), history=history) == NOON + timedelta(hours=6)


def test_an_adaptive_rhythm_without_history_is_unhurried() -> None:
    """Nothing known: the longest interval."""
    assert after_success(Rhythm()) == NOON + timedelta(days=1)


def test_failures_wait_twice_as_long_each_time() -> None:
    """Exponential back-off, with a tenth of jitter either way, up to the longest."""
    dice = random.Random(3)
    rhythm = Rhythm(every=QUARTER)
    for failures in range(1, 60):
        wait = schedule.after_failure(rhythm, now=NOON, failures=failures, dice=dice) - NOON
        meant = min(QUARTER * 2 ** min(failures, 20), schedule.LONGEST_BACKOFF)
        assert meant * 0.9 - timedelta(seconds=1) <= wait <= meant * 1.1


def test_a_slow_rhythm_is_not_hastened_by_failure() -> None:
    """A source that is asked once a week, or at six in the morning, is not asked sooner because it failed."""
    for seed in range(20):
        for failures in (1, 3, 28, 1000):
            dice = random.Random(seed)
            weekly = Rhythm(every=timedelta(days=7))
            assert schedule.after_failure(weekly, now=NOON, failures=failures, dice=dice) >= NOON + timedelta(days=7)
            daily = Rhythm(cron="0 12 * * *")
            assert schedule.after_failure(daily, now=NOON, failures=failures, dice=dice) >= NOON + timedelta(days=1)


def test_silence_is_measured_by_the_habit() -> None:
    """Daily news that stop for a week are silent; a weekly letter that rests for a week is not."""
    daily = [NOON - timedelta(days=7 + count) for count in range(20)]
    weekly = [NOON - timedelta(days=7 + 7 * count) for count in range(20)]
    assert schedule.is_silent(daily, now=NOON)
    assert not schedule.is_silent(weekly, now=NOON)
    assert not schedule.is_silent(daily[:3], now=NOON)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("*", "mon tue wed thu fri sat sun"),
        ("0", "sun"),
        ("1", "mon"),
        ("7", "sun"),
        ("1-5", "mon tue wed thu fri"),
        ("0-2", "mon tue sun"),
        ("5-7", "fri sat sun"),
        ("0,3,6", "wed sat sun"),
        ("1-5/2", "mon wed fri"),
        ("4/2", "thu sat"),
        ("mon-wed", "mon tue wed"),
        ("SUN", "sun"),
        ("1,sat", "mon sat"),
    ],
)
def test_weekdays_count_as_cron_counts_them(days: str, expected: str) -> None:
    """From Sunday, which is 0 and 7; names and lists are read as well."""
    at, found = datetime(2026, 11, 22, 23, tzinfo=UTC), []
    while (at := schedule.next_by_cron(f"30 6 * * {days}", "UTC", after=at)) < datetime(2026, 11, 30, tzinfo=UTC):
        found.append(at.strftime("%a").lower())
    assert " ".join(found) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "15 1 * * *", "0 6 * * *"])
def test_a_daily_line_has_one_turn_each_day_of_the_year(cron: str, zone: str) -> None:
    """Also on the days when the clocks are set forward or back, whatever the hour."""
    at, days = datetime(2026, 1, 1, 12, tzinfo=UTC), []
    for _ in range(365):
        at = schedule.next_by_cron(cron, zone, after=at)
        days.append(at.astimezone(ZoneInfo(zone)).date())
    assert days == [days[0] + timedelta(days=count) for count in range(365)]


def test_a_line_of_every_quarter_goes_on_while_clocks_are_set() -> None:
    """An interval in a cron line stays one, in the hour that comes twice and around the one that does not come."""
    for start in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        at = start
        for _ in range(24):
            following = schedule.next_by_cron("*/15 * * * *", "Europe/Berlin", after=at)
            assert following - at == QUARTER
            at = following


@pytest.mark.parametrize(
    ("rhythm", "longest"),
    [
        (Rhythm(every=QUARTER), QUARTER),
        (Rhythm(every=QUARTER, jitter=MINUTE), QUARTER + MINUTE),
        (Rhythm(cron="0 13 * * *", jitter=MINUTE), timedelta(hours=1, minutes=1)),
        (Rhythm(longest=timedelta(days=2)), timedelta(days=2)),
    ],
)
def test_what_a_rhythm_can_reach(rhythm: Rhythm, longest: timedelta) -> None:
    """A sound source is due within its interval; one that fails, within the longest back-off and its jitter."""
    assert schedule.latest(rhythm, now=NOON, failures=0) == NOON + longest
    assert schedule.latest(rhythm, now=NOON, failures=1) >= NOON + schedule.LONGEST_BACKOFF


@given(
    every=st.one_of(st.none(), st.timedeltas(timedelta(seconds=1), timedelta(days=400))),
    late=st.timedeltas(timedelta(), timedelta(days=4000)),
    jitter=st.timedeltas(timedelta(), timedelta(days=1)),
    failures=st.integers(0, 1000),
    history=st.lists(st.integers(-13_000, 1_000), max_size=30),
)
def test_the_next_time_is_always_ahead_and_within_reach(
    every: timedelta | None, late: timedelta, jitter: timedelta, failures: int, history: list[int]
) -> None:
    """No history, lateness or run of failures makes a source due in the past or never again."""
    rhythm = Rhythm(every=every, jitter=jitter)
    published = [NOON + timedelta(days=days) for days in history]
    dice = random.Random(failures)
    if failures:
        found = schedule.after_failure(rhythm, now=NOON, failures=failures, dice=dice)
    else:
        found = schedule.after_success(rhythm, due=NOON - late, now=NOON, history=published, dice=dice)
    assert found + timedelta(seconds=1) > NOON
    assert found <= schedule.latest(rhythm, now=NOON, failures=failures)
