"""What kind of archive a folder is, told from a part of its files: for the settings that somebody starts with.

Whatever cannot be told for sure is left to the person, who finds the key in the file as a comment.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from feedbridge.articles.dates import read_date
from feedbridge.articles.proxies import unwrap
from feedbridge.errors import SourceError
from feedbridge.fetch.files import FoundFile, list_folder
from feedbridge.inspection import preview_file
from feedbridge.model import Article, FolderRequest
from feedbridge.settings import ArchiveSource
from feedbridge.starter import OUTPUT, Find, Start, Value, host_name, one_line, slug, start_of

GLOB: tuple[str, ...] = ArchiveSource.model_fields["glob"].default
OTHER_GLOBS = ("**/*.htm", "**/*.xhtml", "**/*.markdown")
"""Files that may hold articles, too; they are looked for where there are none of the usual."""

MOST_SOURCES = 30
"""Folders of a folder that become sources of their own; where there are more, all is one source."""

_SAMPLE = 240
_LEAST_OF_A_GROUP = 8
_MOST_OF = 0.6
_LEAST_WITNESSES = 3

_NAMELESS = re.compile(
    "archives?|articles?|backup|content|data|docs|feeds?|files|html|markdown|md|mirror|out|pages?|_?posts?|public|rss"
    "|seeds?|site|sources?|src|texts?|tmp|txt|[0-9. ]*",
    re.IGNORECASE,
)
"""Names of folders that say nothing of what is in them."""
_MARKS_OF_ITS_OWN = ("_config.yml", "_posts", ".git")
_TITLE_LINE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_SIMPLIFIED = re.compile("[们这说时对么还没过会国来为个门间关问题长东发动员报让给]")
_TRADITIONAL = re.compile("[們這說時對麼還沒過會國來為個門間關問題長東發動員報讓給]")
_LETTERS = {
    "ja": re.compile("[\u3041-\u30fa]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
}
_ENOUGH_LETTERS = 0.2
_ZONES = {"zh": {8: "Asia/Shanghai"}, "ja": {9: "Asia/Tokyo"}, "ko": {9: "Asia/Seoul"}}


@dataclass(frozen=True, slots=True)
class _Sample:
    """Articles of some files of a folder, and the reasons why others hold none."""

    articles: tuple[Article, ...]
    unusable: tuple[str, ...]


def look_at_folder(folder: Path, *, settings_folder: Path, within: Path, now: datetime) -> Start:
    """What somebody starts with who has this folder.

    Args:
        folder: It is there.
        settings_folder: That of the settings file, from which relative paths count.
        within: A folder that lies here is named by a relative path.
        now: The time; aware.

    Raises:
        SourceError: It holds no article; the text says what it holds.
    """
    folder = folder.resolve()
    glob, files = _list(folder, leave_out=within / OUTPUT)
    groups, left_out = _archives_within(folder, glob, files)
    count = max(_LEAST_OF_A_GROUP, _SAMPLE // len(groups))
    finds: list[tuple[Find, str | None]] = []
    for root, own in groups.items():
        sample = _sample(root, glob, own, count=count, now=now)
        reasons = _counted(sample.unusable)
        if sample.articles:
            path = _written(root, settings_folder=settings_folder, within=within)
            finds.append(_find(root, own, sample, path=path, glob=glob))
        elif len(groups) == 1:
            raise SourceError(f"{folder}: none of its files holds an article: {reasons}")
        else:
            left_out.append((f"{root.relative_to(folder)}/", f"none of its files holds an article: {reasons}"))
    if not finds:
        raise SourceError(f"{folder}: none of its files holds an article: {left_out[-1][1]}")
    return start_of(finds, title=_title_of_folder(folder), left_out=left_out)


def _list(folder: Path, *, leave_out: Path) -> tuple[tuple[str, ...], tuple[FoundFile, ...]]:
    """The globs by which files are found in it, and the files.

    Raises:
        SourceError: There are none, or the folder cannot be listed.
    """
    for glob in (GLOB, OTHER_GLOBS):
        files = list_folder(FolderRequest(root=folder, patterns=glob, max_bytes=0, leave_out=leave_out)).files
        if files:
            found = tuple(one for one in glob if any(file.path.endswith(one[4:]) for file in files))
            return (GLOB if glob is GLOB else found), files
    endings = Counter(
        path.suffix or "no ending" for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    )
    usual = ", ".join(one[4:] for one in GLOB)
    if not endings:
        raise SourceError(f"{folder}: is empty; put saved articles there ({usual}), or name another folder")
    there = ", ".join(f"{count:,} of {ending}" for ending, count in endings.most_common(3))
    raise SourceError(f"{folder}: holds no file of {usual}; there is: {there}; name the folder that holds the articles")


def _archives_within(
    folder: Path, glob: tuple[str, ...], files: Sequence[FoundFile]
) -> tuple[dict[Path, list[FoundFile]], list[tuple[str, str]]]:
    """The folders that are archives of their own, with their files; or the one folder. And what is in none of them.

    They are, where each has what marks a site, or most have articles of one host, and each of another.
    """
    whole = {folder: list(files)}
    above = os.path.commonpath([os.path.dirname(file.path) for file in files])  # noqa: PTH120
    common = folder / above
    parts: defaultdict[str, list[FoundFile]] = defaultdict(list)
    for file in files:
        first, slash, rest = file.path[len(above) :].lstrip("/").partition("/")
        parts[first if slash else ""].append(file._replace(path=rest if slash else first))
    loose = parts.pop("", [])
    lie_loose = _hosts(_sample(common, glob, loose, count=_LEAST_OF_A_GROUP).articles)
    if lie_loose or not 2 <= len(parts) <= MOST_SOURCES:
        return whole, []
    groups = {common / name: own for name, own in sorted(parts.items())}
    if not (all(_is_marked(root) for root in groups) or _are_of_several_hosts(groups, glob)):
        return whole, []
    return groups, [
        (str((common / file.path).relative_to(folder)), "lies beside the folders of articles") for file in loose
    ]


def _is_marked(root: Path) -> bool:
    return any((root / mark).exists() for mark in _MARKS_OF_ITS_OWN)


def _are_of_several_hosts(groups: Mapping[Path, Sequence[FoundFile]], glob: tuple[str, ...]) -> bool:
    samples = [_sample(root, glob, own, count=_LEAST_OF_A_GROUP) for root, own in groups.items()]
    hosts = [host for sample in samples if (host := _main_host(sample.articles))]
    return len(hosts) >= len(groups) * _MOST_OF and len(set(hosts)) >= max(2, len(hosts) * _MOST_OF)


def _sample(
    root: Path, glob: tuple[str, ...], files: Sequence[FoundFile], *, count: int, now: datetime | None = None
) -> _Sample:
    """What files from all over the folder hold."""
    source = ArchiveSource(name="sample", kind="archive", path=root, glob=glob)
    chosen = files[:: max(1, len(files) // count)][:count]
    found = [preview_file(source, file, now=now or datetime.now(UTC)) for file in chosen]
    return _Sample(
        articles=tuple(one.told.article for one in found if one.told),
        unusable=tuple(one.unusable for one in found if one.unusable),
    )


def _find(
    root: Path, files: Sequence[FoundFile], sample: _Sample, *, path: str, glob: tuple[str, ...]
) -> tuple[Find, str | None]:
    """The folder as a source, and its language."""
    host = _main_host(sample.articles)
    title = _title_of_folder(root)
    language = _language(sample.articles)
    zone = _zone(sample.articles, language)
    proxies = _proxies(sample.articles)
    keys: dict[str, Value] = {"path": path}
    keys |= {"glob": glob} if glob != GLOB else {}
    keys |= {"link": f"https://{host}/"} if host else {}
    keys |= {"timezone": zone} if zone else {}
    keys |= {"image_proxy_hosts": proxies} if proxies else {}
    days = sorted(article.published.date() for article in sample.articles)
    told = f"{len(files):,} files" if len(files) != 1 else "1 file"
    told += f", articles from {days[0]} to {days[-1]}" if days[0] != days[-1] else f", an article from {days[0]}"
    told += f", of {host}" if host else ""
    told += f"; its dates name no zone, and are those of {zone}" if zone else ""
    told += f"; pictures come through {', '.join(proxies)}" if proxies else ""
    told += f"; {len(sample.unusable):,} of the looked-at hold no article" if sample.unusable else ""
    name = slug(title or "", instead=[host_name(host)] if host else ["articles"])
    title = title or (host or "").removeprefix("www.") or "My articles"
    return Find(name=name, title=title, kind="archive", keys=keys, told=told), language


def _title_of_folder(root: Path) -> str | None:
    """What the folder is called: by the settings of a Jekyll site, or by its own name if that says something."""
    for place in (root, root.parent):
        try:
            said = _TITLE_LINE.search((place / "_config.yml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if said and one_line(said[1]):
            return one_line(said[1])
    name = one_line(root.name.encode(errors="ignore").decode().replace("_", " "))
    return None if _NAMELESS.fullmatch(name) else name


def _hosts(articles: Iterable[Article]) -> list[str]:
    return [host for article in articles if article.link and (host := urlsplit(article.link).hostname)]


def _main_host(articles: Sequence[Article]) -> str | None:
    """The host that most of the articles are of."""
    counts = Counter(_hosts(articles)).most_common(1)
    return counts[0][0] if counts and counts[0][1] >= len(articles) * _MOST_OF else None


def _language(articles: Sequence[Article]) -> str | None:
    """The language of most articles, where their letters tell it."""
    told = Counter(_language_of(f"{article.title} {article.excerpt}") for article in articles).most_common(1)
    return told[0][0] if told and told[0][1] >= len(articles) * _MOST_OF else None


def _language_of(text: str) -> str | None:
    letters = sum(letter.isalpha() for letter in text)
    found = (name for name, signs in _LETTERS.items() if len(signs.findall(text)) > letters * _ENOUGH_LETTERS)
    language = next(found, None)
    if language != "zh":
        return language
    simplified, traditional = len(_SIMPLIFIED.findall(text)), len(_TRADITIONAL.findall(text))
    return "zh" if simplified == traditional else "zh-Hans" if simplified > traditional else "zh-Hant"


def _zone(articles: Sequence[Article], language: str | None) -> str | None:
    """The zone of the dates that name none, where the mirror's own stamps tell it: the hour that most are apart."""
    ahead = Counter(hours for article in articles if (hours := _hours_ahead(article)) is not None)
    ((hours, count),) = ahead.most_common(1) or [(0, 0)]
    if hours == 0 or count < _LEAST_WITNESSES or count < ahead.total() * _MOST_OF:
        return None
    named = _ZONES.get((language or "").partition("-")[0], {}).get(hours)
    return named or f"Etc/GMT{-hours:+d}"


