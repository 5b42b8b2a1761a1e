"""The settings file to start from."""

from pathlib import Path

import pytest

from feedbridge import settings, starter
from feedbridge.errors import SettingsError
from feedbridge.settings import ArchiveSource


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
        assert str(caught.value) == f"{path}: is there already and stays as it is; name another with --config"
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
