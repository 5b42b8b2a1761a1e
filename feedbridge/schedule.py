"""When a source is next due. Pure: the clock, the history and the dice are handed in."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

LONGEST_BACKOFF = timedelta(hours=12)
"""However often a source has failed, it is tried again after this at the latest, unless its rhythm is slower."""

AILING_AFTER = 5
"""Failures on end after which a source counts as ailing."""

_HABIT_ENTRIES = 20
_CRON_SEARCH = timedelta(days=366 * 5)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERED_DAYS = re.compile(r"([0-7])(?:-([0-7]))?(?:/([1-7]))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """How often a source is to be refreshed: `every` so often, or by `cron`, or as its own history suggests.

    Attributes:
        every: The interval, where it is fixed.
        cron: Five fields, read in `zone`; weekdays count from Sunday, 0 or 7.
        shortest: The adaptive interval is no shorter.
        longest: The adaptive interval is no longer.
        jitter: Up to so much later, by chance.
    """

    every: timedelta | None = None
    cron: str | None = None
    zone: str = "UTC"
    shortest: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(days=1)
    jitter: timedelta = timedelta()


def after_success(
    rhythm: Rhythm, *, due: datetime, now: datetime, history: Sequence[datetime], dice: random.Random
) -> datetime:
    """When to refresh next.

    The grid of a fixed interval is kept: a refresh that took a while does not move those after it. Missed runs are
    not made up for.

    Args:
        rhythm: The source's.
        due: When this refresh was due.
        now: When it was taken up; aware.
        history: When its newest articles were published, in any order; for an adaptive rhythm.
        dice: For the jitter.
    """
    if rhythm.cron is not None:
        following = next_by_cron(rhythm.cron, rhythm.zone, after=max(due, now))
    else:
        interval = rhythm.every or adapted(rhythm, history, now=now)
        following = due + interval if due + interval > now else now + interval
    return _cut(following + rhythm.jitter * dice.random())


def after_failure(rhythm: Rhythm, *, now: datetime, failures: int, dice: random.Random) -> datetime:
    """When to try again after so many failures on end: twice as late each time, with jitter, never before its turn."""
    interval = base_interval(rhythm, now=now)
    backoff = interval * min(2 ** min(failures, 30), max(LONGEST_BACKOFF / interval, 1.0))
    return _cut(now + max(backoff * (0.9 + 0.2 * dice.random()), interval))


def base_interval(rhythm: Rhythm, *, now: datetime) -> timedelta:
    """The interval before any history is known; for a cron rhythm, the time to its next turn."""
    if rhythm.cron is not None:
        return max(next_by_cron(rhythm.cron, rhythm.zone, after=now) - now, timedelta(seconds=1))
    return rhythm.every or rhythm.shortest


def latest(rhythm: Rhythm, *, now: datetime, failures: int) -> datetime:
    """No schedule that this rhythm makes lies beyond this; one that does was made by another, or by another clock."""
    interval = base_interval(rhythm, now=now)
    if failures:
        return now + max(interval, LONGEST_BACKOFF) * 1.1
    longest = rhythm.longest if rhythm.cron is None and rhythm.every is None else interval
    return now + longest + rhythm.jitter


def adapted(rhythm: Rhythm, history: Sequence[datetime], *, now: datetime) -> timedelta:
    """The interval that a source's own history suggests: half the usual time between its newest articles."""
    usual = habit(history, now=now)
    return rhythm.longest if usual is None else min(max(usual / 2, rhythm.shortest), rhythm.longest)


def habit(history: Sequence[datetime], *, now: datetime) -> timedelta | None:
    """The usual time between a source's newest articles, the current silence counted; None without two articles."""
    newest = sorted((instant for instant in history if instant <= now), reverse=True)[:_HABIT_ENTRIES]
    if len(newest) < 2:
        return None
    gaps = sorted(later - earlier for later, earlier in pairwise(newest))
    usual = gaps[len(gaps) // 2]
    return max(usual, (now - newest[0]) / 4)


def is_silent(history: Sequence[datetime], *, now: datetime) -> bool:
    """Whether a source has been silent for much longer than its habit: four times its longest recent pause."""
    newest = sorted((instant for instant in history if instant <= now), reverse=True)[:_HABIT_ENTRIES]
    if len(newest) < 5:
        return False
    longest = max(later - earlier for later, earlier in pairwise(newest))
    return now - newest[0] > max(4 * longest, timedelta(days=1))


def next_by_cron(cron: str, zone: str, *, after: datetime) -> datetime:
    """The first turn of a cron line strictly after an instant; in UTC.

    Where clocks are set back and an hour comes twice, a line that names its hour has its turn in the first alone.

    Raises:
        ValueError: The line cannot be read, or has no turn within five years.
    """
    trigger = _trigger(cron, zone)
    found = trigger.get_next_fire_time(None, after + timedelta(seconds=1))
    if found is None or found - after > _CRON_SEARCH:
        raise ValueError("has no turn within five years")
    turn: datetime = found
    if turn.fold and not cron.split()[1].startswith("*") and turn.replace(fold=0) <= after:
        return next_by_cron(cron, zone, after=turn.astimezone(UTC))
    return turn.astimezone(UTC)


@cache
def _trigger(cron: str, zone: str) -> CronTrigger:
    *fields, days = cron.split()
    days = ",".join(_NUMBERED_DAYS.sub(_named_days, part) for part in days.split(","))
    return CronTrigger.from_crontab(" ".join([*fields, days]), timezone=ZoneInfo(zone))


def _named_days(numbers: re.Match[str]) -> str:
    """Weekdays by name, since APScheduler counts them from Monday and cron from Sunday."""
    first, last, step = (int(number) if number else None for number in numbers.groups())
    assert first is not None
    if last is None:
        last = first if step is None else 6
    return ",".join(_WEEKDAYS[day % 7] for day in range(first, last + 1, step or 1))


def _cut(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)
