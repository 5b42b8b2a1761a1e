"""A settings file to start from."""

from importlib.resources import files
from pathlib import Path

from feedbridge.errors import SettingsError

_PATHS = ('"public"', '"sqlite:///var/', '"articles"')


def text(*, below: bool = False) -> str:
    """The commented settings file.

    Args:
        below: Its folder is one of several, so that what it names lies beside that folder and not in it.
    """
    commented = files("feedbridge").joinpath("starter.toml").read_text(encoding="utf-8")
    for path in _PATHS if below else ():
        first = path.removeprefix('"sqlite:///').removeprefix('"')
        commented = commented.replace(path, path.removesuffix(first) + "../" + first)
    return commented


def write(path: Path) -> None:
    """Write it where there is none yet.

    Raises:
        SettingsError: There is a file already, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text(below=path.absolute().parent.name == "config"))
    except FileExistsError as error:
        there = path if path.parent.is_dir() else path.parent
        raise SettingsError(f"{there}: is there already and stays as it is; name another with --config") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --config") from error
