"""How long an answer is fresh, how long we stay away, and which hours are spared."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.fetch.validators import LONGEST_WAIT, earliest, lifetime, retry_after
from feedbridge.model import SourceFacts

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
"""A Monday."""

DATE = "Mon, 23 Nov 2026 11:59:00 GMT"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL_DAYS = frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", 2 * MINUTE),
        (" 120 ", 2 * MINUTE),
        ("0", timedelta()),
        ("604800", LONGEST_WAIT),
        ("604801", LONGEST_WAIT),
        ("9" * 10_000, LONGEST_WAIT),
        ("0" * 10_000 + "7", timedelta(seconds=7)),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 2 * MINUTE),
        ("Monday, 23-Nov-26 12:02:00 GMT", 2 * MINUTE),
        ("Mon Nov 23 12:02:00 2026", 2 * MINUTE),
        ("mon, 23 nov 2026 12:02:00 gmt", 2 * MINUTE),
        ("Wed Dec  2 12:00:00 2026", LONGEST_WAIT),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta()),
        ("Monday, 23-Nov-99 12:02:00 GMT", timedelta()),
        ("Mon, 23 Nov 2026 12:02:60 GMT", 2 * MINUTE + timedelta(seconds=59)),
    ],
)
def test_how_long_to_stay_away(text: str, wait: timedelta) -> None:
    """Seconds and the three forms of a date are read; the wait is never negative and never above seven days."""
    assert retry_after({"retry-after": text}, now=NOW) == wait


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "1e3",
        "１２０",
        "120, 60",
        "Mon, 31 Feb 2026 12:00:00 GMT",
        "Mon, 23 Foo 2026 12:00:00 GMT",
        "Mon, 23 Nov 0000 12:00:00 GMT",
        "Mon, 23 Nov 2026 12:00:61 GMT",
        "Mon, 23 Nov 2026 12:02:00 +0000",
    ],
)
def test_an_unreadable_wait_is_not_said(text: str) -> None:
    """What is neither a number of seconds nor an HTTP-date says nothing."""
    assert retry_after({"retry-after": text}, now=NOW) is None


def test_no_wait_is_not_said() -> None:
    """An answer without the header says nothing."""
    assert retry_after({}, now=NOW) is None


def test_a_wait_counts_on_the_clock_of_the_server() -> None:
    """Between two dates of one answer a wrong clock cancels out, theirs or ours."""
    headers = {"retry-after": "Mon, 23 Nov 2026 12:02:00 GMT", "date": DATE}
    assert retry_after(headers, now=NOW + 999 * HOUR) == 3 * MINUTE
    assert retry_after({**headers, "date": "today"}, now=NOW) == 2 * MINUTE


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("max-age=300", 300),
        ("MAX-AGE=300", 300),
        ('public, max-age="300"', 300),
        ("max-age=300, s-maxage=5", 300),
        ("max-age=300, max-age=200", 200),
        ("max-age=abc, max-age=200", 200),
        ("max-age=-1, max-age=200", 200),
        ('private="a, max-age=3, b", max-age=200', 200),
        ("max-age=200,,  ,must-revalidate", 200),
        ("max-age=0", 0),
        ("no-cache", 0),
        ('no-cache="Set-Cookie", max-age=300', 0),
        ("max-age=300, No-Store", 0),
        ("max-age=31536000", LONGEST_WAIT.total_seconds()),
        ("max-age=" + "9" * 5000, LONGEST_WAIT.total_seconds()),
    ],
)
def test_how_long_an_answer_is_fresh(control: str, seconds: float) -> None:
    """Cache-Control is read as a private cache reads it, whatever Expires says."""
    headers = {"cache-control": control, "expires": "Mon, 23 Nov 2026 18:00:00 GMT"}
    assert lifetime(headers, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("control", ["", "public", "max-age", "max-age=", "max-age=soon", "max-age = 5", "s-maxage=5"])
def test_expires_counts_where_no_age_is_stated(control: str) -> None:
    """Expires is counted from the answer's own Date, else from now."""
    headers = {"cache-control": control, "expires": "Mon, 23 Nov 2026 12:02:00 GMT"}
    assert lifetime({**headers, "date": DATE}, now=NOW) == 3 * MINUTE
    assert lifetime(headers, now=NOW) == 2 * MINUTE


@pytest.mark.parametrize("expires", ["0", "-1", "", "never", "Mon, 23 Nov 2020 12:02:00 GMT"])
def test_an_answer_that_is_over_is_not_fresh(expires: str) -> None:
    """An Expires in the past, or one that is no date, means that nothing is left (RFC 9111 section 5.3)."""
    assert lifetime({"expires": expires, "date": DATE}, now=NOW) == timedelta()


def test_an_answer_may_say_nothing_of_its_freshness() -> None:
    """Without max-age and Expires there is nothing to respect."""
    assert lifetime({"cache-control": "public, must-revalidate", "date": DATE}, now=NOW) is None


@pytest.mark.parametrize(
    ("age", "seconds"),
    [("100", 200), ("100, 5", 200), ("400", 0), ("9" * 5000, 0), ("-50", 300), ("old", 300), ("", 300)],
)
def test_the_age_of_an_answer_is_taken_off(age: str, seconds: int) -> None:
    """The time that an answer has spent in caches is no longer fresh; it never adds to what is left."""
    assert lifetime({"cache-control": "max-age=300", "age": age}, now=NOW) == timedelta(seconds=seconds)
    headers = {"date": "Mon, 23 Nov 2026 12:00:00 GMT", "expires": "Mon, 23 Nov 2026 12:05:00 GMT", "age": age}
    assert lifetime(headers, now=NOW) == timedelta(seconds=seconds)


