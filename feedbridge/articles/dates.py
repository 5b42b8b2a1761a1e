"""Dates: read in the forms that feeds and archives are known to use, and judged where several speak.

A date that cannot be read is None, and no guess is made in its place. The machine's own zone and clock are
never asked.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache

from feedbridge.model import Testimony, Witness

LONGEST_DATE = 200
"""Characters; a longer text is no date."""

_DAY = timedelta(days=1)
_FURTHEST_EAST, _FURTHEST_WEST = timedelta(hours=14), timedelta(hours=12)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedDate:
    """A date as it was read.

    Attributes:
        value: The instant, in UTC, cut to whole seconds; midnight where only the day is named.
        day: The calendar day as written.
        has_time: False for day precision.
        has_zone: False where the zone had to be assumed.
        midnight: True for a literal 00:00:00, which often stands for a time that is not known.
    """

    value: datetime
    day: date
    has_time: bool
    has_zone: bool
    midnight: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Dates:
    """What the witnesses of one version of an article amount to.

    Attributes:
        published: The publisher's own date, as far as it is known; not after first sight.
        updated: The later of `published` and `stamp`.
        stamp: The latest believed stamp of this version, or None if nothing stamps it.
        testimonies: Every witness with what became of it, the most trusted first.
    """

    published: datetime
    updated: datetime
    stamp: datetime | None
    testimonies: tuple[Testimony, ...]


# Reading. Every shape below must fit the whole text, and repeats nothing without bound but one run of digits.

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_HOURS_OF_ZONES = (
    *((0, "z ut utc gmt wet"), (1, "cet bst west"), (2, "eet cest"), (3, "msk eest"), (5.5, "ist")),
    *((2, "sast cat"), (1, "wat"), (3, "eat trt"), (5, "pkt"), (5.75, "npt"), (7, "ict wib"), (8, "pht awst")),
    *((8, "hkt sgt"), (9, "jst kst"), (9.5, "acst"), (10, "aest"), (10.5, "acdt"), (11, "aedt")),
    *((12, "nzst"), (13, "nzdt"), (-3, "adt brt art"), (-3.5, "nst"), (-2.5, "ndt")),
    *((-4, "edt ast"), (-5, "est cdt"), (-6, "cst mdt"), (-7, "mst pdt"), (-8, "pst akdt")),
    *((-9, "akst"), (-10, "hst")),
    (0, "b c d e f g h i k l m n o q r s t u v w x y"),  # RFC 2822 section 4.3: nobody can trust these letters
)
_ZONES = {name: timezone(timedelta(hours=hours)) for hours, names in _HOURS_OF_ZONES for name in names.split()}
"""By name; `cst` and its like are American, as in RFC 822."""

_MORNING = ("上午", "早上", "早晨", "清晨", "凌晨", "am", "a.m.", "a.m")
_NOON = ("中午",)
_AFTERNOON = ("下午", "傍晚", "pm", "p.m.", "p.m")
_EVENING = ("晚上", "晚间", "晚間", "夜间", "夜間", "夜里", "夜裡", "深夜")

_UNITS_OF_EPOCHS = {10: 1, 12: 1_000, 13: 1_000, 16: 1_000_000}
"""By number of digits, how many make a second; milliseconds before September 2001 have 12 digits."""


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in words)


_MONTH_NAME = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = (
    r"\(?(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?"
    r"|(?:星期|周|週|礼拜|禮拜)[一二三四五六日天])\)?"
)
_HALF = _any_of(_MORNING + _NOON + _AFTERNOON + _EVENING)
_ZONE = (
    rf"(?: ?(?:(?P<zone>{_any_of(tuple(_ZONES))})"
    r"|(?:gmt|utc|ut)? ?(?P<offset>[+-]\d{1,2}(?::?\d{2})?)(?: ?\([^()]*\))?))?"
)
_TIME = (
    rf"(?:(?P<half>{_HALF}) ?)?(?P<hour>\d{{1,2}})"
    r"(?:[:点點时時](?:(?P<minute>\d{1,2})(?:[:分](?:(?P<second>\d{1,2})(?:[.,]\d+)?秒?)?)?)?(?<!:)"
    r"|(?= ?[ap]\.?m))"
    rf"(?: ?(?P<half_after>{_HALF}))?"
)
_BETWEEN = r"(?:t|,? at | ?, ?| - | \| | · | |(?<=[日号號一二三四五六天)]))"

_COMPACT_DAY = r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
_DAYS = (
    r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
    r"(?P<day>\d{1,2})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<year>\d{4})",
    r"(?:(?:中[华華])?民[国國] ?(?P<republic>\d{1,3})|(?P<year>\d{4}))年"
    r"(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号號]",
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ -]?{_MONTH_NAME},?[ -]?(?P<year>\d{{4}}|\d{{2}})",
    rf"{_MONTH_NAME} ?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:, ?| )(?P<year>\d{{4}})",
    _COMPACT_DAY,
)
_SHAPES = (
    *(rf"(?:{_WEEKDAY},? ?)?{day}(?:,? ?{_WEEKDAY})?(?:{_BETWEEN}{_TIME}{_ZONE})?" for day in _DAYS),
    # C's asctime, and what the Unix command `date` prints
    rf"(?:{_WEEKDAY},? )?{_MONTH_NAME} (?P<day>\d{{1,2}}) {_TIME}{_ZONE} (?P<year>\d{{4}})",
    rf"{_COMPACT_DAY}t(?P<hour>\d{{2}})(?P<minute>\d{{2}})(?:(?P<second>\d{{2}})(?:[.,]\d+)?)?{_ZONE}",
)

_DASHES = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-")
_INVISIBLE = dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF))
_MARKS = {**_DASHES, **_INVISIBLE}


def read_date(text: str, *, zone: tzinfo = UTC) -> ParsedDate | None:
    """Read a date in any form feeds are known to use, and tell how precise it is.

    RFC 3339 is Atom's form (RFC 4287 section 3.3); RFC 822 is that of RSS pubDate. Numbers with the year last
    have the day first. A wrong weekday is overlooked, a leap second counts as the one before it.

    Args:
        text: The date as the source wrote it; anything beside the date makes it unreadable.
        zone: Assumed where the text names none.

    Returns:
        What was read, or None if no form fits or the calendar has no such day.
    """
    text = text.strip()
    if len(text) > LONGEST_DATE:
        return None
    text = _folded(text)
    if len(text) > LONGEST_DATE:  # a character may unfold to eighteen
        return None
    if len(text) in _UNITS_OF_EPOCHS and text.isascii() and text.isdigit():
        return _from_epoch(text)
    for shape in _SHAPES:
        if found := _pattern(shape).fullmatch(text):
            try:
                return _from_parts(found.groupdict(), zone)
            except (ValueError, OverflowError):  # no such day, or outside the years 1 to 9999
                return None
    return None


@cache  # made when first needed, for a run that reads no date needs none, and all take longer than such a run should
def _pattern(shape: str) -> re.Pattern[str]:
    return re.compile(shape, re.ASCII)


def _folded(text: str) -> str:
    """Lower case, one spelling for digits, punctuation and dashes; no spaces around 年, 月, 日 and so on."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text).translate(_MARKS)
    text = " ".join(text.lower().split())
    return re.sub(" ?([年月日号號时時点點分秒]) ?", r"\1", text)


