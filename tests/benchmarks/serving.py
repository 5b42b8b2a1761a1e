"""A feed of 200 kB is asked for as often as one core answers: `feedbridge serve` beside nginx with gzip_static.

Each server has the first core for itself, and wrk the second. nginx has one worker, no log, and the file packed
beforehand by gzip at its best; both answer over connections that stay open. In the figures, though in no row, is a
third: what uvicorn makes of an application that says 304 to whatever comes, which is as far as ours could get.
"""

import gzip
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

from tests.benchmarks import processes
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage
from tests.benchmarks.site import Site

ARTICLES = 40
MAX_BYTES = 230_000
"""With this bound, the newest articles make up 200 kB."""

CONNECTIONS = 16
SECONDS, SMALL_SECONDS = 4, 1
PATH = "feeds/news.atom"
_ON_FIRST, _ON_SECOND = (("taskset", "-c", str(min(core, (os.cpu_count() or 1) - 1))) for core in (0, 1))

_NGINX = """daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  gzip_static on;
  types {{ application/atom+xml atom; }}
  client_body_temp_path {folder}/nginx;
  proxy_temp_path {folder}/nginx;
  fastcgi_temp_path {folder}/nginx;
  uwsgi_temp_path {folder}/nginx;
  scgi_temp_path {folder}/nginx;
  server {{ listen 127.0.0.1:{port}; root {folder}/packed; }}
}}
"""

_BARE = """
import sys, uvicorn, uvloop
headers = [(b"etag", b'"0"'), (b"cache-control", b"public, max-age=300"), (b"vary", b"Accept-Encoding")]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 304, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
bare = uvicorn.Config(app, port=int(sys.argv[1]), lifespan="off", ws="none", access_log=False, server_header=False)
uvloop.run(uvicorn.Server(bare).serve())
"""


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    nginx, wrk = processes.program("nginx", "nginx-light"), processes.program("wrk", "wrk")
    seconds = SMALL_SECONDS if stage.small else SECONDS
    ports = {name: processes.free_port() for name in ("ours", "theirs", "bare")}
    archive = stage.archive(ARTICLES, small=ARTICLES)
    listen = f"127.0.0.1:{ports['ours']}"
    site = Site(stage.folder / "site", archive.files, listen=listen, max_bytes=MAX_BYTES)
    site.build()
    config = _pack(stage.folder, site.public, ports["theirs"])
    with (
        processes.start((*_ON_FIRST, *site.command("serve")), log=stage.folder / "serve.log"),
        processes.start(
            (*_ON_FIRST, nginx, "-c", str(config), "-p", str(stage.folder)), log=stage.folder / "nginx.log"
        ),
        processes.start((*_ON_FIRST, sys.executable, "-c", _BARE, str(ports["bare"])), log=stage.folder / "bare.log"),
    ):
        for port in ports.values():
            processes.wait_until(lambda port=port: processes.listens(port), "a server")  # type: ignore[misc]

        def ask(name: str) -> Figures:
            url = f"http://127.0.0.1:{ports[name]}/{PATH}"
            etag = _check(url, site.subscription.read_bytes())
            packed, known = {"Accept-Encoding": "gzip"}, {"If-None-Match": etag}
            return {
                f"{name} gzip": _load(wrk, url, packed, seconds=seconds),
                f"{name} 304": _load(wrk, url, packed | known, seconds=seconds),
            }

        def ask_bare() -> Figures:
            return {"bare 304": _load(wrk, f"http://127.0.0.1:{ports['bare']}/", {}, seconds=seconds)}

        yield lambda: ask("ours"), lambda: ask("theirs"), ask_bare


def _pack(folder: Path, public: Path, port: int) -> Path:
    """Lay the files out for nginx; gives its settings."""
    shutil.copytree(public, folder / "packed")
    for path in (folder / "packed").rglob("*.*"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9))
    config, user = folder / "nginx.conf", "" if os.getuid() else "user root;"
    config.write_text(_NGINX.format(folder=folder, port=port, user=user))
    return config


def _check(url: str, body: bytes) -> str:
    """See that a server gives the packed file, and 304 to those who know it; gives what it is known by."""
    status, headers, packed = _get(url, {"Accept-Encoding": "gzip"})
    if (status, headers["Content-Encoding"]) != (200, "gzip") or gzip.decompress(packed) != body:
        raise GateError(f"{url}: not the packed file: {status}, {len(packed)} bytes")
    status, _, _ = _get(url, {"Accept-Encoding": "gzip", "If-None-Match": headers["ETag"]})
    if status != 304:
        raise GateError(f"{url}: {status} instead of 304")
    return headers["ETag"]


def _get(url: str, headers: Mapping[str, str]) -> tuple[int, Message, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers)), timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, b""


def _load(wrk: str, url: str, headers: Mapping[str, str], *, seconds: int) -> float:
    """Requests that are answered in a second, all of them well."""
    said = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    words = (*_ON_SECOND, wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *said, url)
    told = processes.run(words).printed
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    if found is None or "Non-2xx" in told or "Socket errors" in told:
        raise GateError(f"{url}: {told}")
    return float(found[1])


COMPARISON = Comparison(
    name="serving",
    about="a feed of 200 kB, asked for again and again, beside nginx with gzip_static, one core each",
    rows=(
        Row(name="gzip", ours="ours gzip", theirs="theirs gzip", goal=0.25, unit="/s", more_is_better=True),
        Row(name="304", ours="ours 304", theirs="theirs 304", goal=0.35, unit="/s", more_is_better=True),
    ),
    prepare=_prepare,
)
