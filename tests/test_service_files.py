"""The service files in config/: systemd, nginx, Docker. What they name exists, and what can be run here is run."""

import contextlib
import gzip
import inspect
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from feedbridge import reading, settings
from feedbridge.cli import app
from feedbridge.server.shelf import PICTURE_TYPES
from feedbridge.workers import Readers

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config"
UNIT = (CONFIG / "feedbridge.service").read_text(encoding="utf-8")
WORKER = (CONFIG / "feedbridge-worker@.service").read_text(encoding="utf-8")
SITE = (CONFIG / "nginx.conf").read_text(encoding="utf-8")


def program(name: str) -> str:
    """The path of a program; without it the test is skipped, or fails where every test must run."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        say = pytest.fail if os.environ.get("TESTS_MUST_RUN") else pytest.skip
        say(f"{name} is not installed")
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def with_examples(text: str) -> str:
    """The file with its examples switched on: the lines where a key follows right after the `#`, or a block ends."""
    return re.sub(r"(?m)^( *)#(?=[A-Za-z}])", r"\1", text)


def refused_words(command: list[str]) -> str:
    """What the command line says against a command and its options; empty if it knows them all."""
    answer = CliRunner().invoke(app, [*command, "--help"])
    return "" if answer.exit_code == 0 else answer.output


# systemd


def unit_values(key: str, unit: str = UNIT) -> list[str]:
    return re.findall(rf"(?m)^{key}=(.*)$", unit)


def unit_environment(unit: str = UNIT) -> dict[str, str]:
    return dict(value.split("=", 1) for value in unit_values("Environment", unit))


@pytest.fixture(params=["feedbridge", "feedbridge-worker@1"])
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The unit with a program that is there, because systemd looks for it; that of a worker, too."""
    return write_unit(tmp_path, WORKER if "worker" in request.param else UNIT, name=request.param)


def write_unit(folder: Path, text: str, *, name: str = "feedbridge") -> Path:
    path = folder / f"{name}.service"
    path.write_text(text.replace("/opt/feedbridge/.venv/bin/feedbridge", sys.executable), encoding="utf-8")
    return path


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    """`systemd-analyze verify` has nothing to say: no unknown key, no value that it cannot read."""
    answer = run(program("systemd-analyze"), "verify", "--man=no", unit)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize("whole", [UNIT, WORKER], ids=["daemon", "worker"])
def test_systemd_finds_nothing_wrong_with_the_examples(tmp_path: Path, whole: str) -> None:
    """The lines that are commented out are right, too, all at once."""
    text = with_examples(whole)
    assert text.count("\nIPAddressDeny=") == text.count("\nBindReadOnlyPaths=") == 1
    answer = run(program("systemd-analyze"), "verify", "--man=no", write_unit(tmp_path, text))
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_the_unit_is_exposed_to_no_more_than_two_of_ten(unit: Path) -> None:
    """`systemd-analyze security` gives an exposure of at most 2.0."""
    answer = run(program("systemd-analyze"), "security", "--offline=yes", "--no-pager", "--threshold=20", unit)
    exposure = re.search(rf"Overall exposure level for {re.escape(unit.name)}: ([0-9.]+)", answer.stdout)
    assert exposure, answer.stderr
    assert float(exposure[1]) <= 2.0
    assert answer.returncode == 0


def test_the_unit_has_the_walls_that_were_promised() -> None:
    """A user of its own, a read-only system, no privilege, no code made in memory, and bounds on what it uses."""
    walls = {
        "Type": ["notify"],
        "DynamicUser": ["yes"],
        "ProtectSystem": ["strict"],
        "ProtectHome": ["yes"],
        "NoNewPrivileges": ["yes"],
        "CapabilityBoundingSet": [""],
        "AmbientCapabilities": [""],
        "MemoryDenyWriteExecute": ["yes"],
        "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
        "SystemCallFilter": ["@system-service", "~@privileged @resources @aio @keyring @memlock"],
    }
    assert {key: unit_values(key) for key in walls} == walls
    assert all(unit_values(key) for key in ("MemoryMax", "TasksMax", "WatchdogSec"))


