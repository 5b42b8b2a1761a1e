"""What kind of archive a folder is, on real folders."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedbridge import settings, sounding, starter
from feedbridge.errors import SourceError
from feedbridge.fetch.files import FoundFile
from feedbridge.inspection import Previewed, preview_file
from feedbridge.settings import ArchiveSource, Settings
from feedbridge.starter import Start

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SEEDS = Path(__file__).parents[1] / "seeds"


def article(host: str, number: int, *, title: str = "One", date: str = "", body: str = "<p>Text of it.</p>") -> str:
    """A saved article in the bare layout, that the mirror saw at nine o'clock."""
    marker = int(datetime(2026, 2, 1 + number, 9, 5, tzinfo=UTC).timestamp() * 1000)
    date = date or f"{datetime(2026, 2, 1 + number, 9, 0, tzinfo=UTC):%a, %d %b %Y %H:%M:%S} GMT"
    return f"<!--{marker}-->\n[{title} {number}](https://{host}/a/{number})\n------\n\n<div><i>{date}</i></div>{body}"


def save(folder: Path, texts: Sequence[str], *, ending: str = "md") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        path = folder / f"{number}.{ending}"
        path.write_text(text, encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def look(folder: Path) -> Start:
    """As from settings in the folder `config` beside it."""
    near = folder.parent / "config"
    return sounding.look_at_folder(folder, settings_folder=near, within=near.parent, now=NOW)


def load(start: Start, folder: Path) -> Settings:
    """The settings that are written, read back."""
    path = folder / "config" / "feedbridge.toml"
    starter.write(path, start, force=True)
    return settings.load(path, {})


def test_the_seed(tmp_path: Path) -> None:
    """A folder whose name says nothing is called by the host of its articles; the language is told by the letters."""
    start = look(save(tmp_path / "seeds", [file.read_text(encoding="utf-8") for file in SEEDS.iterdir()]))
    (find,) = start.finds
    assert (start.title, start.language, start.left_out) == ("voachinese.com", "zh-Hans", ())
    assert (find.name, find.kind) == ("voachinese", "archive")
    assert find.keys == {"path": "../seeds", "link": "https://www.voachinese.com/"}
    assert find.told == "1 file, an article from 2023-07-12, of www.voachinese.com"
    (source,) = load(start, tmp_path).source
    assert source.name == "voachinese"


def test_folders_of_one_host_each_are_archives_of_their_own(tmp_path: Path) -> None:
    """Each is a source and a feed, named by the folder; one without articles is told."""
    folder = tmp_path / "waters"
    save(folder / "articles" / "港口", [article("harbour.example", number) for number in range(3)])
    save(folder / "articles" / "Lagoon", [article("www.lagoon.example", number) for number in range(3)])
    save(folder / "articles" / "empty", ["", ""])
    start = look(folder)
    assert [(find.name, find.title, find.keys["path"]) for find in start.finds] == [
        ("lagoon", "Lagoon", "../waters/articles/Lagoon"),
        ("harbour", "港口", "../waters/articles/港口"),
    ]
    assert start.left_out == (("articles/empty/", "none of its files holds an article: 2 × is empty"),)
    assert start.title == "waters"
    assert [source.name for source in load(start, tmp_path).source] == ["lagoon", "harbour"]


def test_a_readme_beside_the_folders_does_not_make_them_one(tmp_path: Path) -> None:
    """But an article that lies there does, for it would be lost."""
    folder = tmp_path / "waters"
    for name in ("harbour", "lagoon"):
        save(folder / name, [article(f"{name}.example", 1)])
    save(folder, ["About this mirror."])
    start = look(folder)
    assert [find.name for find in start.finds] == ["harbour", "lagoon"]
    assert start.left_out == (("0.md", "lies beside the folders of articles"),)
    save(folder, [article("harbour.example", 2)])
    assert [find.name for find in look(folder).finds] == ["waters"]


def test_folders_of_one_site_are_one_source(tmp_path: Path) -> None:
    """Such as years and categories; and so are very many folders."""
    for year in (2020, 2021):
        save(tmp_path / "years" / str(year), [article("harbour.example", number) for number in range(3)])
    assert [find.keys["path"] for find in look(tmp_path / "years").finds] == ["../years"]
    for number in range(sounding.MOST_SOURCES + 1):
        save(tmp_path / "many" / f"s{number}", [article(f"h{number}.example", 1)])
    assert [find.keys["path"] for find in look(tmp_path / "many").finds] == ["../many"]


def test_folders_that_are_sites_of_their_own_by_their_marks(tmp_path: Path) -> None:
    """Two Jekyll sites, which are called as they call themselves."""
    for name in ("one", "two"):
        front = f"---\ntitle: Notes\ndate: 2026-02-01\nfrom: https://x.example/{name}\n---\n<p>Text</p>"
        save(tmp_path / "sites" / name / "_posts", [front])
        (tmp_path / "sites" / name / "_config.yml").write_text(f'theme: minima\ntitle: "The {name}"\n')
    assert [(find.name, find.title) for find in look(tmp_path / "sites").finds] == [
        ("the-one", "The one"),
        ("the-two", "The two"),
    ]


def test_the_zone_is_told_by_the_mirrors_stamps(tmp_path: Path) -> None:
    """Where the publisher's dates name none, and are so many hours ahead of them."""
    texts = [
        article("harbour.example", number, title="这是我们的新闻", date=f"2026-02-0{1 + number} {hour}:00:00")
        for number, hour in enumerate((17, 17, 17, 15))
    ]
    (find,) = look(save(tmp_path / "harbour", texts)).finds
    assert find.keys["timezone"] == "Asia/Shanghai"
    assert "its dates name no zone, and are those of Asia/Shanghai" in find.told
    texts = [article("harbour.example", number, date=f"2026-02-0{1 + number} 04:00:00") for number in range(4)]
    assert look(save(tmp_path / "west", texts)).finds[0].keys["timezone"] == "Etc/GMT+5"
    texts = [article("harbour.example", number, date=f"2026-02-0{1 + number} 09:00:00") for number in range(4)]
    assert "timezone" not in look(save(tmp_path / "home", texts)).finds[0].keys


def test_picture_proxies_are_told_by_the_addresses(tmp_path: Path) -> None:
    """Of one that is known, nothing need be said."""
    pictures = "".join(
        f"<p>Text</p><img src='https://{host}/?url=https%3A%2F%2Fpics.example%2F%s.jpg'>"
        for host in ("proxy.example", "images.weserv.nl")
    )
    texts = [article("harbour.example", number, body=pictures.replace("%s", str(number))) for number in range(4)]
    start = look(save(tmp_path / "harbour", texts))
    assert start.finds[0].keys["image_proxy_hosts"] == ["proxy.example"]
    assert load(start, tmp_path).source[0].image_proxy_hosts == ("proxy.example",)


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("这是我们的报道，还没有说完", "zh-Hans"),
        ("這是我們的報道，還沒有說完", "zh-Hant"),
        ("これは私たちのニュースです", "ja"),
        ("Plain news", None),
    ],
)
def test_the_language_is_told_by_the_letters(tmp_path: Path, title: str, language: str | None) -> None:
    """As far as they are those of one language."""
    folder = save(
        tmp_path / "x", [article("x.example", number, title=title, body=f"<p>{title}</p>") for number in range(3)]
    )
    assert look(folder).language == language


