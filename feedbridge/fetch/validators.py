"""What an answer says about coming back: how long it stays fresh, and how long we are to stay away.

RFC 9111 (caching) and RFC 9110 (dates, Retry-After), and what a feed says of its own rhythm. Header names are in lower
case. What cannot be read counts as not said.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from feedbridge.model import SourceFacts

LONGEST_WAIT = timedelta(days=7)
"""However long an answer asks us to stay away, we look again after this."""

LONGEST_WISH = 2 * LONGEST_WAIT
"""No wish not to be asked lies further ahead, the hours and days counted that a feed wishes to be spared; one that does
was noted by a clock that ran ahead.
"""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-5][0-9]|60)"
_IMF_FIXDATE = rf"[a-z]{{3}}, (?P<day>[0-9]{{2}}) (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{4}}) {_TIME} gmt"
_RFC_850 = rf"[a-z]{{6,9}}, (?P<day>[0-9]{{2}})-(?P<month>[a-z]{{3}})-(?P<year>[0-9]{{2}}) {_TIME} gmt"
_ASCTIME = rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"
_HTTP_DATES = tuple(re.compile(form) for form in (_IMF_FIXDATE, _RFC_850, _ASCTIME))
_LONGEST_DATE = 40

_SECONDS = re.compile(r"[0-9]+")
_DIRECTIVE = re.compile(r'([^\s,="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s,"]*))?', re.DOTALL)
_LONGEST_LIST = 8192


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """How long the server asks us to stay away (RFC 9110 section 10.2.3).

    Args:
        headers: Those of the answer.
        now: When it came; aware. A date is counted from the answer's own Date, if it has one.

    Returns:
        From nothing to seven days; None if the answer does not say.
    """
    wanted = headers.get("retry-after", "").strip()
    if (seconds := _seconds(wanted)) is not None:
        return _within(seconds)
    until = _http_date(wanted, now=now)
    return None if until is None else _within(until - (_http_date(headers.get("date", ""), now=now) or now))


def lifetime(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """How much longer the answer is fresh for us (RFC 9111 sections 4.2 and 5.2.2).

    Ours is a private cache: `s-maxage` is not for us. Of a directive that is given twice, the smaller value holds.

    Args:
        headers: Those of the answer.
        now: When it came; aware. Expires is counted from the answer's own Date, if it has one.

    Returns:
        From nothing to seven days; None if the answer does not say.
    """
    directives = _directives(headers.get("cache-control", ""))
    if directives.keys() & {"no-cache", "no-store"}:
        return timedelta()
    stated = [seconds for value in directives.get("max-age", ()) if (seconds := _seconds(value)) is not None]
    if stated:
        return _within(min(stated) - _age(headers))
    if "expires" not in headers:
        return None
    expires = _http_date(headers["expires"], now=now)
    if expires is None:  # "0" and the like stand for the past (RFC 9111 section 5.3)
        return timedelta()
    return _within(expires - (_http_date(headers.get("date", ""), now=now) or now) - _age(headers))


def earliest(*, now: datetime, lifetime: timedelta | None, facts: SourceFacts | None) -> datetime:
    """The first instant at which a source may be asked again, as far as it has a say in it.

    Args:
        now: When it last answered; aware.
        lifetime: How long that answer is fresh.
        facts: What the source says of itself: its least interval, and the hours and days that it wishes to be spared.
            All hours of the day, or all days of the week, cannot be meant.

    Returns:
        An instant in UTC, in whole seconds, rounded up.
    """
    facts = facts or SourceFacts()
    pause = max(_within(lifetime or timedelta()), _within(facts.least_interval or timedelta()))
    return _outside(_whole(now.astimezone(UTC) + pause), _some(facts.skip_hours, of=24), _some(facts.skip_days, of=7))


def _outside(instant: datetime, hours: frozenset[int], days: frozenset[int]) -> datetime:
    """The instant itself, or the start of the next hour and day that are not to be skipped."""
    while instant.weekday() in days or instant.hour in hours:
        if instant.weekday() in days:
            instant = instant.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        else:
            instant = instant.replace(minute=0, second=0) + timedelta(hours=1)
    return instant


def _some(numbers: frozenset[int], *, of: int) -> frozenset[int]:
    known = numbers & frozenset(range(of))
    return known if len(known) < of else frozenset()


def _whole(instant: datetime) -> datetime:
    cut = instant.replace(microsecond=0)
    return cut if cut == instant else cut + timedelta(seconds=1)


def _within(wait: timedelta) -> timedelta:
    return min(max(wait, timedelta()), LONGEST_WAIT)


def _seconds(text: str) -> timedelta | None:
    """A number of seconds; one of more than nine digits stands for the largest of nine."""
    if not _SECONDS.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    return timedelta(seconds=int(digits) if len(digits) <= 9 else 999_999_999)


def _age(headers: Mapping[str, str]) -> timedelta:
    """How old the answer was when it left the cache that gave it; of several values the first holds."""
    return _seconds(headers.get("age", "").partition(",")[0].strip()) or timedelta()


def _directives(text: str) -> dict[str, list[str]]:
    """The directives of Cache-Control with all their values, quotes undone; an empty value where there is none."""
    found: dict[str, list[str]] = {}
    for name, value in _DIRECTIVE.findall(text[:_LONGEST_LIST]):
        found.setdefault(name.lower(), []).append(value.strip('"'))
    return found


def _http_date(text: str, *, now: datetime) -> datetime | None:
    """An HTTP-date in any of its three forms (RFC 9110 section 5.6.7)."""
    if len(text) > _LONGEST_DATE:
        return None
    text = text.strip().lower()
    match = next((match for form in _HTTP_DATES if (match := form.fullmatch(text))), None)
    if match is None or match["month"] not in _MONTHS:
        return None
    year = int(match["year"]) if len(match["year"]) == 4 else _full_year(int(match["year"]), now=now)
    try:
        return datetime(
            year,
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"]), 59),  # a leap second has no place in a datetime
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _full_year(year: int, *, now: datetime) -> int:
    """Two digits name the past where they would lie more than fifty years ahead."""
    full = now.year // 100 * 100 + year
    return full - 100 if full > now.year + 50 else full