def test_a_worker_has_the_same_walls_user_and_folders() -> None:
    """What the two units say of these is the same text, from the bounds on; it may need as much of the machine."""
    assert WORKER[WORKER.index("MemoryMax=") :] == UNIT[UNIT.index("MemoryMax=") :]
    ours, theirs = unit_environment(WORKER), unit_environment()
    assert settings.strangers(ours) == ()
    assert ours["FEEDBRIDGE_OUTPUT"] == theirs["FEEDBRIDGE_OUTPUT"]
    assert ours["FEEDBRIDGE_STATE"] == str(Path(theirs["FEEDBRIDGE_STORE"].removeprefix("sqlite:///")).parent)
    assert "FEEDBRIDGE_STORE" not in ours


def test_a_reader_that_is_killed_does_not_end_the_service() -> None:
    """The memory is enough for the daemon and its readers; where it is not, a reader's page is lost and no more."""
    (most,) = unit_values("MemoryMax")
    readers = inspect.signature(Readers).parameters["count"].default
    assert most == compose()["services"]["feedbridge"]["mem_limit"].upper() == "1G"
    assert 150 * 2**20 + readers * reading.MAX_MEMORY < 2**30
    assert unit_values("OOMPolicy") == ["continue"]


def test_the_service_waits_for_the_network() -> None:
    """Else the first refresh of every source on the web would fail after a start of the machine."""
    assert unit_values("Wants") == unit_values("After") == ["network-online.target"]


def test_a_reader_can_bound_itself_under_the_units_walls() -> None:
    """The calls by which it does are not among those that the unit forbids."""
    filters = " ".join(unit_values("SystemCallFilter")).replace("~", "").split()
    assert filters[0] == "@system-service"
    allowed, *forbidden = (system_calls(name) for name in filters)
    needed = {"prlimit64", "rt_sigaction", "setitimer", "execve", "vfork", "setsid", "pipe2", "kill"}
    assert needed <= allowed - set().union(*forbidden)


def system_calls(name: str) -> set[str]:
    """The system calls of a set of systemd's, those of the sets in it among them."""
    listed = run(program("systemd-analyze"), "syscall-filter", "--no-pager", name)
    assert listed.returncode == 0, listed.stderr
    names = [line.strip() for line in listed.stdout.splitlines()[1:]]
    inner = [system_calls(one) for one in names if one.startswith("@")]
    return {one for one in names if one and one[0] not in "#@"}.union(*inner)


def test_the_units_start_commands_that_there_are() -> None:
    """The command line knows the commands and the options of ExecStart."""
    starts = unit_values("ExecStart") + unit_values("ExecStart", WORKER)
    words = [shlex.split(start)[1:] for start in starts]
    assert [first for first, *_ in words] == ["run", "worker"]
    assert [refused_words(one) for one in words] == ["", ""]


def test_the_unit_keeps_everything_in_its_state_folders() -> None:
    """The variables of the unit put the database and the feeds below StateDirectory, whatever the settings say."""
    environment = unit_environment()
    assert settings.strangers(environment) == ()
    site = settings.load(CONFIG / "feedbridge.toml", environment).site
    folders = [Path("/var/lib") / name for name in unit_values("StateDirectory")[0].split()]
    assert [site.store_path.parent, site.output] == folders


def test_the_feeds_are_shown_where_nginx_looks_for_them() -> None:
    """The drop-in that the unit tells of leads from the private state folder to the root of nginx.conf."""
    shown = re.search(r"(?m)^#\s+BindReadOnlyPaths=-(\S+):(\S+)$", UNIT)
    root = re.search(r"(?m)^ +root (\S+);$", SITE)
    assert shown
    assert root
    private = unit_environment()["FEEDBRIDGE_OUTPUT"].replace("/var/lib/", "/var/lib/private/")
    assert shown.groups() == (private, root[1])


# nginx


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Web:
    """A running nginx and the folder that it serves."""

    port: int
    folder: Path

    def get(self, target: str, *, method: str = "GET", **headers: str) -> Answer:
        """Ask for a target, which is sent as it is; `If_None_Match` is the header If-None-Match."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, target, headers={key.replace("_", "-"): headers[key] for key in headers})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


class Daemon(BaseHTTPRequestHandler):
    """Stands in for the daemon: answers every GET with its target."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the method it replaces
        """Say nothing."""


