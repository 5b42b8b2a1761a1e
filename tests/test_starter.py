"""The settings file to start from."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge import settings, starter
from feedbridge.errors import SettingsError
from feedbridge.settings import ArchiveSource, FeedSource, Settings
from feedbridge.starter import Find, Value, host_name, one_line, slug, start_of


def test_it_is_written_with_its_folders(tmp_path: Path) -> None:
    """What is written can be loaded as it is, and says in comments what else there is."""
    path = tmp_path / "deep" / "er" / "feeds.toml"
    starter.write(path)
    assert path.read_text(encoding="utf-8") == starter.text()
    loaded = settings.load(path, {})
    (source,) = loaded.source
    assert isinstance(source, ArchiveSource)
    assert source.path == path.parent / "articles"
    assert loaded.site.output == path.parent / "public"


def test_it_never_overwrites(tmp_path: Path) -> None:
    """Not even an empty file, a folder or a link that leads nowhere."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "empty", "folder", "link"):
        path = tmp_path / name
        with pytest.raises(SettingsError) as caught:
            starter.write(path)
        assert str(caught.value) == (
            f"{path}: is there already and stays as it is; name another with --config, or replace it with --force"
        )
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "empty").read_text() == ""
    assert not (tmp_path / "nowhere").exists()


def test_a_file_in_the_place_of_its_folder_is_named(tmp_path: Path) -> None:
    """It is the file that is in the way, not the settings."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingsError) as caught:
        starter.write(tmp_path / "file" / "feeds.toml")
    assert str(caught.value).startswith(f"{tmp_path / 'file'}: is there already")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason of the system, and the mend."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "deep" / "er.toml", tmp_path / ("x" * 300)):
        with pytest.raises(SettingsError, match=r": cannot be written \(.+\); name another with --config$"):
            starter.write(path)


# With what was found


def find(kind: str, title: str, **keys: Value) -> Find:
    return Find(name=slug(title), title=title, kind=kind, keys=keys, told="")


def loaded(text: str, folder: Path) -> Settings:
    path = folder / "c.toml"
    path.write_text(text, encoding="utf-8")
    return settings.load(path, {})


def test_what_was_found_stands_in_the_places_of_the_examples(tmp_path: Path) -> None:
    """The comments stay, those behind keys in one column; the example of the other kind stays a comment."""
    start = start_of([(find("archive", "News", path="saved", link="https://n.example/"), "zh-Hans")], title=None)
    text = starter.text(start)
    made = loaded(text, tmp_path)
    (source,), (feed,) = made.source, made.feed
    assert isinstance(source, ArchiveSource)
    assert (made.site.title, made.site.language) == ("News", "zh-Hans")
    assert (source.name, source.path, source.title) == ("news", tmp_path / "saved", "News")
    assert (feed.name, feed.title, feed.sources) == ("news", "News", None)
    plain, filled = starter.text().splitlines(), text.splitlines()
    remarks = {line.partition("  # ")[2] for line in plain if "  # " in line}
    assert remarks == {line.partition("  # ")[2] for line in filled if "  # " in line}
    assert {line for line in plain if line.startswith("#")} - set(filled) == {
        '# language = "zh-Hans"                   # of articles whose source names none',
        '# sources = ["archive"]                  # left out: all',
    }


def test_several_finds_are_a_source_and_a_feed_each(tmp_path: Path) -> None:
    """Equal titles get numbers; a feed of all of them is a comment away."""
    titles = ["Harbour", "Harbour", "港口"]
    finds = [(find("feed", title, url=f"https://h.example/{number}"), None) for number, title in enumerate(titles)]
    text = starter.text(start_of(finds, title="The page"))
    made = loaded(text, tmp_path)
    names = ["harbour", "harbour-2", slug("港口")]
    assert all(isinstance(source, FeedSource) for source in made.source)
    assert [source.name for source in made.source] == names
    assert [(feed.name, feed.sources) for feed in made.feed] == [(name, (name,)) for name in names]
    assert (made.site.title, made.site.language) == ("The page", None)
    for line in ("[[feed]]", "name", "title"):
        text = text.replace(f"#{line}", line)
    everything = loaded(text, tmp_path)
    assert (everything.feed[-1].name, everything.feed[-1].sources) == ("all", None)


@given(st.text(max_size=300), st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_any_title_and_any_path_can_be_written(title: str, path: str) -> None:
    """They come back as they were, whatever signs they hold."""
    told = one_line(title) or "x"
    made = tomllib.loads(starter.text(start_of([(find("archive", told, path=path), None)], title=None)))
    assert made["source"][0]["path"] == path
    checked = Settings.model_validate(made | {"source": [made["source"][0] | {"path": "x"}]})
    assert (checked.source[0].title, checked.feed[0].title, checked.site.title) == (told, told, told)


@pytest.mark.parametrize(
    ("title", "instead", "name"),
    [
        ("The Harbour: Notes & News", [], "the-harbour-notes-news"),
        ("Café Müller's", [], "cafe-mullers"),
        ("BBC 中文网", ["bbc"], "bbc"),
        ("美国之音", ["voachinese"], "voachinese"),
        ("德国之声", ["dw"], "dw"),
        ("美国之音", [], "feed-21188e17"),
        ("x" * 99, [], "x" * 40),
    ],
)
def test_a_title_becomes_a_name_for_files(title: str, instead: list[str], name: str) -> None:
    """Its ASCII letters; else what stands in for it; else digits that stay the same."""
    assert slug(title, instead=instead) == name


@pytest.mark.parametrize(
    ("host", "name"),
    [("www.voachinese.com", "voachinese"), ("cn.ft.com", "cn ft"), ("www.bbc.co.uk", "bbc"), ("nas", "nas")],
)
def test_a_host_is_called_as_people_call_it(host: str, name: str) -> None:
    """Without what all hosts begin and end with."""
    assert host_name(host) == name


def test_another_file_takes_its_place_if_that_is_meant(tmp_path: Path) -> None:
    """Nothing of the old one is left."""
    path = tmp_path / "c.toml"
    path.write_text("x" * 100_000)
    starter.write(path, force=True)
    assert path.read_text(encoding="utf-8") == starter.text()
