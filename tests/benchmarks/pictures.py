"""A picture of 100 kB that is in the cache is asked for as often as one core answers, at a signed address of `serve`.

Beside it, nginx gives the same bytes from a file. Each server has the first core for itself, and wrk the second; nginx
has one worker and no log; both answer over connections that stay open.
"""

import os
import re
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from feedbridge.pictures.keys import FILE_NAME, Keys
from tests.benchmarks import processes
from tests.benchmarks.runner import Comparison, Figures, GateError, Row, Run, Stage

PICTURE_BYTES = 100_000
CONNECTIONS = 16
SECONDS, SMALL_SECONDS = 4, 1

_SETTINGS = """[site]
listen = "127.0.0.1:{port}"
base_url = "http://127.0.0.1:{port}/"
store = "sqlite:///feedbridge.db"
output = "public"
images = "serve"

[pictures]
allow_private = ["127.0.0.1"]

[[source]]
name = "none"
kind = "archive"
path = "."
"""

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
  types {{ image/png png; }}
  client_body_temp_path {folder}/nginx;
  proxy_temp_path {folder}/nginx;
  fastcgi_temp_path {folder}/nginx;
  uwsgi_temp_path {folder}/nginx;
  scgi_temp_path {folder}/nginx;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def _prepare(stage: Stage) -> Iterator[Sequence[Run]]:
    nginx, wrk = processes.program("nginx", "nginx-light"), processes.program("wrk", "wrk")
    seconds = SMALL_SECONDS if stage.small else SECONDS
    folder, picture = stage.folder, _picture()
    ports = [processes.free_port() for _ in range(2)]
    (folder / "picture.png").write_bytes(picture)
    (folder / "public").mkdir()
    (folder / "public" / "feeds.opml").write_text("<opml/>")
    (folder / "feedbridge.toml").write_text(_SETTINGS.format(port=ports[0]))
    config, user = folder / "nginx.conf", "" if os.getuid() else "user root;"
    config.write_text(_NGINX.format(folder=folder, port=ports[1], user=user))
    ours = processes.ours("serve", "--config", str(folder / "feedbridge.toml"))
    theirs = (nginx, "-c", str(config), "-p", str(folder))
    with ExitStack() as opened:
        signed = Keys(folder / FILE_NAME).sign(opened.enter_context(_origin(picture)))
        for command, port in zip((ours, theirs), ports, strict=True):
            log = folder / f"{port}.log"
            opened.enter_context(processes.start((*_ON_FIRST, *command), log=log))
            processes.wait_until(lambda port=port: processes.listens(port), "a server")  # type: ignore[misc]
        urls = {"ours": f"http://127.0.0.1:{ports[0]}/{signed}", "theirs": f"http://127.0.0.1:{ports[1]}/picture.png"}

        def ask(name: str) -> Figures:
            with urllib.request.urlopen(urls[name], timeout=10) as answer:
                if answer.read() != picture or answer.headers["Content-Type"] != "image/png":
                    raise GateError(f"{urls[name]}: not the picture")
            return {name: _load(wrk, urls[name], seconds=seconds)}

        yield lambda: ask("ours"), lambda: ask("theirs")


_ON_FIRST, _ON_SECOND = (("taskset", "-c", str(min(core, (os.cpu_count() or 1) - 1))) for core in (0, 1))


def _picture() -> bytes:
    """A PNG by its beginning, of which nobody unpacks the rest."""
    head = bytes.fromhex("89504e470d0a1a0a0000000d49484452000003e8000003e80802000000c2c1434f")
    return head + os.urandom(PICTURE_BYTES - len(head))


@contextmanager
def _origin(picture: bytes) -> Iterator[str]:
    """The picture's host, which gives it once; the address of the picture."""

    class Origin(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Origin) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/picture.png"
        finally:
            server.shutdown()
            thread.join()


def _load(wrk: str, url: str, *, seconds: int) -> float:
    """Requests that are answered in a second, all of them well and with the whole picture."""
    words = (*_ON_SECOND, wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url)
    told = processes.run(words).printed
    rate, read = re.search(r"Requests/sec:\s+([\d.]+)", told), re.search(r"Transfer/sec:\s+([\d.]+)([KMG])B", told)
    if rate is None or read is None or "Non-2xx" in told or "Socket errors" in told:
        raise GateError(f"{url}: {told}")
    transferred = float(read[1]) * 1024 ** ("KMG".index(read[2]) + 1)
    if transferred < 0.99 * float(rate[1]) * PICTURE_BYTES:
        raise GateError(f"{url}: answers are too short: {told}")
    return float(rate[1])


COMPARISON = Comparison(
    name="pictures",
    about=f"a cached picture of {PICTURE_BYTES // 1000} kB, asked for again and again, beside nginx, one core each",
    rows=(Row(name="picture", ours="ours", theirs="theirs", goal=0.15, unit="/s", more_is_better=True),),
    prepare=_prepare,
)
