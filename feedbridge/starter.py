"""A settings file to start from."""

from importlib.resources import files
from pathlib import Path

from feedbridge.errors import SettingsError


def text() -> str:
    """The commented settings file."""
    return files("feedbridge").joinpath("starter.toml").read_text(encoding="utf-8")


def write(path: Path) -> None:
    """Write it where there is none yet.

    Raises:
        SettingsError: There is a file already, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text())
    except FileExistsError as error:
        there = path if path.parent.is_dir() else path.parent
        raise SettingsError(f"{there}: is there already and stays as it is; name another with --config") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --config") from error
