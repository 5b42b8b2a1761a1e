"""Notices changes in archive folders and in the settings file as they happen; the schedule stays as the net."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import watchfiles

from feedbridge.logs import logger

RETRY = timedelta(seconds=60)
"""A folder that cannot be watched is tried again after this."""

RETURN = timedelta(seconds=2)
"""A folder that is gone is looked for so often."""

_DEBOUNCE_MS = 400
_STEP_MS = 50
_LOOK_MS = 1000


Noticed = frozenset[Path] | None
"""The places where something changed; None where it may be anywhere."""


async def watch_folder(folder: Path, noticed: Callable[[Noticed], None]) -> None:
    """Tell what changes in a folder, and when it is back after it was gone, until cancelled."""
    said = None
    while True:
        pause = RETRY
        try:
            watched = await asyncio.to_thread(_identity, folder)
            if said is not None:
                said = None
                noticed(None)
            async for changes in watchfiles.awatch(
                folder, debounce=_DEBOUNCE_MS, step=_STEP_MS, rust_timeout=_LOOK_MS, yield_on_timeout=True
            ):
                if changes:
                    noticed(frozenset(Path(path) for _, path in changes))
                elif await asyncio.to_thread(_identity, folder) != watched:
                    break
            said, pause = "is another by now", timedelta()
        except (OSError, RuntimeError) as error:
            pause = RETURN if isinstance(error, FileNotFoundError) else RETRY
            if said != str(error):
                logger().warning(
                    "folder cannot be watched, the schedule looks after it", path=str(folder), error=str(error)
                )
            said = str(error)
        await asyncio.sleep(pause.total_seconds())


async def watch_file(path: Path, noticed: Callable[[], None]) -> None:
    """Tell when a file changes or is replaced, until cancelled."""
    while True:
        try:
            async for changes in watchfiles.awatch(
                path.parent,
                recursive=False,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                watch_filter=None,
                rust_timeout=_LOOK_MS,
            ):
                if any(Path(changed).name == path.name for _, changed in changes):
                    noticed()
        except (OSError, RuntimeError) as error:
            logger().warning("settings cannot be watched", path=str(path.parent), error=str(error))
        await asyncio.sleep(RETRY.total_seconds())


def _identity(folder: Path) -> tuple[int, int]:
    """Tells a folder from another that takes its name, such as one that is mounted there."""
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino
