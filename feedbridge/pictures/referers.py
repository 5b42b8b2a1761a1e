"""What is sent as Referer when a picture is fetched: most hosts want none, some want a page of their own."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from feedbridge.errors import SettingsError
from feedbridge.reach import refuse_url

OWN = "own"
NONE = "none"

_MEND = 'say "own", "none", or an address such as "https://news.example/"'


class Referers:
    """A table of hosts; each stands for all names below it, too, and of several that fit the longest counts."""

    def __init__(self, table: Mapping[str, str] | None = None) -> None:
        """Take a table: hosts in lower case, each with an address, `own` or `none`."""
        self._table = dict(table or {})

    def of(self, address: str) -> str | None:
        """What is sent when the picture at an address is fetched, or None if nothing is."""
        try:
            parts = urlsplit(address)
            name = (parts.hostname or "").rstrip(".")
        except ValueError:
            return None
        while name not in self._table:
            _, dot, name = name.partition(".")
            if not dot:
                return None
        sent = self._table[name]
        if sent == OWN:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        return None if sent == NONE else sent


def read_referers(own: Path | None = None) -> Referers:
    """The table that comes with feedbridge, with the lines of a file of one's own in front.

    Raises:
        SettingsError: The file cannot be read; the text names the line and the mend.
    """
    shipped = resources.files("feedbridge.pictures").joinpath("referers.toml").read_text(encoding="utf-8")
    table = parse_referers(shipped, "referers.toml")
    if own is not None:
        try:
            table |= parse_referers(own.read_text(encoding="utf-8"), str(own))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise SettingsError(f"{own}: cannot be read ({reason})") from error
    return Referers(table)


def parse_referers(text: str, name: str) -> dict[str, str]:
    """Read a table, `[referers]`, from TOML.

    Args:
        text: The file.
        name: What it is called in errors.

    Raises:
        SettingsError: It is not such a table; the text names the line and the mend.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{name}: {error or 'is nested too deeply'}") from error
    table = tables.pop("referers", {})
    if tables:
        raise SettingsError(f"{name}: {next(iter(tables))}: is not known; all stands below [referers]")
    if not isinstance(table, dict):
        raise SettingsError(f"{name}: referers: must be a table, [referers]")
    return {_host(host, name): _sent(sent, f"{name}: {host}") for host, sent in table.items()}


def _host(host: str, name: str) -> str:
    lowered = host.lower().strip(".")
    if refuse_url(f"https://{lowered}/") or urlsplit(f"https://{lowered}/").hostname != lowered:
        raise SettingsError(f'{name}: {host}: is no host; write a name such as "pictures.example", in quotes')
    return lowered


def _sent(sent: object, place: str) -> str:
    if sent in (OWN, NONE):
        return str(sent)
    if not isinstance(sent, str) or not sent.isascii() or refuse_url(sent):
        raise SettingsError(f"{place}: is not understood; {_MEND}")
    return sent