def _from_epoch(digits: str) -> ParsedDate:
    value = datetime.fromtimestamp(int(digits) // _UNITS_OF_EPOCHS[len(digits)], UTC)
    return ParsedDate(value=value, day=value.date(), has_time=True, has_zone=True, midnight=False)


def _from_parts(parts: dict[str, str | None], zone: tzinfo) -> ParsedDate:
    day = datetime(_year(parts), _month(parts["month"] or ""), int(parts["day"] or ""))  # noqa: DTZ001
    time = _time(parts)
    own_zone = _own_zone(parts)
    local = (day + time).replace(tzinfo=own_zone or zone)
    return ParsedDate(
        value=local.astimezone(UTC).replace(microsecond=0),
        day=day.date(),
        has_time=parts.get("hour") is not None,
        has_zone=own_zone is not None,
        midnight=parts.get("hour") is not None and not time,
    )


def _year(parts: dict[str, str | None]) -> int:
    if republic := parts.get("republic"):
        return 1911 + int(republic)
    digits = parts["year"] or ""
    if len(digits) == 4:
        return int(digits)
    return int(digits) + (2000 if int(digits) < 50 else 1900)  # RFC 2822 section 4.3


def _month(text: str) -> int:
    return int(text) if text.isdigit() else 1 + _MONTHS.index(text[:3])


def _time(parts: dict[str, str | None]) -> timedelta:
    """Time since midnight; ValueError if there is no such time."""
    hour, minute, second = (int(parts.get(unit) or 0) for unit in ("hour", "minute", "second"))
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise ValueError("no such time")
    hour = _hour(hour, parts.get("half") or parts.get("half_after"))
    return timedelta(hours=hour, minutes=minute, seconds=min(second, 59))


def _hour(hour: int, half: str | None) -> int:
    """The hour of 24; 12 in the evening is the end of the day, and 2 at night the small hours."""
    if half in _MORNING:
        if hour > 12:
            raise ValueError("no such hour in the morning")
        return hour % 12
    if half in _NOON:
        return hour + 12 if hour < 4 else hour
    if half in _AFTERNOON:
        return hour + 12 if hour < 12 else hour
    if half in _EVENING:
        return hour + 12 if 5 <= hour <= 12 else hour
    return hour


def _own_zone(parts: dict[str, str | None]) -> timezone | None:
    """The zone that the date names; ValueError if no place on earth has it."""
    if name := parts.get("zone"):
        return _ZONES[name]
    if not (offset := parts.get("offset")):
        return None
    digits = offset[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    distance = timedelta(hours=int(hours), minutes=int(minutes))
    if int(minutes) > 59 or distance > timedelta(hours=14):
        raise ValueError("no such zone")
    return timezone(-distance if offset[0] == "-" else distance)


# Dates inside addresses and names

_PLAUSIBLE_YEAR = r"(?P<year>199\d|20\d\d|2100)"
_TWO_DIGITS = r"(?P<month>0[1-9]|1[0-2]){mark}(?P<day>0[1-9]|[12]\d|3[01])"
_DAY_IN_NAME = re.compile(
    rf"(?<!\d){_PLAUSIBLE_YEAR}[-/_.]?" + _TWO_DIGITS.format(mark="[-/_.]?") + r"(?![0-9A-Za-z])", re.ASCII
)
_LOOSE_DAY_IN_NAME = re.compile(
    rf"(?<!\d){_PLAUSIBLE_YEAR}(?P<mark>[-/_.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}})(?![0-9A-Za-z])",
    re.ASCII,
)
_CLOCK = r"(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?!\d)"
_SECOND_IN_NAME = (
    re.compile(rf"(?<!\d){_PLAUSIBLE_YEAR}{_TWO_DIGITS.format(mark='')}{_CLOCK}", re.ASCII),
    re.compile(rf"(?<!\d){_TWO_DIGITS.format(mark='')}{_PLAUSIBLE_YEAR}{_CLOCK}", re.ASCII),
)
_ESCAPE = re.compile("%(?:25)*[0-9A-Fa-f]{2}")
"""A percent-encoded byte, perhaps encoded more than once; its digits belong to no date."""


def date_in_link(link: str) -> str | None:
    """Find the day, or the second, that an address holds in its path, such as `/2020/07/20/`.

    Returns:
        The date in ISO 8601, without a zone, or None. Digits that are part of a longer number are an id, and
        years outside 1990 to 2100 are not believed.
    """
    path = re.split(r"[?#]", link, maxsplit=1)[0]
    if "://" in path:  # the last one: a web archive keeps the address behind its own
        path = path.rpartition("://")[2].partition("/")[2]
    path = _ESCAPE.sub("%", path)
    for shape in (*_SECOND_IN_NAME, _DAY_IN_NAME, _LOOSE_DAY_IN_NAME):
        for found in shape.finditer(path):
            if text := _iso(found):
                return text
    return None


def date_in_file_name(path: str) -> str | None:
    """Find the day that a file's name begins with: `2020-07-20-title.md`, `20200720_title.md`.

    Args:
        path: A path with `/`; its folders do not count.

    Returns:
        The day in ISO 8601, or None.
    """
    name = path.rpartition("/")[2]
    found = _DAY_IN_NAME.match(name) or _LOOSE_DAY_IN_NAME.match(name)
    return _iso(found) if found else None


def _iso(found: re.Match[str]) -> str | None:
    parts = {name: int(text) for name, text in found.groupdict().items() if name != "mark"}
    try:
        moment = datetime(**parts)  # type: ignore[arg-type]  # noqa: DTZ001  (the zone is the reader's to assume)
    except ValueError:
        return None
    return moment.isoformat() if "hour" in parts else moment.date().isoformat()


# Judging

_BELIEF = (
    "published",
    "body",
    "marker",
    "front-matter",
    "published without zone",
    "body without zone",
    "front-matter beside a broken marker",
    "link",
    "file-name",
    "updated",
    "first-seen",
)
"""Who is believed about `published`, the most trusted first."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Heard:
    """A witness that was heard; `doubt` says why it is not believed."""

    kind: str
    text: str
    date: ParsedDate | None
    doubt: str | None = None

    @property
    def value(self) -> datetime:
        assert self.date is not None
        return self.date.value

    @property
    def fine(self) -> bool:
        """True if it names a time of day; midnight is one only where a feed says it with a zone."""
        if self.date is None or not self.date.has_time:
            return False
        return not self.date.midnight or (self.kind in ("published", "updated") and self.date.has_zone)


def judge(witnesses: Sequence[Witness], *, zone: tzinfo, first_seen: datetime) -> Dates:
    """Decide when an article was published and when this version of it was stamped.

    The most trusted witness that is believed speaks for `published`; where it knows only the day, the next
    one that knows the time of that same day speaks in its place. Nothing comes out later than first sight,
    and where nobody is believed, first sight it is.

    Args:
        witnesses: In any order; of kinds that `Witness` lists.
        zone: The source's, for dates that name none.
        first_seen: When this version was first seen, aware.
    """
    first_seen = first_seen.astimezone(UTC).replace(microsecond=0)
    heard = _heard(witnesses, zone=zone, first_seen=first_seen)
    believed = [one for one in heard if one.doubt is None]
    broken_marker = _has_broken_marker(heard)

    chosen = _chosen(believed)
    published = min(chosen.value, first_seen)
    stamps = [one for one in believed if _is_stamp(one, broken_marker=broken_marker)]
    latest = max(stamps, key=lambda one: one.value, default=None)
    stamp = min(latest.value, first_seen) if latest else None
    updated_by = latest if latest and stamp and stamp > published else chosen

    return Dates(
        published=published,
        updated=min(updated_by.value, first_seen),
        stamp=stamp,
        testimonies=tuple(
            Testimony(
                kind=one.kind,
                text=one.text,
                value=one.date.value if one.date else None,
                note=one.doubt
                or _note(one, chosen=chosen, updated_by=updated_by, best=believed[0], first_seen=first_seen),
            )
            for one in heard
        ),
    )


def _heard(witnesses: Sequence[Witness], *, zone: tzinfo, first_seen: datetime) -> list[_Heard]:
    """Every witness and first sight, doubts included, the most trusted first."""
    heard = [_Heard(kind=one.kind, text=one.text, date=_read_witness(one, zone)) for one in witnesses]
    broken_marker = _has_broken_marker(heard)
    markers = (one for one in heard if one.kind == "marker")
    marker = next((one.value for one in markers if not _doubt(one, first_seen, None)), None)
    heard = [replace(one, doubt=doubt) if (doubt := _doubt(one, first_seen, marker)) else one for one in heard]
    heard.append(_first_sight(first_seen))
    return sorted(heard, key=lambda one: _rank(one, broken_marker=broken_marker))


def _first_sight(first_seen: datetime) -> _Heard:
    seen = ParsedDate(value=first_seen, day=first_seen.date(), has_time=True, has_zone=True, midnight=False)
    return _Heard(kind="first-seen", text=first_seen.isoformat().replace("+00:00", "Z"), date=seen)


def _read_witness(witness: Witness, zone: tzinfo) -> ParsedDate | None:
    finders = {"link": date_in_link, "file-name": date_in_file_name}
    find = finders.get(witness.kind)
    text = find(witness.text) if find else witness.text
    return read_date(text, zone=zone) if text else None


def _has_broken_marker(heard: Sequence[_Heard]) -> bool:
    """True for `<!--NaN-->`: the front matter beside it often tells when the page was copied."""
    return any(one.kind == "marker" and one.date is None for one in heard)


def _doubt(one: _Heard, first_seen: datetime, marker: datetime | None) -> str | None:
    if one.date is None:
        return "holds no date" if one.kind in ("link", "file-name") else "not a date"
    if one.value - first_seen > _DAY:
        return f"lies {_span(one.value - first_seen)} after first sight"
    if one.value < _EARLIEST:
        return f"lies before {_EARLIEST.year}"
    if one.kind == "body" and marker and one.value - marker > _DAY:
        return f"lies {_span(one.value - marker)} after the marker"
    return None


def _rank(one: _Heard, *, broken_marker: bool) -> int:
    kind = one.kind
    if kind in ("published", "body") and one.date and not one.date.has_zone:
        kind = f"{kind} without zone"
    if kind == "front-matter" and broken_marker:
        kind = "front-matter beside a broken marker"
    return _BELIEF.index(kind)


def _chosen(believed: Sequence[_Heard]) -> _Heard:
    best = believed[0]
    if best.fine:
        return best
    return next((one for one in believed[1:] if one.fine and _same_day(best, one)), best)


def _same_day(coarse: _Heard, fine: _Heard) -> bool:
    """True if the instant falls on the day that is named, in the zone that it was read in or in UTC.

    For a feed's own `updated` beside the day in a link or a name, any zone on earth will do: an item that tells no
    other instant was hardly edited on another day, while the site's day is often not the day of its clock.
    """
    assert coarse.date is not None
    if fine.kind == "updated" and coarse.kind in ("link", "file-name"):
        return -_FURTHEST_EAST <= fine.value - coarse.value < _DAY + _FURTHEST_WEST
    return timedelta(0) <= fine.value - coarse.value < _DAY or fine.value.date() == coarse.date.day


def _is_stamp(one: _Heard, *, broken_marker: bool) -> bool:
    if one.kind in ("marker", "updated"):
        return True
    if one.kind == "front-matter" and broken_marker:
        return False
    return one.kind in ("body", "front-matter") and one.date is not None and one.date.has_zone


def _note(one: _Heard, *, chosen: _Heard, updated_by: _Heard, best: _Heard, first_seen: datetime) -> str:
    """What became of a witness that is believed."""
    roles = [role for role, by in (("published", chosen), ("updated", updated_by)) if by is one]
    if roles:
        return f"taken as {' and '.join(roles)}" + (", cut to first sight" if one.value > first_seen else "")
    if one is best:
        return "names only the day, and a finer witness speaks of it"
    if one.kind == "first-seen":
        return "not needed, a better witness speaks"
    apart = abs(one.value - chosen.value)
    if apart <= _DAY:
        return "agrees, but a better witness speaks"
    return f"differs by {_span(apart)}, and a better witness speaks"


def _span(length: timedelta) -> str:
    if length.days >= 2 * 365:
        return f"{length.days // 365} years"
    if length.days >= 2:
        return f"{length.days} days"
    return f"{length // timedelta(hours=1)} hours"
