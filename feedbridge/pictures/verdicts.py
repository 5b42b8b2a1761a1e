"""What follows from looking for a picture: for the picture, and for its host. Nothing is fetched here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from feedbridge.store.pictures import Host

GOOD_FOR = timedelta(days=30)
"""A picture that was found is looked for again after this."""

COPY_IS_GOOD_FOR = timedelta(days=36_500)
"""One that there is a copy of is not."""

FIRST_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=7)
"""One that was not found is looked for again after an hour, then twice as late each time, up to a week."""

PROBE_PAUSE = timedelta(minutes=1)
"""A host that fails is asked for one picture a minute, then less often, up to the pause between all checks."""

STRIKES = 3
"""A host that nothing was ever found at fails with so many different pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of looking for a picture at a host.

    Attributes:
        reason: Why it was not found; None: it was.
        is_of_host: The host itself is in trouble, and not only this picture.
        pause: The host wishes to be left alone for so long.
    """

    reason: str | None = None
    is_of_host: bool = False
    pause: timedelta | None = None


def judge(
    host: Host | None, outcome: Outcome, *, name: str, now: datetime, every: timedelta, was_found: bool, others: bool
) -> Host:
    """What is known of a host after it was asked for a picture.

    It is given up at once where it is in trouble and nothing shows that it only lacks this picture; else it is paused,
    and what was found there before is asked for first. So a proxy that dies costs one question, or two, and not one a
    picture.

    Args:
        host: What was known before.
        outcome: What came.
        name: The host.
        now: The time; aware.
        every: A host that works is asked so often.
        was_found: The picture was there before.
        others: Other pictures of the host were there when they were last looked for.
    """
    if outcome.reason is None:
        return Host(host=name, due_at=now + every, checked_at=now)
    failures = host.failures + 1 if host else 1
    has_been_given_up = host is not None and host.reason is not None
    if not (has_been_given_up or outcome.is_of_host or was_found) and others:
        return host or Host(host=name, due_at=now + every, checked_at=now)
    if has_been_given_up:
        is_sure = True
    elif outcome.is_of_host:
        is_sure = was_found or not others or failures > 1
    else:
        is_sure = failures > 1 if was_found else failures >= STRIKES
    doubled: int = 2 ** min(failures - 1, 10)
    pause = min(PROBE_PAUSE * doubled, max(every, PROBE_PAUSE))
    return Host(
        host=name,
        due_at=now + max(pause, outcome.pause or pause),
        checked_at=now,
        failures=failures,
        paused=is_sure or outcome.is_of_host or was_found,
        reason=outcome.reason if is_sure else None,
    )


def next_look(failures: int, *, now: datetime) -> datetime:
    """When a picture that was not found so often on end is looked for again."""
    doubled: int = 2 ** min(max(failures - 1, 0), 10)
    return now + min(FIRST_PAUSE * doubled, LONGEST_PAUSE)
