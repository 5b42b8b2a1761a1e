"""The output that the settings name: a folder, or a bucket."""

from feedbridge.publish.files import OutputFolder
from feedbridge.publish.outputs import Outlet
from feedbridge.settings import Site


def open_outlet(site: Site) -> Outlet:
    """Where documents are to be published."""
    if isinstance(site.output, str):
        from feedbridge.publish.objects import open_bucket  # here, for a folder needs none of it

        return open_bucket(site.output, site.storage)
    return OutputFolder(site.output)
