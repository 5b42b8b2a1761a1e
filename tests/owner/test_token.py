"""The token of the owner's pages."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from feedbridge.errors import SettingsError, StoreError
from feedbridge.owner.token import FILE_NAME, token_of
from feedbridge.settings import Site


def site_in(folder: Path, token: str | None = None) -> Site:
    return Site.model_validate({"status": "token", "status_token": token, "state": str(folder), "output": "/srv/out"})


def test_the_first_is_made_and_stays(tmp_path: Path) -> None:
    """Too long to be guessed, for nobody else to read, with nothing left beside it; another start finds the same."""
    token = token_of(site_in(tmp_path / "state"))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert token_of(site_in(tmp_path / "state")) == token
    assert token_of(site_in(tmp_path / "other")) != token
    (file,) = (tmp_path / "state").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == (FILE_NAME, 0o600)


def test_that_of_the_settings_needs_no_file(tmp_path: Path) -> None:
    """As it stands there."""
    assert token_of(site_in(tmp_path / "state", "x" * 20)) == "x" * 20
    assert not (tmp_path / "state").exists()


def test_many_that_make_it_at_once_have_one(tmp_path: Path) -> None:
    """Whoever is first."""
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: token_of(site_in(tmp_path)), range(8)))) == 1


def test_a_file_for_all_to_read_is_refused(tmp_path: Path) -> None:
    """With the mend."""
    token_of(site_in(tmp_path))
    (tmp_path / FILE_NAME).chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        token_of(site_in(tmp_path))


@pytest.mark.parametrize("held", [b"", b"short\n", b"two words of twenty letters", b"\xff" * 30, b"x" * 300])
def test_a_file_with_something_else_is_refused(tmp_path: Path, held: bytes) -> None:
    """Rather than let in who guesses an empty word."""
    (tmp_path / FILE_NAME).write_bytes(held)
    (tmp_path / FILE_NAME).chmod(0o600)
    with pytest.raises(SettingsError, match="does not hold a token"):
        token_of(site_in(tmp_path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It could lead into a file of somebody else's choice."""
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be kept"):
        token_of(site_in(tmp_path))


def test_it_is_not_shown(tmp_path: Path) -> None:
    """Not even to who looks at the settings."""
    assert "secret" not in repr(site_in(tmp_path, "secret" * 5))