@contextlib.contextmanager
def daemon() -> Iterator[int]:
    """The port of a daemon."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def nginx_command(home: Path, site: str, *, port: int, upstream: int, root: Path) -> list[str]:
    """Write a whole configuration around the site, on loopback, with everything below `home`; give the command."""
    site = re.sub(r"listen \[::\]:(?:80|443)( ssl)?;", "", site).replace(
        "listen 443 ssl;", f"listen {free_port()} ssl;"
    )
    site = site.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")
    site = site.replace("root /srv/feedbridge;", f"root {root};")
    (home / "site.conf").write_text(site, encoding="utf-8")
    temporary = "".join(
        f"{name}_temp_path {home}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log {home}/access.log;\n{temporary}include {home}/site.conf; }}\n",
        encoding="utf-8",
    )
    return [program("nginx"), "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"nginx does not answer: {log.read_text(encoding='utf-8')}")


def build_seed(folder: Path) -> Path:
    """The output of `feedbridge build` for the seed, and a document of an archive, which one article does not fill."""
    output = folder / "public"
    places = {"FEEDBRIDGE_OUTPUT": str(output), "FEEDBRIDGE_STORE": f"sqlite:///{folder}/feedbridge.db"}
    command = [sys.executable, "-m", "feedbridge", "build", "--config", str(CONFIG / "feedbridge.toml")]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={**os.environ, **places})
    archive = output / "feeds/news/0001.atom"
    archive.parent.mkdir(exist_ok=True)
    shutil.copyfile(output / "feeds/news.atom", archive)
    return output


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A real nginx, which serves what was built from the seed."""
    program("nginx")
    home = tmp_path_factory.mktemp("nginx")
    folder = build_seed(home)
    port = free_port()
    with daemon() as upstream:
        process = subprocess.Popen(nginx_command(home, SITE, port=port, upstream=upstream, root=folder))
        try:
            wait_until_open(port, process, home / "error.log")
            yield Web(port, folder)
        finally:
            process.terminate()
            process.wait(timeout=10)


TYPES = {
    "/": "text/html; charset=utf-8",
    "/index.html": "text/html; charset=utf-8",
    "/feeds/news.html": "text/html; charset=utf-8",
    "/feeds.opml": "text/x-opml; charset=utf-8",
    "/feeds/news.atom": "application/atom+xml; charset=utf-8",
    "/feeds/news.rss": "application/rss+xml; charset=utf-8",
    "/feeds/news.json": "application/feed+json; charset=utf-8",
    "/feeds/news/0001.atom": "application/atom+xml; charset=utf-8",
}


@pytest.mark.parametrize("target", TYPES)
def test_nginx_serves_each_file_as_what_it_is(web: Web, target: str) -> None:
    """The bytes are those of the file, the media type is the right one with UTF-8, and no browser may guess another."""
    answer = web.get(target)
    name = "index.html" if target == "/" else target[1:]
    assert (answer.status, answer.body) == (200, (web.folder / name).read_bytes())
    assert answer.headers["Content-Type"] == TYPES[target]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "nginx"


@pytest.mark.parametrize("target", ["/", "/feeds/news.html"])
def test_nginx_lets_nobody_frame_a_page(web: Web, target: str) -> None:
    """A page cannot say so itself; the rest of its policy stands in it."""
    answer = web.get(target)
    assert answer.headers.get_all("Content-Security-Policy") == ["frame-ancestors 'none'"]
    assert b'<meta http-equiv="Content-Security-Policy"' in answer.body


