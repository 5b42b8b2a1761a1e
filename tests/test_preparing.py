"""A file is made ready to be kept, and whatever is wrong with it is told."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedbridge import preparing
from feedbridge.articles.normalise import Rules, normalise, recognise
from feedbridge.children import frame, receive
from feedbridge.fetch.files import FoundFile
from feedbridge.model import Page
from feedbridge.preparing import Order, Prepared, Recipe, prepare
from feedbridge.sources.archive import read_page

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = Rules(source="a", timezone="Asia/Taipei", remove=(".advert",))
BODY = b"<!--1689154743000-->\n[One](https://a.example/1)\n------\n\n<p>First.</p><p class=advert>Buy!</p>"


def found(path: Path) -> FoundFile:
    stat = path.stat()
    return FoundFile(path.name, stat.st_size, stat.st_mtime_ns)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(root=tmp_path, max_bytes=10_000, folder_as=None, now=NOW, rules=RULES)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Order]:
    def write(body: bytes) -> Order:
        path = tmp_path / "one.md"
        path.write_bytes(body)
        return Order(file=found(path))

    return write


def test_file_becomes_an_article(recipe: Recipe, write: Callable[[bytes], Order]) -> None:
    """It comes with its digest and its identity, as if it were first seen now."""
    item = read_page(Page(path="one.md", body=BODY))
    identity = recognise(item, RULES)
    assert prepare(recipe, write(BODY)) == Prepared(
        digest=hashlib.sha256(BODY).hexdigest(),
        identity=identity,
        fresh=normalise(item, identity, RULES, first_seen=NOW),
    )


def test_known_bytes_are_not_looked_at(recipe: Recipe, write: Callable[[bytes], Order]) -> None:
    """The digest is all that is told of them."""
    digest = hashlib.sha256(BODY).hexdigest()
    assert prepare(recipe, replace(write(BODY), known=digest)) == Prepared(digest=digest)


def test_names_alone(recipe: Recipe, write: Callable[[bytes], Order]) -> None:
    """Where only names are asked for, the text is not read."""
    prepared = prepare(recipe, replace(write(BODY), names_only=True))
    assert (prepared.identity is not None, prepared.fresh, prepared.unusable) == (True, None, None)


def test_what_is_wrong_is_told(recipe: Recipe, write: Callable[[bytes], Order]) -> None:
    """A file that holds no article keeps its digest; one that cannot be read has none."""
    empty = prepare(recipe, write(b" "))
    assert (empty.digest, empty.unusable) == (hashlib.sha256(b" ").hexdigest(), "is empty")
    nothing = prepare(recipe, write(b"[](https://a.example/1)\n---\n"))
    assert nothing.identity is not None
    assert nothing.unusable == "holds no article: neither title nor text"
    order = write(BODY)
    moved = replace(order, file=order.file._replace(size=1))
    assert prepare(recipe, moved) == Prepared(unread="is still being written")
    assert prepare(recipe, replace(moved, settled=True)) == Prepared(unread="is still being written")


class Talk:
    """What a process is told, and what it answers."""

    def __init__(self, *told: bytes) -> None:
        self.asked = io.BytesIO(b"".join(map(frame, told)))
        self.answers = io.BytesIO()

    def heard(self) -> list[bytes]:
        self.answers.seek(0)
        return [content for content in iter(lambda: receive(self.answers), None) if content is not None]


def test_process_gives_what_the_call_gives(recipe: Recipe, write: Callable[[bytes], Order], tmp_path: Path) -> None:
    """A greeting, then each file in a frame of its own, equal in every part; names that are no text come through."""
    strange = tmp_path / b"\xff\xed.md".decode(errors="surrogateescape")
    strange.write_bytes(BODY)
    orders = [write(BODY), replace(write(BODY), names_only=True), Order(file=found(strange)), write(b" ")]
    talk = Talk(preparing.opening(recipe, seconds=10), preparing.written(orders), preparing.written(orders[:1]))
    preparing.serve(talk.asked, talk.answers)
    greeting, *answers = talk.heard()
    assert greeting == b""
    assert [preparing.read_answer(one) for one in answers] == [prepare(recipe, one) for one in [*orders, orders[0]]]


def test_process_is_told_what_it_cannot_reach(recipe: Recipe) -> None:
    """The bytes of an object, be there none, or be they no text; or why there are none to be had."""
    recipe, file = replace(recipe, root=None), FoundFile("one.md", 3, 0)
    orders = [Order(file=file, body=body) for body in (BODY, b"", b"\xff\x00")] + [Order(file=file, unread="is gone")]
    talk = Talk(preparing.opening(recipe, seconds=10), preparing.written(orders))
    preparing.serve(talk.asked, talk.answers)
    _, *answers = talk.heard()
    told = [prepare(recipe, one) for one in orders]
    assert list(map(preparing.read_answer, answers)) == told
    assert told[0].fresh is not None
    assert told[1].unusable is not None
    assert told[3] == Prepared(unread="is gone")


def test_answers_that_make_no_sense_are_refused() -> None:
    """Nothing is believed that has not the shape of an answer."""
    for nonsense in (b"", b"[]", json.dumps({"identity": {"id": 1}}).encode(), b'{"fresh": {}}'):
        with pytest.raises(ValueError):
            preparing.read_answer(nonsense)
