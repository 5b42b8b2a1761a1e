"""What the commands print: as lines for people, and as values for JSON.

Foreign text stands in the lines as it is; it is made printable where it is printed.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedbridge import defaults
from feedbridge.model import Enclosure, Origin
from feedbridge.terminal import printable

if TYPE_CHECKING:
    from feedbridge.inspection import Explanation, Previewed, SiteStatus, SourceStatus, Status
    from feedbridge.pictures.album import Choice
    from feedbridge.pipeline import Build, Removal
    from feedbridge.publishing import Report
    from feedbridge.settings import Settings
    from feedbridge.starter import Find, Start
    from feedbridge.store.copying import Copied
    from feedbridge.store.jobs import JobCounts
    from feedbridge.survey import HostSurvey, Survey, Trial
    from feedbridge.tally import Tally

Values = dict[str, Any]


def build_lines(done: "Build", *, shown: int) -> list[str]:
    """What a build did; of long lists, the first `shown`."""
    lines = [line for tally in done.tallies for line in _tally_lines(tally, shown)]
    return lines + list(_report_lines(done.published, shown))


def build_values(done: "Build") -> Values:
    """What a build did."""
    return {
        "sources": [
            {
                **{key: value for key, value in asdict(tally).items() if key != "is_whole"},  # which every build is
                "not_before": _stamp(tally.not_before),
                "unusable": [{_part(tally.kind): name, "reason": reason} for name, reason in tally.unusable],
            }
            for tally in done.tallies
        ],
        **_report_values(done.published),
    }


def removal_lines(done: "Removal", *, shown: int) -> list[str]:
    """What `remove` did."""
    lines = [f"{source}: removed “{title}”" for source, title in done.articles]
    return lines + list(_report_lines(done.published, shown))


def removal_values(done: "Removal") -> Values:
    """What `remove` did."""
    return {
        "removed_articles": [{"source": source, "title": title} for source, title in done.articles],
        **_report_values(done.published),
    }


def check_line(path: Path, settings: "Settings") -> str:
    """That the settings are right."""
    return (
        f"{path}: fine; {_count(len(settings.source), 'source')}, {_count(len(settings.feed), 'feed table')},"
        f" published in {settings.site.output}"
    )


def upgrade_line(name: str, *, before: str | None, after: str) -> str:
    """What became of the schema of a store."""
    if before is None:
        return f"{name}: made; its schema is {after}"
    if before == after:
        return f"{name}: its schema is {after}, the newest"
    return f"{name}: its schema is {after} now; it was {before}"


def copy_lines(done: "Copied") -> list[str]:
    """What was copied of a store, and what is to be done next."""
    return [
        *(f"  {table} {rows:,}" for table, rows in done.rows.items() if rows),
        f"{done.target}: holds all that {done.source} does, counted on both sides",
        f'next, in the settings: store = "{done.target}" with its password, and state = "{done.state}";'
        " the file stays as it is",
    ]


def backup_line(file: Path) -> str:
    """That the store was copied."""
    return f"{file}: written; to restore it, stop feedbridge and put it in the place of the store"


def backup_values(settings: "Settings", file: Path) -> Values:
    """That the store was copied."""
    return {"store": str(settings.site.store_path), "backup": str(file)}


def start_lines(path: Path, start: "Start | None", *, base_url: str, shown: int) -> list[str]:
    """What somebody starts with, and what comes next."""
    config = "" if path == defaults.SETTINGS else f" --config {shlex.quote(str(path))}"
    if start is None:
        return [f"{path}: written; put your folder or feed in, then: feedbridge check{config}"]
    lines = list(_some((f"{find.name}: “{find.title}”, {find.told}" for find in start.finds), shown))
    lines += _some((f"  left out {name}: {reason}" for name, reason in start.left_out), shown)
    several = len(start.finds) > 1
    count = f"{len(start.finds)} sources, and a feed for each" if several else "one source, and a feed of it"
    return [
        *lines,
        f"{path}: written, with {count}; look through it, then:",
        f"  feedbridge build{config}    writes the feeds once",
        f"  feedbridge run{config}      keeps them fresh, and serves them: subscribe to",
        *_some((f"    {_address_of(find, base_url)}" for find in start.finds), shown),
    ]


def start_values(path: Path, start: "Start | None", *, base_url: str) -> Values:
    """What somebody starts with."""
    return {
        "settings": str(path),
        "title": start and start.title,
        "language": start and start.language,
        "sources": [
            {"name": find.name, "kind": find.kind, "title": find.title, **find.keys, "told": find.told}
            for find in (start.finds if start else ())
        ],
        "feeds": [
            {"name": find.name, "title": find.title, "address": _address_of(find, base_url)}
            for find in (start.finds if start else ())
        ],
        "left_out": [{"what": name, "reason": reason} for name, reason in (start.left_out if start else ())],
    }


def _address_of(find: "Find", base_url: str) -> str:
    return f"{base_url}feeds/{find.name}.atom"


def preview_lines(found: "Sequence[Previewed]", *, kind: str) -> list[str]:
    """What a source of a kind would yield."""
    nothing = "it has no entries" if kind == "feed" else "no files match"
    return [line for one in found for line in _preview_lines(one)] or [nothing]


def preview_values(one: "Previewed", *, kind: str) -> Values:
    """What a file or an entry would yield."""
    article = one.told.article if one.told else None
    return {
        _part(kind): one.path,
        "unusable": one.unusable,
        "article": article
        and {
            "id": article.id,
            "title": article.title,
            "link": article.link,
            "published": _stamp(article.published),
            "updated": _stamp(article.updated),
            "authors": [person.name for person in article.authors],
            "categories": [category.term for category in article.categories],
            "images": [image.origin for image in article.images],
            "enclosures": [_enclosure_values(enclosure) for enclosure in article.enclosures],
            "excerpt": article.excerpt,
        },
    }


def status_lines(found: "Status", *, shown: int) -> list[str]:
    """All that is known of how sources stand, and of the feeds."""
    lines = [line for source in found.sources for line in _source_lines(source, shown)]
    lines += [""] if found.feeds else []
    for feed in found.feeds:
        newest = f", newest {_stamp(feed.newest)}" if feed.newest else ""
        lines.append(
            f"feed {feed.name} “{feed.title}”: {_count(feed.entries, 'entry', 'entries')}{newest}; {feed.address}"
        )
    lines += ["", work_line(found.work)] if found.work else []
    return lines


def work_line(work: "JobCounts") -> str:
    """How the work of all machines together stands."""
    jobs = _count(work.waiting, "job waits", "jobs wait"), f"{work.running} at work", f"{work.failed} given up"
    return f"{', '.join(jobs)}; {_count(work.workers, 'worker', 'workers')}"


def state_of(one: "SourceStatus") -> str:
    """How a source stands, in a word or two: `fine`, `not yet`, `silent`, `failing`, `ailing` or `gone`."""
    if one.summary.gone_at:
        return "gone"
    if _is_failing(one):
        return "ailing" if one.ailing else "failing"
    if one.summary.last_success is None:
        return "not yet"
    return "silent" if one.silent else "fine"


def _is_failing(one: "SourceStatus") -> bool:
    """Whether its last refresh failed; only the daemon counts how often."""
    error, success = one.summary.last_error, one.summary.last_success
    return one.summary.failures > 0 or (error is not None and (success is None or error.started_at >= success))


def trouble_lines(one: "SourceStatus", *, shown: int, when: Callable[[datetime], str]) -> Iterator[str]:
    """What somebody should know, or do something about.

    Args:
        one: A source.
        shown: So many lines of one kind.
        when: Says a time.
    """
    source = one.summary
    if one.site and not one.site.found and (new := one.site.moved_to):
        if new == one.site.asked_at:
            yield f"  has moved for good to {new}"
        else:
            yield f"  has moved, it says, to {new}; once it has said so for a day, that is asked instead"
    if source.last_error and _is_failing(one):
        yield f"  last error {when(source.last_error.started_at)}: {source.last_error.error}"
    if source.failures:
        ailing = ", ailing" if one.ailing else ""
        yield f"  failed {_count(source.failures, 'time')} on end{ailing}; its last good feeds stay up"
    if source.gone_at:
        yield f"  gone for good since {when(source.gone_at)}, its site says; it is not asked any more"
    if one.silent:
        yield "  silent for longer than is its habit"
    if source.old_rules:
        yield f'  {source.old_rules:,} read by older rules; "feedbridge renormalise" reads them anew'
    yield from _some((f"  left out {path}: {why}" for path, why in source.unusable), shown)


def status_values(found: "Status") -> Values:
    """How all stands."""
    return {
        "sources": [
            {
                "name": one.summary.name,
                "state": state_of(one),
                "articles": one.summary.articles,
                "new_in_a_day": one.summary.new_in_a_day,
                "newest": _stamp(one.summary.newest),
                "silent": one.silent,
                "ailing": one.ailing,
                "failures": one.summary.failures,
                "old_rules": one.summary.old_rules,
                "last_success": _stamp(one.summary.last_success),
                "last_error": one.summary.last_error.error if one.summary.last_error else None,
                "last_error_at": _stamp(one.summary.last_error.started_at) if one.summary.last_error else None,
                "next_poll": _stamp(one.summary.next_poll_at),
                "unusable": [{"file": file, "reason": reason} for file, reason in one.summary.unusable],
                "site": one.site
                and {
                    "address": one.site.address,
                    "asked_at": one.site.asked_at,
                    "moved_to": one.site.moved_to,
                    "found": one.site.found,
                    "not_before": _stamp(one.site.not_before),
                    "gone_since": _stamp(one.summary.gone_at),
                    "unchanged": one.site.unchanged,
                },
            }
            for one in found.sources
        ],
        "feeds": [
            {
                "name": feed.name,
                "title": feed.title,
                "entries": feed.entries,
                "newest": _stamp(feed.newest),
                "address": feed.address,
            }
            for feed in found.feeds
        ],
        "work": found.work
        and {
            "waiting": found.work.waiting,
            "running": found.work.running,
            "failed": found.work.failed,
            "workers": found.work.workers,
        },
    }


def explanation_lines(found: "Sequence[Explanation]") -> list[str]:
    """What made each article."""
    lines: list[str] = []
    for one in found:
        lines += ["", *_explanation_lines(one)] if lines else _explanation_lines(one)
    return lines


def explanation_values(one: "Explanation") -> Values:
    """What made an article."""
    values: Values = {"file": one.file, "unusable": one.unusable, "kept": one.kept, "removed": one.removed}
    if one.article is None:
        return values
    article = one.article
    return {
        **values,
        "id": article.id,
        "source": article.source,
        "title": article.title,
        "link": article.link,
        "published": _stamp(article.published),
        "updated": _stamp(article.updated),
        "first_seen": _stamp(article.first_seen),
        "witnesses": [
            {"kind": it.kind, "text": it.text, "instant": _stamp(it.value), "note": it.note}
            for it in article.testimonies
        ],
        "authors": [person.name for person in article.authors],
        "categories": [category.term for category in article.categories],
        "enclosures": [_enclosure_values(enclosure) for enclosure in article.enclosures],
        "origin": article.origin and asdict(article.origin),
        "files": list(one.files),
        "text_from": one.body_from,
        "aliases": list(one.aliases),
        "images": [
            {
                "origin": picture.image.origin,
                "came_through": list(picture.image.chain),
                "caption": picture.image.caption,
                "published_as": {
                    feed: next((choice.address for choice in choices if choice.chosen), None)
                    for feed, choices in picture.feeds
                },
                "chains": {feed: [asdict(choice) for choice in choices] for feed, choices in picture.feeds},
            }
            for picture in one.images
        ],
        "feeds": [{"name": name, "document": document} for name, document in one.places],
    }


def _tally_lines(tally: "Tally", shown: int) -> Iterator[str]:
    name = tally.source
    if tally.error:
        yield f"{name}: failed: {tally.error}; its articles and feeds stay as they were"
        return
    yield f"{name}: {tally.note}{_anew(tally)}" if tally.note else f"{name}: {_counts(tally)}"
    if not (tally.files or tally.note):
        yield "  it has no entries" if tally.kind == "feed" else "  no file matches its glob"
    yield from _some((f"  left out {path}: {why}" for path, why in tally.unusable), shown)


def _counts(tally: "Tally") -> str:
    told = _count(tally.files, "entry", "entries") if tally.kind == "feed" else _count(tally.files, "file")
    return (
        f"{told}, {tally.read:,} read: {tally.new:,} new, {tally.changed:,} changed,"
        f" {tally.same:,} as before, {len(tally.unusable):,} left out"
    )


def _anew(tally: "Tally") -> str:
    """What became of the articles that were made anew from what is kept."""
    return f" ({_count(tally.read, 'article')} made anew, {tally.changed:,} changed)" if tally.read else ""


def _report_lines(report: "Report", shown: int) -> Iterator[str]:
    yield (
        f"{_count(len(report.written), 'file')} written, {report.same:,} unchanged, {len(report.removed):,} removed"
        if report.written or report.removed or report.left_out or report.held or report.errors
        else "nothing to write: every file is as it should be"
    )
    yield from _some((f"  {path}" for path in report.written), shown)
    yield from _some((f"  removed {path}" for path in report.removed), shown)
    yield from _some((f"  {path}: left out {entry}: {reason}" for path, entry, reason in report.left_out), shown)
    yield from report.held
    yield from (f"failed: {error}" for error in report.errors)


def _report_values(report: "Report") -> Values:
    return {
        "written": report.written,
        "unchanged": report.same,
        "removed": report.removed,
        "left_out": [{"document": path, "entry": entry, "reason": reason} for path, entry, reason in report.left_out],
        "held": report.held,
        "errors": report.errors,
    }


def _preview_lines(one: "Previewed") -> Iterator[str]:
    if one.told is None:
        yield f"{one.path}: left out: {one.unusable or ''}"
        return
    article = one.told.article
    yield f"{_stamp(article.published)}  {printable(article.title, 100)}"
    yield f"    {article.link or one.path}"
    excerpt = f"; {printable(article.excerpt, 100)}" if article.excerpt else ""
    yield f"    {_count(len(article.images), 'picture')}{excerpt}"


def _source_lines(one: "SourceStatus", shown: int) -> Iterator[str]:
    source = one.summary
    newest = f", newest {_stamp(source.newest)}" if source.newest else ""
    nothing_new = ", nothing new" if one.site and one.site.unchanged else ""
    yield f"{source.name}: {_count(source.articles, 'article')}, {source.new_in_a_day:,} new in a day{newest}"
    yield from _address_lines(one.site) if one.site else ()
    yield f"  last success {_stamp(source.last_success)}{nothing_new}" if source.last_success else "  never refreshed"
    if source.last_error and not _is_failing(one):
        yield f"  last error {_stamp(source.last_error.started_at)}: {source.last_error.error}"
    yield from trouble_lines(one, shown=shown, when=lambda instant: str(_stamp(instant)))
    if one.site and one.site.not_before and not source.gone_at:
        yield f"  its site wishes not to be asked before {_stamp(one.site.not_before)}"
    if source.next_poll_at and not source.gone_at:
        yield f"  next poll {_stamp(source.next_poll_at)}"


def _address_lines(site: "SiteStatus") -> Iterator[str]:
    yield f"  address {site.address}"
    if site.found:
        yield f"  its page names the feed {site.found}"


def _explanation_lines(one: "Explanation") -> list[str]:
    if one.article is None:
        return [f"{one.file or ''}: left out: {one.unusable}"]
    article = one.article
    if one.removed:
        return [f"{article.id}", f"  of {article.source}; was taken down and stays away"]
    lines = [article.title, f"  id         {article.id}", f"  source     {article.source}"]
    lines += [f"  first in   {_origin(article.origin)}"] if article.origin else []
    lines += [f"  link       {article.link}"] if article.link else []
    lines += (
        [f"  authors    {printable(', '.join(person.name for person in article.authors))}"] if article.authors else []
    )
    lines += [f"  file       {path}" + (" (the text's)" if path == one.body_from else "") for path in one.files]
    lines += [] if one.kept else ["  not kept yet: this is what the next build would make of it"]
    lines += [f"  published  {_stamp(article.published)}", f"  updated    {_stamp(article.updated)}", "  witnesses"]
    lines += [
        f"    {it.kind:<12} {_stamp(it.value) or '-':<20} {it.note}: {printable(it.text, 60)}"
        for it in article.testimonies
    ]
    lines += [f"  known by   {alias}" for alias in one.aliases]
    lines += [f"  enclosure  {_enclosure(enclosure)}" for enclosure in article.enclosures]
    for number, picture in enumerate(one.images):
        lines.append(f"  picture {number}  {picture.image.origin}")
        lines += [f"    came through {address}" for address in picture.image.chain]
        for feed, choices in picture.feeds:
            lines += _choice_lines(feed, choices)
    lines += [f"  in feed    {name}: {document}" for name, document in one.places]
    return lines


def _choice_lines(feed: str, choices: "Sequence[Choice]") -> Iterator[str]:
    """How a feed shows a picture: one policy in a line, of a chain each with what is known of it."""
    if len(choices) == 1:
        yield f"    in {feed}: {choices[0].address or 'left out'}"
        return
    yield f"    in {feed}, the first that works of:"
    for choice in choices:
        mark = "->" if choice.chosen else "  "
        yield f"    {mark} {printable(choice.policy, 60)}: {choice.address or 'no address'} ({choice.note})"


def survey_lines(found: "Survey", *, shown: int) -> list[str]:
    """Where pictures come from, and what a policy would make of them."""
    lines = [
        f"{_count(found.pictures, 'picture')} in {_count(found.articles, 'article')},"
        f" from {_count(len(found.hosts), 'host')}"
    ]
    lines += _some((_host_line(host) for host in found.hosts), shown)
    if found.proxies:
        lines.append("came through")
        lines += _some((f"  {name}: {_count(number, 'picture')}" for name, number in found.proxies), shown)
    lines += [f"copies: {found.copied_bytes:,} bytes"] if found.copied_bytes else []
    lines += [f"cache of what is served: {found.cached_bytes:,} bytes"] if found.cached_bytes else []
    lines += [f"to be looked for: {_count(found.waiting, 'picture')}"] if found.waiting else []
    return lines + (list(_trial_lines(found.trial, shown)) if found.trial else [])


def survey_values(found: "Survey") -> Values:
    """Where pictures come from, and what a policy would make of them."""
    return {**asdict(found), "proxies": dict(found.proxies)}


def _host_line(host: "HostSurvey") -> str:
    known = {"found": host.found, "not found": host.missing, "copied": host.copies}
    told = ", ".join(f"{number:,} {word}" for word, number in known.items() if number)
    trouble = f"; fails: {host.trouble}" if host.trouble else ""
    return f"  {host.host or '(in the article)'}: {host.pictures:,}" + (f" ({told})" if told else "") + trouble


def _trial_lines(trial: "Trial", shown: int) -> Iterator[str]:
    yield f"with {printable(' > '.join(trial.policy), 120)}"
    yield f"  {trial.changed:,} with another address, {trial.same:,} as now, {trial.left_out:,} left out"
    for sample in trial.samples:
        yield f"    {sample.before or 'left out'}"
        yield f"    -> {sample.after or 'left out'}"
    yield from _some((f"  from {name or '(in the article)'}: {number:,}" for name, number in trial.hosts), shown)
    for check in trial.checks:
        answer = f"{check.kind}, {check.width} × {check.height}" if check.kind else f"no picture: {check.reason}"
        yield f"  asked {check.address}: {answer}"


def _origin(origin: Origin) -> str:
    """The feed that an article was first in: its title and where it is, as far as they are told."""
    title = f"“{printable(origin.title, 100)}”" if origin.title else None
    return " ".join(filter(None, (title, origin.self_link or origin.link or origin.id)))


def _enclosure(enclosure: Enclosure) -> str:
    length = f"{enclosure.length:,} bytes" if enclosure.length is not None else None
    details = ", ".join(filter(None, (enclosure.type, length)))
    return f"{enclosure.href} ({details})" if details else enclosure.href


def _enclosure_values(enclosure: Enclosure) -> Values:
    return {"address": enclosure.href, "type": enclosure.type, "length": enclosure.length}


def _part(kind: str) -> str:
    """What the parts of a source are called in JSON."""
    return "entry" if kind == "feed" else "file"


def _some(lines: Iterator[str], shown: int) -> Iterator[str]:
    for count, line in enumerate(lines):
        if count < shown:
            yield line
        elif count == shown:
            rest = 1 + sum(1 for _ in lines)
            yield f"  … and {rest:,} more (--json lists all)"


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _stamp(instant: datetime | None) -> str | None:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ") if instant else None