@pytest.mark.parametrize(
    ("target", "seconds"), [("/feeds/news.atom", 300), ("/feeds/news.json", 300), ("/feeds/news/0001.atom", 3600)]
)
def test_nginx_gives_feeds_their_headers(web: Web, target: str, seconds: int) -> None:
    """Any page may read a feed; it says its own address, once, and how long it may be kept."""
    headers = web.get(target).headers
    assert headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert headers.get_all("Link") == [f'<http://feeds.example.org{target}>; rel="self"']
    assert headers.get_all("Cache-Control") == [f"public, max-age={seconds}"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_nginx_says_304_to_who_has_the_feed(web: Web, encoding: str) -> None:
    """A reader that sends back the ETag or the date gets no body, packed or not; one that has another gets the feed."""
    first = web.get("/feeds/news.atom", Accept_Encoding=encoding)
    by_tag = web.get("/feeds/news.atom", Accept_Encoding=encoding, If_None_Match=first.headers["ETag"])
    by_date = web.get("/feeds/news.atom", Accept_Encoding=encoding, If_Modified_Since=first.headers["Last-Modified"])
    other = web.get("/feeds/news.atom", Accept_Encoding=encoding, If_None_Match='"another"')
    assert [(answer.status, answer.body) for answer in (by_tag, by_date)] == [(304, b""), (304, b"")]
    assert (other.status, other.body) == (200, first.body)
    assert by_tag.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("target", [target for target in TYPES if target != "/feeds.opml"])
def test_nginx_packs_what_is_long_enough(web: Web, target: str) -> None:
    """Whoever takes gzip gets the same text packed, and caches are told that there are two."""
    packed = web.get(target, Accept_Encoding="gzip")
    assert (packed.status, packed.headers["Content-Encoding"]) == (200, "gzip")
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == web.get(target).body


def test_nginx_answers_head_without_a_body(web: Web) -> None:
    """HEAD gets the headers of GET."""
    head, get = web.get("/feeds/news.rss", method="HEAD"), web.get("/feeds/news.rss")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))
    assert head.headers["ETag"] == get.headers["ETag"]


@pytest.mark.parametrize(
    "target",
    [
        "/feeds",
        "/feeds/",
        "/feeds/news/",
        "/feeds/news",
        "/feeds/news.atom/",
        "/feeds/absent.atom",
        "/.x",
        "/%2Ex",
        "/feeds/.x/news.atom",
        "/feeds/.news.atom.feedbridge-tmp",
        "/feeds/news.atom%0D%0ASet-Cookie:%20a=b",
        "/feeds/news.atom%0A",
        "/feeds/news.atom%00",
    ],
)
def test_nginx_shows_published_files_only(web: Web, target: str) -> None:
    """No listing, no hidden file, none that is being written, and nothing of the address gets into headers."""
    for name in (".x", "feeds/.x/news.atom", "feeds/.news.atom.feedbridge-tmp"):
        (web.folder / name).parent.mkdir(exist_ok=True)
        (web.folder / name).write_text("hidden", encoding="utf-8")
    answer = web.get(target)
    assert answer.status in {400, 404}
    assert not {"Set-Cookie", "Link"} & set(answer.headers)


@pytest.mark.parametrize(
    "target", ["/../feedbridge.db", "/feeds/../../feedbridge.db", "/%2e%2e/feedbridge.db", "/out.html"]
)
def test_nginx_lets_nobody_out_of_the_folder(web: Web, target: str) -> None:
    """The database beside the folder is reached neither by dots nor by a link that was put into the folder."""
    database = web.folder.parent / "feedbridge.db"
    assert database.is_file()
    with contextlib.suppress(FileExistsError):
        (web.folder / "out.html").symlink_to(database)
    assert web.get(target).status in {400, 403, 404}


@pytest.mark.parametrize("target", ["/healthz", "/img/signature/address"])
def test_nginx_asks_the_daemon(web: Web, target: str) -> None:
    """For its health, and for pictures that it fetches."""
    assert web.get(target).body == target.encode()


@pytest.mark.parametrize("target", ["/healthz/", "/readyz", "/metrics", "/images", "/media/img/a"])
def test_nginx_asks_the_daemon_for_nothing_else(web: Web, target: str) -> None:
    """What there is no file for is not passed on."""
    assert web.get(target).status == 404


@pytest.mark.parametrize(("ending", "kind"), PICTURE_TYPES.items())
def test_nginx_serves_copies_of_pictures(web: Web, ending: str, kind: str) -> None:
    """Each as what it is, for ever; not what is being written."""
    for name in (f"media/ab/cd{ending}", f"media/.new/cd{ending}"):
        (web.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (web.folder / name).write_bytes(b"a picture")
    answer = web.get(f"/media/ab/cd{ending}")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"a picture", kind)
    assert answer.headers.get_all("Cache-Control") == ["public, max-age=31536000, immutable"]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert web.get(f"/media/.new/cd{ending}").status == 404


