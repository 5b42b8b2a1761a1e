"""Templates, style and script of the pages: the built-in ones, and those of a folder that stand in for them."""

import contextlib
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from feedbridge.errors import PublishError

if TYPE_CHECKING:
    from jinja2 import Environment

BUILT_IN = Path(__file__).parent / "templates"
_ENDINGS = (".html", ".css", ".js")


def theme_of(folder: Path | None) -> "Theme":
    """The theme as its files are now.

    Args:
        folder: Of templates that stand in for the built-in ones of the same name.
    """
    return _theme(folder, _digest(folder))


def files_of(folder: Path | None) -> Iterator[Path]:
    """What a theme is made of: its folders, and the files in them.

    Raises:
        OSError: The folder cannot be read.
    """
    for root in filter(None, (BUILT_IN, folder)):
        yield root
        yield from sorted(one for one in root.iterdir() if one.suffix in _ENDINGS)


def problems_of(folder: Path) -> Iterator[str]:
    """What cannot be used of a folder of templates, as far as it can be told before there are pages."""
    theme = theme_of(folder)
    if not folder.is_dir():
        yield _no_folder(folder)
        return
    for name in sorted(one.name for one in BUILT_IN.iterdir() if (folder / one.name).exists()):
        try:
            theme.check(name)
        except PublishError as error:
            yield f"{folder}: {error}"


@lru_cache(maxsize=4)
def _theme(folder: Path | None, digest: str) -> "Theme":
    return Theme(folder, digest)


def _digest(folder: Path | None) -> str:
    """A digest of all files of a theme; of a folder that cannot be read, one that no readable one has."""
    digest = hashlib.sha256()
    try:
        for path in files_of(folder):
            if not path.is_dir():
                digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return digest.hexdigest()[:32]


class Theme:
    """Writes pages by templates.

    Attributes:
        digest: The same as long as its files are.
    """

    def __init__(self, folder: Path | None, digest: str) -> None:
        self.digest = digest
        self._folder = folder

    def render(self, name: str, **values: object) -> str:
        """Write a page, or a part of one, by a template.

        Raises:
            PublishError: The template is wrong, or the folder cannot be read.
        """
        if self._folder and not self._folder.is_dir():
            raise PublishError(_no_folder(self._folder))
        with _told_of(name):
            return self._templates.get_template(name).render(values, theme=self)

    def check(self, name: str) -> None:
        """See that a file of the theme can be read, and what is written in it.

        Raises:
            PublishError: It cannot be used.
        """
        with _told_of(name):
            if name.endswith(".html"):
                self._templates.get_template(name)
            else:
                self._source(name)

    @cached_property
    def style(self) -> Markup:
        """The style sheet, as it stands between its tags."""
        return self._source("style.css")

    @cached_property
    def script(self) -> Markup:
        """The script, as it stands between its tags; the pages work without."""
        return self._source("script.js")

    def policy(self, *, shows_pictures: bool) -> Markup:
        """The Content-Security-Policy of a page: our style and script by their hashes, and nothing else that runs."""
        web = " http: https:" if shows_pictures else ""
        media = "; media-src http: https:" if shows_pictures else ""
        return Markup(  # noqa: S704  (letters of ours, and hashes)
            f"default-src 'none'; style-src {_hash(self.style)}; script-src {_hash(self.script)};"
            f" img-src data:{web}{media}; base-uri 'none'; form-action 'none'"
        )

    @cached_property
    def _templates(self) -> "Environment":
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

        built_in = PackageLoader("feedbridge.pages")
        return Environment(
            loader=ChoiceLoader([FileSystemLoader(self._folder), built_in]) if self._folder else built_in,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def _source(self, name: str) -> Markup:
        assert self._templates.loader is not None
        text = self._templates.loader.get_source(self._templates, name)[0].replace("\r\n", "\n")
        if "</" in text:
            raise PublishError(f'the theme cannot be used: {name} holds "</", which would end it within a page')
        return Markup(text)  # noqa: S704  (our own file, or one of the site's owner)


@contextlib.contextmanager
def _told_of(name: str) -> Iterator[None]:
    """Let what is wrong with a template be told with its place."""
    from jinja2 import TemplateError

    try:
        yield
    except (TemplateError, TypeError, ValueError, OSError) as error:
        line, broken = getattr(error, "lineno", None), getattr(error, "name", None) or name
        place = f"{broken}, line {line}" if line else broken
        raise PublishError(f"the template {place} cannot be used: {error}") from error


def _no_folder(folder: Path) -> str:
    return f"{folder}: no such folder; make it, for templates of the pages, or leave `theme` out"


def _hash(text: str) -> str:
    """A source of a policy (CSP 3 section 2.3.1): what has this hash may be used."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