def test_other_endings_are_found_where_there_are_no_usual_ones(tmp_path: Path) -> None:
    """And named in the settings."""
    start = look(save(tmp_path / "old", [article("old.example", 1)], ending="htm"))
    assert load(start, tmp_path).source[0].model_dump()["glob"] == ("**/*.htm",)


def test_a_folder_without_articles_says_what_it_holds(tmp_path: Path) -> None:
    """Each with what is to be done."""
    empty = save(tmp_path / "empty", [])
    pictures = save(tmp_path / "pictures", ["x", "x"], ending="jpg")
    blank = save(tmp_path / "blank", ["", " "])
    said = {
        empty: "is empty; put saved articles there (.md, .txt, .html), or name another folder",
        pictures: "holds no file of .md, .txt, .html; there is: 2 of .jpg; name the folder that holds the articles",
        blank: "none of its files holds an article: 2 × is empty",
    }
    for folder, words in said.items():
        with pytest.raises(SourceError) as caught:
            look(folder)
        assert str(caught.value) == f"{folder}: {words}"


def test_our_own_pages_are_no_articles(tmp_path: Path) -> None:
    """Where the settings lie in the archive itself."""
    save(tmp_path, [article("x.example", 1)])
    save(tmp_path / "public", [article("y.example", 1)], ending="html")
    start = sounding.look_at_folder(tmp_path, settings_folder=tmp_path / "config", within=tmp_path, now=NOW)
    assert start.finds[0].told.startswith("1 file,")
    assert start.finds[0].keys["path"] == ".."


def test_a_folder_far_from_the_settings_is_named_as_a_whole(tmp_path: Path) -> None:
    """For a relative path would lead up and up."""
    folder = save(tmp_path / "far" / "saved", [article("x.example", 1)])
    near = tmp_path / "near" / "config"
    (find,) = sounding.look_at_folder(folder, settings_folder=near, within=near.parent, now=NOW).finds
    assert find.keys["path"] == str(folder)


def test_only_a_part_of_a_large_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it takes no longer for a hundred thousand."""
    folder = save(tmp_path / "large", [article("x.example", number % 20) for number in range(1000)])
    read: list[str] = []

    def counting(source: ArchiveSource, file: FoundFile, *, now: datetime) -> Previewed:
        read.append(file.path)
        return preview_file(source, file, now=now)

    monkeypatch.setattr(sounding, "preview_file", counting)
    began = datetime.now(UTC)
    assert look(folder).finds[0].told.startswith("1,000 files, articles from 2026-02-01 to 2026-02-20")
    assert len(read) < 400
    assert datetime.now(UTC) - began < timedelta(minutes=1)