def test_nginx_takes_nothing_in(web: Web) -> None:
    """Feeds are there to be read: POST, PUT and DELETE are refused, and the file stays."""
    assert [web.get("/feeds/news.atom", method=method).status for method in ("POST", "PUT", "DELETE")] == [405] * 3
    assert web.get("/feeds/news.atom").status == 200


@pytest.mark.parametrize("examples", [False, True])
def test_nginx_finds_nothing_wrong(tmp_path: Path, examples: bool) -> None:
    """`nginx -t` takes the file as it is, and with HTTPS, the hub and packed files switched on."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    site = with_examples(SITE) if examples else SITE
    if examples:
        made = run(
            *(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=feeds.example.org", "-keyout", key, "-out", certificate),
        )
        assert made.returncode == 0, made.stderr
    site = re.sub(r"ssl_certificate /.*;", f"ssl_certificate {certificate};", site)
    site = re.sub(r"ssl_certificate_key /.*;", f"ssl_certificate_key {key};", site)
    assert ("\n    gzip_static on;" in site) is examples
    answer = run(*nginx_command(tmp_path, site, port=free_port(), upstream=8000, root=tmp_path), "-t")
    assert answer.returncode == 0, answer.stderr
    assert not re.search(r"\[(?:warn|error|emerg)\]", answer.stderr)


# Docker


def dockerfile() -> list[tuple[str, str]]:
    """The instructions in order, each with what follows it, continued lines joined."""
    text = (CONFIG / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    return [(words[0], words[1]) for line in lines if line.strip() for words in [line.split(maxsplit=1)]]


def last(instruction: str) -> str:
    return [rest for name, rest in dockerfile() if name == instruction][-1]


def image_environment() -> dict[str, str]:
    return dict(rest.split("=", 1) for name, rest in dockerfile() if name == "ENV" and rest.startswith("FEEDBRIDGE_"))


def sent_to_docker(path: str) -> bool:
    """Whether .dockerignore lets a path through, by its last line that fits the path or a folder above it."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and (pattern == "*" or f"{path}/".startswith(f"{pattern}/")):
            sent = line.startswith("!")
    return sent


def test_the_image_copies_files_that_there_are() -> None:
    """What the Dockerfile copies exists and passes .dockerignore; the database, articles and history do not."""
    copied = [
        word for name, rest in dockerfile() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    ]
    assert set(copied) == {"pyproject.toml", "README.md", "LICENSE", "config/constraints.txt", "feedbridge"}
    assert [path for path in copied if not (ROOT / path).exists() or not sent_to_docker(path)] == []
    assert not any(map(sent_to_docker, (".git", ".venv", "var", "public", "seeds", "tests", "config/feedbridge.toml")))


def test_the_image_holds_a_python_that_the_package_takes() -> None:
    """Both stages start from the same Python, and the packages are those that the tests ran with."""
    stages = [rest.split()[0] for name, rest in dockerfile() if name == "FROM"]
    assert stages == ["python:3.12-slim"] * 2
    assert any("-c" in rest and "config/constraints.txt" in rest for name, rest in dockerfile() if name == "RUN")