def _hours_ahead(article: Article) -> int | None:
    """How many hours the publisher's clock is ahead of UTC, by a date without a zone; the mirror saw it soon after."""
    dates = {one.kind: one for one in article.testimonies}
    body, marker = dates.get("body"), dates.get("marker")
    date = read_date(body.text) if body else None
    if date is None or date.has_zone or not date.has_time or date.midnight or not (marker and marker.value):
        return None
    hours = -((marker.value - date.value) // timedelta(hours=1))
    return hours if -12 <= hours <= 14 else None


def _proxies(articles: Sequence[Article]) -> list[str]:
    """Hosts that carry the address of a picture in theirs, in most of the pictures that come from them."""
    seen: defaultdict[str, list[bool]] = defaultdict(list)
    for image in (image for article in articles for image in article.images):
        if host := urlsplit(image.origin).hostname:
            seen[host].append(bool(unwrap(image.origin, hosts=frozenset([host])).chain))
    return [host for host, ones in seen.items() if sum(ones) >= max(_LEAST_WITNESSES, len(ones) * _MOST_OF)]


def _written(folder: Path, *, settings_folder: Path, within: Path) -> str:
    """A folder as the settings name it."""
    is_near = folder == within or within in folder.parents
    path = os.path.relpath(folder, settings_folder) if is_near else str(folder)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{folder}: its name is no UTF-8, as the settings file is; give it another") from error
    return path


def _counted(reasons: Iterable[str]) -> str:
    """Why files hold no article: the commonest reasons."""
    return "; ".join(f"{count:,} × {reason}" for reason, count in Counter(reasons).most_common(3))
