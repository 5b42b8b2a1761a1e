"""Files of an archive are made ready to be kept: read, told apart, cleaned.

For a few this is a plain call. For many, this module is a program, too, `python -m feedbridge.preparing`: `crew.py`
starts it and speaks with it in frames (`children.py`). An opening (JSON) says how to read, and is answered by an empty
frame. Then come lists of files (JSON), and each file is answered by a frame of its own (JSON), in their order.
"""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from feedbridge.articles.identity import Identity
from feedbridge.articles.normalise import Normalised, Rules, normalise, recognise
from feedbridge.children import OUT_OF_MEMORY, alarm, collect_seldom, confine, receive, send, streams
from feedbridge.errors import UnusableItem, reason_of
from feedbridge.fetch import files as folder
from feedbridge.fetch.files import FoundFile
from feedbridge.model import Page
from feedbridge.sources.archive import FolderAs, read_page

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_MEMORY = 400 * 2**20
"""Bytes of address space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How the files of one source are read.

    Attributes:
        root: The folder, or None where orders bring what is to be prepared.
        max_bytes: Longer files are refused.
        folder_as: What the name of a file's folder is for its article.
        now: The time of the refresh; aware, UTC, whole seconds.
        rules: How articles are cleaned.
    """

    root: Path | None
    max_bytes: int
    folder_as: FolderAs
    now: datetime
    rules: Rules


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A file that is to be read.

    Attributes:
        settled: It was written just now: it must still be as it was found.
        known: The digest of bytes that need not be looked at.
        names_only: Only which article it is, not what the article says.
        body: Its bytes, where there is no folder to read them from.
        unread: Why it could not be read, then.
    """

    file: FoundFile
    settled: bool = False
    known: str | None = None
    names_only: bool = False
    body: bytes | None = None
    unread: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """What a file holds; nothing but the digest where its bytes are those that are known.

    Attributes:
        unread: Why it cannot be read now.
        digest: SHA-256 of its bytes in hex, or None where they were not read.
        identity: Which article it is.
        fresh: The article, as if it were first seen now.
        unusable: Why it holds no article.
    """

    unread: str | None = None
    digest: str | None = None
    identity: Identity | None = None
    fresh: Normalised | None = None
    unusable: str | None = None


def prepare(recipe: Recipe, order: Order) -> Prepared:
    """Make a file ready to be kept; whatever is wrong with it is told."""
    try:
        body = _read(recipe, order)
    except UnusableItem as error:
        return Prepared(unread=str(error))
    read = Prepared(digest=hashlib.sha256(body).hexdigest())
    if read.digest == order.known:
        return read
    try:
        item = read_page(Page(path=order.file.key, body=body), folder_as=recipe.folder_as)
        read = replace(read, identity=(identity := recognise(item, recipe.rules)))
        if order.names_only:
            return read
        return replace(read, fresh=normalise(item, identity, recipe.rules, first_seen=recipe.now))
    except Exception as error:  # noqa: BLE001  (one bad file must not take its source down)
        return replace(read, unusable=reason_of(error))


def _read(recipe: Recipe, order: Order) -> bytes:
    """The bytes of a file that is whole.

    Raises:
        UnusableItem: It cannot be used, or not now.
    """
    if recipe.root is None:
        if order.body is None:
            raise UnusableItem(order.unread or "")
        return order.body
    if order.settled:
        folder.look_again(recipe.root, order.file)
    return folder.read_file(recipe.root, order.file, max_bytes=recipe.max_bytes)


def opening(recipe: Recipe, *, seconds: float) -> bytes:
    """What a process is told first; it ends itself when a file takes longer than these seconds."""
    root = recipe.root and os.fspath(recipe.root)
    values = asdict(recipe) | {"root": root, "now": recipe.now.isoformat(), "seconds": seconds}
    return json.dumps(values).encode()


def written(orders: Sequence[Order]) -> bytes:
    """Orders as they are sent; names that are no text come through."""
    return json.dumps([asdict(order) for order in orders], default=_as_text).encode()


def _as_text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def read_answer(content: bytes) -> Prepared:
    """What was prepared, as it was sent.

    Raises:
        ValidationError: It makes no sense.
    """
    return _adapter().validate_json(content)


@cache
def _adapter() -> "TypeAdapter[Prepared]":
    from pydantic import TypeAdapter  # here, for whoever prepares a few files needs none of it

    return TypeAdapter(Prepared)


def _answer(prepared: Prepared) -> bytes:
    try:
        return _adapter().dump_json(prepared, exclude_defaults=True)
    except ValueError as error:  # a lone surrogate, which no text that was cleaned holds
        return _adapter().dump_json(Prepared(digest=prepared.digest, unusable=reason_of(error)))


def main() -> None:
    """Prepare files until the input ends."""
    confine(memory=MAX_MEMORY)
    asked, answers = streams()
    _adapter()
    collect_seldom()
    try:
        serve(asked, answers)
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nobody is there any more
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Do what is asked until no more is.

    Raises:
        EOFError: The input ends within a frame.
    """
    if (first := receive(asked)) is None:
        return
    recipe, seconds = _recipe(json.loads(first))
    send(answers, b"")
    while (orders := receive(asked)) is not None:
        for one in json.loads(orders):
            with alarm(seconds):
                body = None if one["body"] is None else base64.b64decode(one["body"])
                order = Order(**(one | {"file": FoundFile(*one["file"]), "body": body}))
                send(answers, _answer(prepare(recipe, order)))


def _recipe(values: dict[str, Any]) -> tuple[Recipe, float]:
    rules: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in values["rules"].items()}
    recipe = Recipe(
        root=values["root"] and Path(values["root"]),
        max_bytes=values["max_bytes"],
        folder_as=values["folder_as"],
        now=datetime.fromisoformat(values["now"]),
        rules=Rules(**rules),
    )
    return recipe, values["seconds"]


if __name__ == "__main__":
    main()
