"""The output that the settings name: a folder, or a bucket."""

from collections.abc import Callable

from feedbridge.publish.files import OutputFolder
from feedbridge.publish.outputs import Outlet
from feedbridge.settings import Site


def open_outlet(site: Site, *, check: Callable[[], None] | None = None) -> Outlet:
    """Where documents are to be published.

    Args:
        site: The settings.
        check: Where others publish at the same time: raises where they may be writing what is ours to write.
    """
    if isinstance(site.output, str):
        from feedbridge.publish.objects import open_bucket  # here, for a folder needs none of it

        return open_bucket(site.output, site.storage, check=check)
    return OutputFolder(site.output, check=check)
