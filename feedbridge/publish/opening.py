"""The output that the settings name."""

from feedbridge.publish.files import OutputFolder
from feedbridge.publish.outputs import Outlet
from feedbridge.settings import Site


def open_outlet(site: Site) -> Outlet:
    """Where documents are to be published."""
    return OutputFolder(site.output)