def test_the_container_starts_a_command_that_there_is() -> None:
    """ENTRYPOINT and CMD are lists, without a shell between the daemon and SIGTERM, and the command line knows them."""
    entry, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert entry == ["feedbridge"]
    assert refused_words(command) == ""
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_container_is_not_root_and_writes_to_its_volumes_only() -> None:
    """The user is a number other than 0; the database and the feeds are in volumes that are made for this user."""
    user = last("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    environment = image_environment()
    assert settings.strangers(environment) == ()
    site = settings.load(CONFIG / "feedbridge.toml", environment).site
    volumes = json.loads(last("VOLUME"))
    assert [str(site.store_path.parent), str(site.output)] == volumes
    made = next(rest for name, rest in dockerfile() if name == "RUN" and "install -d" in rest)
    uid, gid = user.split(":")
    assert made.endswith(f"install -d -o {uid} -g {gid} {' '.join(volumes)}")


def test_the_container_listens_where_it_says() -> None:
    """The port that is exposed is the one in the environment, on all addresses of the container."""
    environment = image_environment()
    assert environment["FEEDBRIDGE_LISTEN"] == f"0.0.0.0:{last('EXPOSE')}"


@pytest.mark.parametrize("well", [True, False])
def test_the_health_check_tells_well_from_unwell(well: bool) -> None:
    """It ends with 0 while the daemon answers and with another number when it does not, whatever proxy is set."""
    python, *words = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert python == "python"
    with daemon() as port:
        listen = f"0.0.0.0:{port if well else free_port()}"
        environment = {"FEEDBRIDGE_LISTEN": listen, "http_proxy": "http://127.0.0.1:1/"}
        check = subprocess.run([sys.executable, *words], env=environment, capture_output=True, timeout=30, check=False)
    assert (check.returncode == 0) is well


def compose() -> dict[str, Any]:
    with (CONFIG / "compose.yaml").open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.safe_load(file)
    return loaded


def mounts_of(name: str) -> list[list[str]]:
    """What a service mounts: where from, where to, and `ro` where it may not write."""
    return [mount.split(":") for mount in compose()["services"][name]["volumes"]]


@pytest.mark.parametrize("name", ["feedbridge", "nginx"])
def test_every_container_is_walled_in(name: str) -> None:
    """Read-only, without capabilities, bounded in memory and processes, and started again when it falls."""
    service = compose()["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["restart"] == "unless-stopped"
    assert {"mem_limit", "pids_limit", "healthcheck"} <= set(service)
    assert not {"privileged", "user", "cap_add", "devices"} & set(service)


def test_compose_mounts_what_there_is_where_the_image_looks() -> None:
    """Folders of the clone are there and read-only; each volume is declared, and is one that the image writes to."""
    whole = compose()
    for source, _, *mode in (*mounts_of("feedbridge"), *mounts_of("nginx")):
        if not source.startswith("."):
            continue
        assert (CONFIG / source).exists()
        assert mode == ["ro"]
    kept = {source: target for source, target, *mode in mounts_of("feedbridge") if not mode}
    assert set(kept) == set(whole["volumes"])
    assert list(kept.values()) == json.loads(last("VOLUME"))
    build = whole["services"]["feedbridge"]["build"]
    assert ((CONFIG / build["context"]).resolve(), ROOT / build["dockerfile"]) == (ROOT, CONFIG / "Dockerfile")


def test_compose_shows_the_container_the_folders_of_its_settings() -> None:
    """The settings of the clone are right in the container, too: each source's folder is mounted where they look."""
    folders = {target: source for source, target, *_ in mounts_of("feedbridge")}
    inside = Path(image_environment()["FEEDBRIDGE_CONFIG"])
    assert (CONFIG / folders[str(inside.parent)] / inside.name).is_file()
    for source in settings.load(CONFIG / "feedbridge.toml", {}).source:
        assert isinstance(source, settings.ArchiveSource)
        assert source.folder is not None
        relative = Path(os.path.relpath(source.folder, CONFIG))
        mounted = Path(os.path.normpath(inside.parent / relative))
        assert (CONFIG / folders[str(mounted)]).resolve() == source.folder.resolve()


def test_compose_puts_nginx_before_the_same_feeds_only_when_asked() -> None:
    """nginx has a profile, shares feedbridge's network and output, and its ports are published by feedbridge."""
    whole = compose()["services"]
    nginx, feedbridge = whole["nginx"], whole["feedbridge"]
    assert (nginx["profiles"], "profiles" in feedbridge) == (["nginx"], False)
    assert nginx["network_mode"] == "service:feedbridge"
    root = re.search(r"(?m)^ +root (\S+);$", SITE)
    assert root
    assert f"public:{root[1]}:ro" in nginx["volumes"]
    inner = [published.rsplit(":", 1)[1] for published in feedbridge["ports"]]
    assert inner == [last("EXPOSE"), "80"]
    assert "listen 80;" in SITE
    assert all(published.startswith("127.0.0.1:") for published in feedbridge["ports"])