def test_a_long_life_outlives_a_long_age() -> None:
    """A year's freshness of which a month is over still fills the cap."""
    assert lifetime({"cache-control": "max-age=31536000", "age": "2592000"}, now=NOW) == LONGEST_WAIT


@pytest.mark.parametrize("text", ["a=" + '"' * 8000, 'a="\\' * 200_000, 'a="' + "\\" * 900_000, "," * 900_000])
def test_hostile_directives_take_no_time(text: str) -> None:
    """However broken the quotes are, reading ends and says nothing."""
    assert lifetime({"cache-control": text}, now=NOW) is None


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_reading_headers_never_fails(control: str, expires: str, date: str, age: str, wait: str) -> None:
    """Whatever the headers hold, the answer is nothing or a span between none and seven days."""
    headers = {"cache-control": control, "expires": expires, "date": date, "age": age, "retry-after": wait}
    for found in (lifetime(headers, now=NOW), retry_after(headers, now=NOW)):
        assert found is None or timedelta() <= found <= LONGEST_WAIT


@given(st.text(alphabet="MonTuedayNvGT 0123456789:,-", max_size=40))
def test_reading_dates_never_fails(text: str) -> None:
    """Whatever looks a little like a date is read or is none."""
    found = retry_after({"retry-after": text, "date": text}, now=NOW)
    assert found is None or timedelta() <= found <= LONGEST_WAIT


def test_nothing_said_means_now() -> None:
    """A source that has no wishes may be asked at once."""
    assert earliest(now=NOW, lifetime=None, facts=None) == NOW


def test_the_longer_wish_counts() -> None:
    """Freshness and the feed's own interval are both respected."""
    facts = SourceFacts(least_interval=HOUR)
    assert earliest(now=NOW, lifetime=2 * HOUR, facts=facts) == NOW + 2 * HOUR
    assert earliest(now=NOW, lifetime=MINUTE, facts=facts) == NOW + HOUR
    assert earliest(now=NOW, lifetime=None, facts=SourceFacts(least_interval=timedelta(days=365))) == NOW + LONGEST_WAIT
    assert earliest(now=NOW, lifetime=-HOUR, facts=SourceFacts(least_interval=-HOUR)) == NOW


def test_parts_of_a_second_are_rounded_up() -> None:
    """A source is never asked a part of a second too early."""
    assert earliest(now=NOW + timedelta(microseconds=1), lifetime=MINUTE, facts=None) == NOW + MINUTE + timedelta(
        seconds=1
    )


def test_the_result_is_in_utc() -> None:
    """Hours are those of UTC, wherever `now` was taken."""
    there = NOW.astimezone(timezone(timedelta(hours=8)))
    found = earliest(now=there, lifetime=None, facts=SourceFacts(skip_hours=frozenset({12})))
    assert found.isoformat() == "2026-11-23T13:00:00+00:00"


@pytest.mark.parametrize(
    ("hours", "days", "expected"),
    [
        ({13}, set(), "2026-11-23T12:30:00"),
        ({12}, set(), "2026-11-23T13:00:00"),
        ({12, 13, 14}, set(), "2026-11-23T15:00:00"),
        (set(range(12, 24)), set(), "2026-11-24T00:00:00"),
        (set(range(24)) - {11}, set(), "2026-11-24T11:00:00"),
        (set(), {0}, "2026-11-24T00:00:00"),
        (set(), {0, 1, 2, 3, 4}, "2026-11-28T00:00:00"),
        ({0, 1}, {0}, "2026-11-24T02:00:00"),
        ({12, *range(13, 24)}, {1}, "2026-11-25T00:00:00"),
        (set(range(24)), set(), "2026-11-23T12:30:00"),
        (set(), ALL_DAYS, "2026-11-23T12:30:00"),
        (set(range(24)), {0}, "2026-11-24T00:00:00"),
        ({12}, ALL_DAYS, "2026-11-23T13:00:00"),
        ({99, -1}, {7, 99}, "2026-11-23T12:30:00"),
    ],
)
def test_hours_and_days_are_spared(hours: set[int], days: set[int], expected: str) -> None:
    """The next allowed hour or day is waited for, from its start; all of them together mean none of them."""
    facts = SourceFacts(skip_hours=frozenset(hours), skip_days=frozenset(days))
    assert earliest(now=NOW, lifetime=30 * MINUTE, facts=facts) == datetime.fromisoformat(f"{expected}+00:00")


@given(
    st.timedeltas(-LONGEST_WAIT, 10 * LONGEST_WAIT),
    st.timedeltas(),
    st.sets(st.integers(0, 23), max_size=23),
    st.sets(st.integers(0, 6), max_size=6),
)
def test_a_spared_hour_is_never_given(since: timedelta, fresh: timedelta, hours: set[int], days: set[int]) -> None:
    """The instant is allowed, not too early, in whole seconds, and within two weeks and a day."""
    now = NOW + since
    found = earliest(now=now, lifetime=fresh, facts=SourceFacts(skip_hours=frozenset(hours), skip_days=frozenset(days)))
    assert found.hour not in hours
    assert found.weekday() not in days
    assert found.microsecond == 0
    assert now + min(max(fresh, timedelta()), LONGEST_WAIT) <= found <= now + 2 * LONGEST_WAIT + timedelta(days=1)
