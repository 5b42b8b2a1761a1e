from pathlib import Path

import pytest

from feedbridge.errors import SettingsError
from feedbridge.pictures.referers import Referers, parse_referers, read_referers

TABLE = Referers(
    {"wants.example": "https://page.example/", "own.example": "own", "quiet.wants.example": "none", "cn": "own"}
)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("https://wants.example/a.jpg", "https://page.example/"),
        ("https://i1.WANTS.example./a.jpg", "https://page.example/"),
        ("https://quiet.wants.example/a.jpg", None),
        ("https://a.quiet.wants.example/a.jpg", None),
        ("https://other.example/a.jpg", None),
        ("https://notwants.example/a.jpg", None),
        ("http://i.own.example:8080/a.jpg", "http://i.own.example:8080/"),
        ("https://me:secret@own.example/a.jpg", "https://own.example/"),
        ("https://news.cn/a.jpg", "https://news.cn/"),
        ("http://[broken/", None),
        ("nothing", None),
    ],
)
def test_the_longest_host_counts(address: str, sent: str | None) -> None:
    """A host stands for those below it, and most hosts are sent nothing."""
    assert TABLE.of(address) == sent


def test_the_shipped_table_is_sound() -> None:
    """It can be read, and knows a host that shows its pictures to its own pages alone."""
    assert read_referers().of("https://wx1.sinaimg.cn/large/a.jpg") == "https://weibo.com/"
    assert read_referers().of("https://gdb.voanews.com/a.jpg") is None


def test_a_file_of_ones_own_comes_first(tmp_path: Path) -> None:
    """It adds to the shipped table and changes it."""
    own = tmp_path / "referers.toml"
    own.write_text('[referers]\n"sinaimg.cn" = "none"\n"Pictures.example" = "own"\n')
    table = read_referers(own)
    assert table.of("https://wx1.sinaimg.cn/a.jpg") is None
    assert table.of("https://pictures.example/a.jpg") == "https://pictures.example/"
    assert table.of("https://i.pximg.net/a.jpg") == "https://www.pixiv.net/"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[referers", "own.toml: "),
        ("[referer]\n", "own.toml: referer: is not known; all stands below [referers]"),
        ("referers = 1", "own.toml: referers: must be a table"),
        ('[referers]\n"a b" = "own"', "own.toml: a b: is no host"),
        ('[referers]\n"a.example/b" = "own"', "own.toml: a.example/b: is no host"),
        ('[referers]\n"a.example" = 1', "own.toml: a.example: is not understood"),
        ('[referers]\n"a.example" = "yes"', "own.toml: a.example: is not understood"),
        ('[referers]\n"a.example" = "ftp://b.example/"', "own.toml: a.example: is not understood"),
        ('[referers]\n"a.example" = "https://b.example/\\r\\nCookie: a"', "own.toml: a.example: is not understood"),
        ('[referers]\n"a.example" = "https://b.example/é"', "own.toml: a.example: is not understood"),
        ("a = " + "[" * 100_000, "own.toml: "),
    ],
)
def test_a_broken_table_is_refused(text: str, error: str) -> None:
    """The error names file and line, and what may stand there."""
    with pytest.raises(SettingsError) as raised:
        parse_referers(text, "own.toml")
    assert str(raised.value).startswith(error)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        read_referers(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xe9")
    with pytest.raises(SettingsError, match="it is no UTF-8 text"):
        read_referers(tmp_path / "latin.toml")
