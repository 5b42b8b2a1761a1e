"""A settings file to start from: the commented one that comes with us, with what was found put in its places."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from feedbridge.errors import SettingsError

OUTPUT = "public"
"""The folder that the settings file has the feeds written to."""

_PATHS = ('"public"', '"sqlite:///var/', '"articles"')
_REMARK = re.compile(r"^(.*?\S) +(# .*)$", re.MULTILINE)
_REMARK_COLUMN = 40
_LONGEST_TITLE = 100
_OUT_OF_LINE = {"Cc", "Cn", "Cs", "Zl", "Zp"}
_COMMON_LABELS = {"www", "m", "feeds", "rss"}
_SECOND_LEVELS = {"ac", "co", "com", "edu", "gov", "net", "org"}

Value = str | Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Find:
    """A source that was found, for which there is to be a feed.

    Attributes:
        name: Names the source, and the feed's files: lower-case letters, digits and `-`.
        title: One line, for readers.
        kind: `"archive"` or `"feed"`.
        keys: What else stands in its table, in this order.
        told: What it holds, in words for a person.
    """

    name: str
    title: str
    kind: str
    keys: Mapping[str, Value]
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What somebody starts with.

    Attributes:
        title: The name of the site.
        finds: One at least, each with its own name.
        language: What all of them are written in (BCP 47), if that is known.
        left_out: What is there and is not taken, with the reason.
    """

    title: str
    finds: tuple[Find, ...]
    language: str | None = None
    left_out: tuple[tuple[str, str], ...] = ()


def text(start: Start | None = None, *, below: bool = False) -> str:
    """The commented settings file.

    Args:
        start: What was found; without it, examples stand in its places.
        below: Its folder is one of several, so that what it names lies beside that folder and not in it.
    """
    commented = files("feedbridge").joinpath("starter.toml").read_text(encoding="utf-8")
    for path in _PATHS if below else ():
        first = path.removeprefix('"sqlite:///').removeprefix('"')
        commented = commented.replace(path, path.removesuffix(first) + "../" + first)
    return _aligned(_filled(commented, start) if start else commented)


def write(path: Path, start: Start | None = None, *, force: bool = False) -> None:
    """Write it where there is none yet.

    Args:
        path: The settings file.
        start: What was found.
        force: Replace one that is there.

    Raises:
        SettingsError: There is a file already, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text(start, below=is_below(path)))
    except FileExistsError as error:
        raise in_the_way(path) from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --config") from error


def in_the_way(path: Path) -> SettingsError:
    """That a file is there which is not replaced."""
    if not path.parent.is_dir():
        return SettingsError(f"{path.parent}: is there already and stays as it is; name another with --config")
    return SettingsError(
        f"{path}: is there already and stays as it is; name another with --config, or replace it with --force"
    )


def is_below(path: Path) -> bool:
    """Whether what the settings file names lies beside its folder."""
    return path.absolute().parent.name == "config"


def _filled(commented: str, start: Start) -> str:
    """The file with what was found: the first of each kind of table keeps the comments, the others need none."""
    head, site, archive, feed, table = commented.strip().split("\n\n")
    site = _set(site, "title", start.title)
    site = _set(site, "language", start.language) if start.language else site
    examples = {"archive": archive, "feed": _opened(feed)}
    blocks = [head, site]
    for find in start.finds:
        keys: dict[str, Value] = {"name": find.name, "kind": find.kind, "title": find.title, **find.keys}
        blocks.append(_table(examples.pop(find.kind, "[[source]]"), keys))
    if "feed" in examples:
        blocks.append(feed)
    several = len(start.finds) > 1
    for find in start.finds:
        keys = {"name": find.name, "title": find.title} | ({"sources": [find.name]} if several else {})
        own = table.replace("feeds/news.", f"feeds/{find.name}.").replace('["archive"]', f'["{find.name}"]')
        blocks.append(_table(own, keys))
        table = "[[feed]]"
    if several:
        blocks.append("\n".join(_ALL))
    return "\n\n".join(blocks) + "\n"


_ALL = (
    '# All of them in one feed, too: take the "#" away from these three lines.',
    "#[[feed]]",
    '#name = "all"',
    '#title = "Everything"',
)


def _opened(block: str) -> str:
    """The example of a feed, of which the first four lines are no comments any more."""
    _, *lines = block.splitlines()
    return "\n".join(line[1:] if number < 4 else f"# {line[1:]}" for number, line in enumerate(lines))


def _table(block: str, keys: Mapping[str, Value]) -> str:
    for key, value in keys.items():
        block = _set(block, key, value)
    return block


def _set(block: str, key: str, value: Value) -> str:
    """The table with a key set: in its place, be it a comment there, else behind the last key that is set."""
    line = f"{key} = {toml(value)}"
    found = re.search(rf"^(?:# ?)?{key} = [^#\n]*(#.*)?$", block, re.MULTILINE)
    if found:
        return f"{block[: found.start()]}{line} {found[1] or ''}".rstrip() + block[found.end() :]
    lines = block.splitlines()
    last = max(number for number, one in enumerate(lines) if not one.startswith("#"))
    return "\n".join((*lines[: last + 1], line, *lines[last + 1 :]))


def _aligned(commented: str) -> str:
    """The file with what is said behind keys in one column."""
    return _REMARK.sub(lambda line: f"{line[1]:<{_REMARK_COLUMN}} {line[2]}", commented)


def toml(value: Value) -> str:
    """A text or a list of texts as TOML."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(toml, value))}]"


def start_of(
    finds: Sequence[tuple[Find, str | None]], *, title: str | None, left_out: Sequence[tuple[str, str]] = ()
) -> Start:
    """What somebody starts with.

    Args:
        finds: What was found, each with its language; where names are the same, they get numbers.
        title: The name of the site; else it is that of the only find.
        left_out: What is not taken, with the reason.
    """
    taken: list[str] = []
    for find, _ in finds:
        numbered = (find.name, *(f"{find.name}-{number}" for number in range(2, len(finds) + 2)))
        taken.append(next(name for name in numbered if name not in taken))
    languages = {language for _, language in finds}
    return Start(
        title=finds[0][0].title if len(finds) == 1 else title or "My feeds",
        finds=tuple(replace(find, name=name) for (find, _), name in zip(finds, taken, strict=True)),
        language=languages.pop() if len(languages) == 1 else None,
        left_out=tuple(left_out),
    )


def slug(title: str, *, instead: Sequence[str] = ()) -> str:
    """A name for the files of a feed: the ASCII letters and digits of its title, or of what stands in for it.

    Args:
        title: Where it has fewer than three such letters, what stands in is taken.
        instead: What stands in for it, with two letters at least; if none will do, the name is made of digits.
    """
    for least, words in ((3, title), *((2, one) for one in instead)):
        plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:40].strip("-")
        if len(re.sub("[^a-z]", "", name)) >= least:
            return name
    return f"feed-{sha256(title.encode(errors='replace')).hexdigest()[:8]}"


def host_name(host: str) -> str:
    """What a host is called by people: `www.example.co.uk` is `example`."""
    labels = [label for label in host.lower().split(".") if label not in _COMMON_LABELS]
    is_below = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return " ".join(labels[: -2 if is_below else -1] or labels)


def one_line(title: str) -> str:
    """A title as the settings can hold it."""
    letters = (" " if unicodedata.category(letter) in _OUT_OF_LINE else letter for letter in title)
    return " ".join("".join(letters).split())[:_LONGEST_TITLE].strip()
