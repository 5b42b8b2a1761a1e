"""Hugo writes an Atom feed of the same archive: the peer of our builds.

It renders no page for itself, only the feed; the newest entries are sorted out by the date in the front matter. Its
feeds need not be well-formed, for it hands on control characters, and it shows an article as often as there are files.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import gate, processes
from tests.benchmarks.archive import Archive, write, write_for_hugo
from tests.benchmarks.processes import Ran

_CONFIG = """baseURL = "http://127.0.0.1/"
title = "News"
disableKinds = ["404", "robotsTXT", "section", "sitemap", "taxonomy", "term"]
[outputs]
home = ["atom"]
[outputFormats.atom]
mediaType = "application/atom+xml"
baseName = "index"
isPlainText = true
[mediaTypes."application/atom+xml"]
suffixes = ["xml"]
[markup.goldmark.renderer]
unsafe = true
[[cascade]]
_build = { render = "never" }
_target = { kind = "page" }
"""
_TEMPLATE = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>{{ .Site.Title }}</title><id>{{ .Permalink }}</id>
<updated>{{ now.Format "2006-01-02T15:04:05Z07:00" }}</updated><author><name>{{ .Site.Title }}</name></author>
{{ range first .Site.Params.limit .Site.RegularPages.ByDate.Reverse -}}
<entry><title>{{ .Title | html }}</title><id>{{ .Params.from | html }}</id><link href="{{ .Params.from | html }}"/>
<updated>{{ .Date.Format "2006-01-02T15:04:05Z07:00" }}</updated><content type="html">{{ .Content | html }}</content>
</entry>
{{ end }}</feed>
"""


def feed_of(archive: Archive, folder: Path, *, newest: int | None = None) -> Callable[[], Ran]:
    """Set Hugo up; what is given writes the feed, of the newest articles or of all.

    Raises:
        MissingError: Hugo is not installed.
    """
    hugo, source, made = processes.program("hugo", "hugo"), archive.files.parent / "hugo", folder / "hugo"
    if not source.exists():
        write_for_hugo(archive, source / "content")
        write(source / "layouts" / "index.atom.xml", _TEMPLATE)
        write(source / "config.toml", _CONFIG)
    count = min(newest or archive.count, archive.count)
    command = (hugo, "--quiet", "--source", str(source), "--destination", str(made))

    def write_feed() -> Ran:
        shutil.rmtree(made, ignore_errors=True)
        ran = processes.run(command, environment={"HUGO_PARAMS_LIMIT": str(count)})
        gate.count_entries((made / "index.xml").read_bytes(), count)
        return ran

    return write_feed
