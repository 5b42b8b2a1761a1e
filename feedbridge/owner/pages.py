"""The owner's pages, written by templates; each stands for itself and needs neither a script nor anybody else."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from feedbridge.feeds.spelling import rfc3339
from feedbridge.inspection import Explanation
from feedbridge.owner import words as own_words
from feedbridge.owner.charts import Bar, chart
from feedbridge.owner.views import DAYS, HOSTS, HostView, OverviewView, SourceLine, SourceView, waits
from feedbridge.owner.words import Words
from feedbridge.pages.spelling import TITLE, clipped, plain, web_address
from feedbridge.pages.theme import theme_of
from feedbridge.pages.words import words_for
from feedbridge.settings import Site
from feedbridge.store.overview import Hour
from feedbridge.store.polls import Poll

LONGEST_REASON = 600
LEFT_OUT = 20
"""Files or entries that are named on the page of their source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What every page has.

    Attributes:
        now: When it is made; aware.
        trouble: The address of the trouble feed, relative to the pages, with the token that opens it.
        trouble_address: The same, whole.
    """

    site: Site
    now: datetime
    trouble: str
    trouble_address: str

    @property
    def words(self) -> Words:
        """In the language of the public pages' own words."""
        return words_of(self.site)


def words_of(site: Site) -> Words:
    """The words for a site."""
    return own_words.words_for(words_for(site.language).language)


@cache
def policy() -> str:
    """The Content-Security-Policy: our style by its hash, our own forms, and nothing else."""
    digest = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )


def source_address(name: str) -> str:
    """The page of a source, relative to the pages; a name may hold whatever it likes."""
    return f"source?name={quote(name, safe='')}"


def overview_page(frame: Frame, found: OverviewView) -> bytes:
    """How all stands."""
    return _render("overview.html", frame, found=found, hourly=_hourly(found.hours, frame.words))


def source_page(frame: Frame, found: SourceView, *, form: str, asked: bool) -> bytes:
    """One source.

    Args:
        frame: What every page has.
        found: How it stands.
        form: What its form must hold.
        asked: A refresh was asked for just now.
    """
    standing = found.line.standing
    left_out = found.status.summary.unusable
    return _render(
        "source.html",
        frame,
        found=found,
        line=found.line,
        form=form,
        asked=asked,
        waits=waits(standing, now=frame.now),
        durations=_durations(found.polls, frame.words),
        left_out=left_out[:LEFT_OUT],
        more_left_out=len(left_out) - LEFT_OUT,
    )


def article_page(frame: Frame, found: Explanation) -> bytes:
    """What made an article."""
    return _render("article.html", frame, found=found, article=found.article)


def pictures_page(frame: Frame, hosts: Sequence[HostView], *, in_all: int) -> bytes:
    """Where pictures come from, and which of them are found."""
    return _render("pictures.html", frame, hosts=hosts, is_cut=in_all > HOSTS, most=HOSTS)


def _render(name: str, frame: Frame, **values: object) -> bytes:
    template = _environment().get_template(name)
    words, now = frame.words, frame.now

    def moment(instant: datetime) -> Markup:
        said = instant.astimezone(UTC)
        return Markup('<span><time datetime="{}">{:%Y-%m-%d %H:%M} UTC</time> ({})</span>').format(
            rfc3339(instant), said, words.from_now(instant, now=now)
        )

    def daily(line: SourceLine) -> Markup:
        return _daily(line, words)

    shared = {"frame": frame, "site": frame.site, "words": words, "style": Markup(_style())}  # noqa: S704  (our own)
    return template.render(shared, moment=moment, daily=daily, days=DAYS, **values).encode()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("feedbridge.owner"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Callable[[Any], Any]] = {
        "number": lambda value: f"{value:,}",
        "size": _size,
        "seconds": _seconds,
        "title": lambda text: clipped(text, TITLE),
        "plain": plain,
        "reason": lambda text: clipped(text, LONGEST_REASON),
        "web": web_address,
        "page_of": source_address,
    }
    made.filters |= filters
    return made


@cache
def _style() -> str:
    """That of the public pages, as it is built in, and what only these pages need."""
    loader = PackageLoader("feedbridge.owner")
    own = loader.get_source(_environment(), "owner.css")[0]
    return f"{theme_of(None).style}\n{own}"


def _hourly(hours: Sequence[Hour], words: Words) -> dict[str, object]:
    """Two charts of the last day, and the sums that stand beside them."""
    changed, unchanged, failed = (
        sum(getattr(hour, name) for hour in hours) for name in ("changed", "unchanged", "failed")
    )
    counts = [
        Bar(
            parts=(("good", hour.changed), ("idle", hour.unchanged)),
            below=hour.failed,
            note=f"{hour.start:%H:%M}: {hour.changed} + {hour.unchanged}, {hour.failed}",
        )
        for hour in hours
    ]
    times = [
        Bar(parts=(("good", hour.seconds),), note=f"{hour.start:%H:%M}: {_seconds(hour.seconds)}") for hour in hours
    ]
    longest = max((hour.longest for hour in hours), default=0.0)
    told = f"{words.changed} {changed:,}, {words.unchanged} {unchanged:,}, {words.failed} {failed:,}"
    return {
        "any": bool(changed + unchanged + failed),
        "first": hours[0].start,
        "changed": changed,
        "unchanged": unchanged,
        "failed": failed,
        "longest": longest,
        "counts": chart(counts, label=f"{words.hourly}: {told}"),
        "times": chart(times, label=f"{words.took_hourly}: {words.longest.format(_seconds(longest))}"),
    }


def _durations(polls: Sequence[Poll], words: Words) -> Markup:
    """How long the refreshes took that are remembered, the oldest first; what failed hangs from the line, too."""
    bars = []
    longest = 0.0
    for poll in reversed(polls):
        seconds = (poll.finished_at - poll.started_at).total_seconds()
        longest = max(longest, seconds)
        kind = "good" if poll.new or poll.changed else "idle"
        note = f"{poll.started_at:%m-%d %H:%M}: {words.took.format(_seconds(seconds))}"
        bars.append(Bar(parts=((kind, seconds),), below=1 if poll.error else 0, note=note))
    label = f"{words.durations.format(len(polls))}: {words.longest.format(_seconds(longest))}"
    return chart(bars, label=label)


def _daily(line: SourceLine, words: Words) -> Markup:
    """The articles of a source by the day of publication."""
    if not any(line.days):
        return Markup('<p class="quiet">{}</p>').format(words.none_daily.format(DAYS))
    told = words.most.format(f"{sum(line.days):,}", f"{max(line.days):,}")
    drawn = chart([Bar(parts=(("good", number),)) for number in line.days], label=words.daily.format(DAYS))
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(drawn, told)


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _size(value: int) -> str:
    """Bytes in the unit that suits."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value / 2**10:.0f} KiB"
