"""The settings: what is read from TOML and the environment, and what is said of what cannot be."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge import settings, starter
from feedbridge.errors import SettingsError
from feedbridge.reach import parse_allowance
from feedbridge.settings import ArchiveSource, FeedSource, FeedTable, HostRule, ImageRule, Settings, Site

ROOT = Path(__file__).parents[1]
SOURCE = '[[source]]\nname = "voa"\nkind = "archive"\npath = "articles"\n'
BLOG = '[[source]]\nname = "blog"\nkind = "feed"\nurl = "https://blog.example.org/feed"\n'

_ADDRESS = 'give a whole address that begins with "http://" or "https://"'
_IN_ASCII = 'write it in ASCII: a host as "xn--…", spaces and other signs as "%20" and the like'
_TIME = 'give a time with its unit, such as "90s", "15m", "2h", "1d" or "1w"'
_TOKEN = 'give 20 to 200 letters, digits, "-", ".", "_" or "~" that nobody guesses, such as "${STATUS_TOKEN}"'
_LISTEN = 'give an address and a port, such as "127.0.0.1:8000", "0.0.0.0:8000" or "[::1]:8000"'
_CRON = 'give five fields (minute, hour, day, month, weekday), such as "*/15 6-22 * * *" or "0 6 * * mon"'
_KEEP = 'give a time, such as "2y" or "90d", or a number of entries above 0'
_RHYTHM = 'give a time with its unit, such as "90s", "15m", "2h" or "1d", or "adaptive"'
_SIZE = 'give a number of bytes above 0, or a text with its unit, such as "512KiB" or "4MiB"'
_POLICY = 'give "keep", "origin", "drop", "serve", "mirror" or a template with ${href_ue}'
_ZONE = 'give the name of a time zone, such as "UTC" or "Asia/Shanghai"'
_LANGUAGE = 'give a language tag, such as "zh-Hans", "zh-TW" or "en" (BCP 47)'
_BUCKET = 'give a folder, or a bucket such as "s3://bucket/feeds", "gs://bucket" or "az://container"'
_STORE = 'give "sqlite:///" and a path, such as "sqlite:///../var/feedbridge.db"'
_SERVER = 'give a whole address, such as "postgresql+psycopg://USER:PASSWORD@HOST/NAME"'
_NAME = 'give lower-case letters, digits, "-" and "_", at most 64, such as "news"'
_IRI = 'give an absolute IRI, such as "urn:uuid:…" or "tag:example.org,2026:news"'

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a settings file."""

    def _write(text: str) -> Path:
        path = tmp_path / "feeds.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def complaints(path: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is said of a settings file that cannot be used, without the file's name before each line."""
    with pytest.raises(SettingsError) as caught:
        settings.load(path, environ or {})
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}: ") for line in lines), lines
    return [line.removeprefix(f"{path}: ") for line in lines]


# What is read


def test_a_source_alone_is_enough(write: Write, tmp_path: Path) -> None:
    """All but one source has a default; relative paths, also default ones, count from the settings file."""
    loaded = settings.load(write(SOURCE), {})
    assert loaded.site == Site(output=tmp_path / "public", store=f"sqlite:///{tmp_path}/var/feedbridge.db")
    assert loaded.site.store_path == tmp_path / "var" / "feedbridge.db"
    assert loaded.source == (ArchiveSource(name="voa", kind="archive", path=tmp_path / "articles"),)
    assert loaded.source[0].every == timedelta(minutes=15)
    assert loaded.feed == (FeedTable(name="news"),)
    assert loaded.sources_of(loaded.feed[0]) == loaded.source


def test_relative_paths_count_from_the_settings_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the working folder nor a relative name of the file itself changes what they mean."""
    (tmp_path / "elsewhere").mkdir()
    write('[site]\noutput = "../out"\nstore = "sqlite:///../state/s.db"\n' + SOURCE)
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = settings.load(Path("../feeds.toml"), {})
    assert loaded.site.output == tmp_path.parent / "out"
    assert loaded.site.store_path == tmp_path.parent / "state" / "s.db"
    assert loaded.source == (ArchiveSource(name="voa", kind="archive", path=tmp_path / "articles"),)


@pytest.mark.parametrize("output", ["s3://bucket", "s3://my.bucket-1/feeds/all", "gs://bucket/", "az://box/feeds"])
def test_output_may_be_a_bucket(write: Write, output: str) -> None:
    """It stays the address that it is; `http://` is for this machine, or where that is wished."""
    text = f'[site]\noutput = "{output}"\nstorage = {{ endpoint = "http://127.0.0.1:9000" }}\n{SOURCE}'
    loaded = settings.load(write(text), {})
    assert loaded.site.output == output.rstrip("/")
    assert loaded.site.output_folder is None
    wished = text.replace("127.0.0.1", "storage.example").replace(" }", ", allow_http = true }")
    assert settings.load(write(wished), {}).site.storage.allow_http


def test_the_key_of_a_bucket_is_never_shown(write: Write) -> None:
    """It comes from the environment, and stands in no text of the settings."""
    keys = 'access_key = "${NAME}", secret_key = "${KEY}"'
    text = f'[site]\noutput = "s3://bucket"\nstorage = {{ {keys} }}\n{SOURCE}'
    loaded = settings.load(write(text), {"NAME": "somebody", "KEY": "hush"})
    assert loaded.site.storage.secret_key == "hush"
    assert "hush" not in repr(loaded)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'storage = { access_key = "hush" }',
            "[site]: storage: access_key and secret_key go together; give both, or leave both to the environment",
        ),
        (
            'storage = { access_key = "hush", secret_key = "${NO_SUCH}" }',
            "[site]: storage: secret_key: the environment variable NO_SUCH is not set; set it, or leave this key out",
        ),
        (
            'storage = { access_key = "hush", secret_key = ["hush"] }',
            "[site]: storage: secret_key: give text, in quotes",
        ),
        (
            'output = "s3://bucket"\nimages = "mirror"',
            'images: "mirror" puts copies into a folder, and output is a bucket; give "serve" or another policy',
        ),
    ],
)
def test_what_a_bucket_cannot_be_used_with(write: Write, lines: str, said: str) -> None:
    """Each is told with its mend, and no key with it."""
    path = write(f"[site]\n{lines}\n{SOURCE}")
    with pytest.raises(SettingsError) as caught:
        settings.load(path, {})
    assert str(caught.value) == f"{path}: {said}"


def test_an_archive_may_be_in_a_bucket(write: Write) -> None:
    """It has its own way to it; the key is never shown."""
    text = (
        '[[source]]\nname = "m"\nkind = "archive"\npath = "gs://bucket/articles/"\nnames_by_time = true\n'
        '[source.storage]\nregion = "moon"\naccess_key = "${NAME}"\nsecret_key = "${KEY}"\n[[feed]]\nname = "news"\n'
    )
    loaded = settings.load(write(text), {"NAME": "somebody", "KEY": "hush"})
    (source,) = loaded.source
    assert isinstance(source, ArchiveSource)
    assert (source.path, source.folder, source.names_by_time) == ("gs://bucket/articles", None, True)
    assert (source.storage.region, source.storage.secret_key) == ("moon", "hush")
    assert "hush" not in repr(loaded)


@pytest.mark.parametrize(
    ("output", "path", "lies"),
    [
        ("s3://bucket/feeds", "s3://bucket/feeds", "lies in"),
        ("s3://bucket/feeds", "s3://bucket/feeds/articles", "lies in"),
        ("s3://bucket/all/feeds", "s3://bucket/all", "holds"),
        ("s3://bucket/feeds", "s3://bucket/feeds-of-old", None),
        ("s3://bucket/feeds", "gs://bucket/feeds", None),
    ],
)
def test_articles_and_feeds_are_apart_in_a_bucket(write: Write, output: str, path: str, lies: str | None) -> None:
    """Else pages of ours would be read as articles."""
    text = f'[site]\noutput = "{output}"\n[[source]]\nname = "m"\nkind = "archive"\npath = "{path}"\n'
    file = write(f'{text}[[feed]]\nname = "news"\n')
    if lies is None:
        assert settings.load(file, {})
        return
    with pytest.raises(SettingsError, match=f'"m": path {lies} the folder that feeds are written to'):
        settings.load(file, {})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('path = "ftp://bucket"', f"path: {_BUCKET}"),
        ('path = "s3://b"\nstorage = "x"', f"path: {_BUCKET}"),
        ('path = "s3://bucket"\nstorage = "x"', "storage: write [source.storage], in single brackets"),
        (
            'path = "s3://bucket"\nstorage = { max_age = "5m" }',
            "no such key here; it belongs in [site.storage]",
        ),
        ('path = "s3://bucket"\nstorage = { access_key = "hush" }', "access_key and secret_key go together"),
    ],
)
def test_what_is_wrong_with_the_bucket_of_an_archive_is_told(write: Write, lines: str, said: str) -> None:
    """With the source, the key and the mend, and without the secret."""
    path = write(f'[[source]]\nname = "m"\nkind = "archive"\n{lines}\n[[feed]]\nname = "news"\n')
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        settings.load(path, {})
    assert "hush" not in str(caught.value)


def test_absolute_and_home_paths_stay_what_they_are(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path and one that begins with `~` do not count from the file."""
    monkeypatch.setenv("HOME", "/home/somebody")
    loaded = settings.load(write('[site]\noutput = "~/public"\nstore = "sqlite:////srv/s.db"\n' + SOURCE), {})
    assert loaded.site.output == Path("/home/somebody/public")
    assert loaded.site.store_path == Path("/srv/s.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_store_may_be_on_a_server(write: Write, tmp_path: Path, scheme: str) -> None:
    """Its password comes from the environment and is not shown; what would stand beside a file has its folder, too."""
    path = write(f'[site]\nstore = "{scheme}://me:${{SECRET}}@db.example:5433/feeds?sslmode=require"\n{SOURCE}')
    site = settings.load(path, {"SECRET": "s3cret"}).site
    assert site.store == "postgresql+psycopg://me:s3cret@db.example:5433/feeds?sslmode=require"
    assert site.state_folder == tmp_path / "var"
    assert "s3cret" not in repr(site)


def test_what_stands_beside_the_store_may_stand_elsewhere(write: Write, tmp_path: Path) -> None:
    """Left out, it is the folder of the database file."""
    assert settings.load(write(SOURCE), {}).site.state_folder == tmp_path / "var"
    assert settings.load(write('[site]\nstore = "sqlite:///a/b.db"\n' + SOURCE), {}).site.state_folder == tmp_path / "a"
    assert settings.load(write('[site]\nstate = "c"\n' + SOURCE), {}).site.state_folder == tmp_path / "c"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400), ("1w", 604_800), (" 3 m ", 180)],
)
def test_durations(write: Write, text: str, meant: int) -> None:
    """A time is a number with its unit."""
    assert settings.load(write(f'{SOURCE}every = "{text}"'), {}).source[0].every == timedelta(seconds=meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("4096", 4096), ('"4096"', 4096), ('"10B"', 10), ('"512KiB"', 524_288), ('"4 MiB"', 4_194_304), ('"1GiB"', 2**30)],
)
def test_sizes(write: Write, text: str, meant: int) -> None:
    """A size is a number of bytes, or a text with its unit."""
    source = settings.load(write(f"{SOURCE}max_file_bytes = {text}"), {}).source[0]
    assert isinstance(source, ArchiveSource)
    assert source.max_file_bytes == meant


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    """Some editors put one before UTF-8."""
    path = tmp_path / "feeds.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert settings.load(path, {}).source[0].name == "voa"


def test_titles_may_hold_joiners_and_wide_spaces(write: Write) -> None:
    """Persian and emoji need joiners (U+200C, U+200D), Chinese its own space (U+3000)."""
    title = "می\u200cخواهم\u3000👨\u200d👩\u200d👧"
    assert settings.load(write(f'{SOURCE}title = "{title}"'), {}).source[0].title == title


def test_hosts_of_proxies_are_compared_in_lower_case(write: Write) -> None:
    """A host means the same in any case."""
    loaded = settings.load(write(f'{SOURCE}image_proxy_hosts = ["Img.Example.ORG"]'), {})
    assert loaded.source[0].image_proxy_hosts == ("img.example.org",)


def test_a_feed_shows_its_sources_in_its_own_order(write: Write) -> None:
    """The source named first wins where two have the same article."""
    second = SOURCE.replace("voa", "rfi")
    loaded = settings.load(write(SOURCE + second + '[[feed]]\nname = "all"\nsources = ["rfi", "voa"]'), {})
    assert [source.name for source in loaded.sources_of(loaded.feed[0])] == ["rfi", "voa"]


@pytest.mark.parametrize(
    "line", ['timezone = "Asia/Shanghai"', 'folder_as = "author"', 'remove = ["p"]', 'remove_text = ["x"]']
)
def test_the_shape_moves_with_what_shapes_the_text(write: Write, line: str) -> None:
    """A source is read anew when a setting changes that shapes what is read, and only then."""
    before = settings.load(write(SOURCE), {}).source[0]
    assert settings.load(write(f"{SOURCE}{line}"), {}).source[0].shape() != before.shape()
    assert settings.load(write(f'{SOURCE}every = "1d"\ntitle = "x"'), {}).source[0].shape() == before.shape()


def feed_source(path: Path, environ: Mapping[str, str] | None = None) -> FeedSource:
    """The first source of a settings file, which is a feed."""
    source = settings.load(path, environ or {}).source[0]
    assert isinstance(source, FeedSource)
    return source


def test_a_feed_needs_an_address_and_no_more(write: Write) -> None:
    """It is asked every half hour, within bounds, and nothing but the public web is reached for it."""
    source = feed_source(write(BLOG))
    assert source == FeedSource(name="blog", kind="feed", url="https://blog.example.org/feed")
    assert (source.every, source.timeout) == (timedelta(minutes=30), timedelta(seconds=30))
    assert (source.max_bytes, source.max_decoded_bytes) == (10 * 2**20, 50 * 2**20)
    assert (source.headers, source.login, source.proxy) == ({}, None, None)
    assert source.allow_private == parse_allowance([])


def test_a_feed_with_all_that_it_can_have(write: Write) -> None:
    """Each key is read into what it means."""
    lines = (
        'timeout = "2m"\nmax_bytes = "1MiB"\nmax_decoded_bytes = 4096\nallow_private = ["nas.local", "10.0.0.0/8"]\n'
        'headers = { X-Key = "k", accept = "text/xml" }\nlogin = "you:pass:word"\nproxy = "http://127.0.0.1:3128"\n'
    )
    source = feed_source(write(BLOG + lines))
    assert (source.timeout, source.max_bytes, source.max_decoded_bytes) == (timedelta(minutes=2), 2**20, 4096)
    assert source.allow_private == parse_allowance(["nas.local", "10.0.0.0/8"])
    assert source.headers == {"X-Key": "k", "accept": "text/xml"}
    assert (source.login, source.proxy) == ("you:pass:word", "http://127.0.0.1:3128")


def test_both_kinds_stand_side_by_side(write: Write) -> None:
    """`kind` says which one a table is; their order stays."""
    loaded = settings.load(write(BLOG + SOURCE), {})
    assert [(source.name, type(source)) for source in loaded.source] == [("blog", FeedSource), ("voa", ArchiveSource)]


@pytest.mark.parametrize(("text", "meant"), [("0s", 0), (" 0s ", 0), ("1s", 1), ("2m", 120)])
def test_a_pause_may_be_none(write: Write, text: str, meant: int) -> None:
    """Unlike all other times, it may be nothing: for a host of one's own."""
    loaded = settings.load(
        write(f'[site]\npause = "{text}"\n[[site.host_rule]]\nhost = "x.org"\npause = "{text}"\n{BLOG}'), {}
    )
    assert loaded.site.pause == loaded.site.host_rule[0].pause == timedelta(seconds=meant)


def test_rules_by_host_stay_in_their_order(write: Write) -> None:
    """The first match wins; what a rule leaves out is the site's."""
    rules = '[[site.host_rule]]\nhost = "*.example.org"\nbackoff = "source"\n[[site.host_rule]]\nhost = "x.org"\n'
    loaded = settings.load(write(rules + BLOG), {})
    assert loaded.site.host_rule == (HostRule(host="*.example.org", backoff="source"), HostRule(host="x.org"))
    assert [(rule.pause, rule.backoff) for rule in loaded.site.host_rule] == [(None, "source"), (None, "host")]


@pytest.mark.parametrize("line", ['timezone = "Asia/Shanghai"', 'remove = ["p"]', 'remove_text = ["x"]'])
def test_the_shape_of_a_feed_moves_with_what_shapes_its_articles(write: Write, line: str) -> None:
    """Its address, its rhythm and how it is asked shape nothing."""
    before = feed_source(write(BLOG)).shape()
    assert feed_source(write(f"{BLOG}{line}")).shape() != before
    same = BLOG.replace("/feed", "/rss") + 'every = "1d"\nlogin = "you:pass"\ntimeout = "5s"'
    assert feed_source(write(same)).shape() == before


# Secrets

SECRET = "s3cr3t-Pa55"


@pytest.mark.parametrize(
    ("line", "value", "meant"),
    [
        ('headers = { X-Key = "${KEY}" }', SECRET, {"headers": {"X-Key": SECRET}}),
        ('headers = { Authorization = "Bearer ${KEY}" }', SECRET, {"headers": {"Authorization": f"Bearer {SECRET}"}}),
        ('login = "${KEY}"', f"you:{SECRET}", {"login": f"you:{SECRET}"}),
        ('login = "you:${KEY}"', SECRET, {"login": f"you:{SECRET}"}),
        ('login = "you:${KEY}"', "密码", {"login": "you:密码"}),
        ('proxy = "${KEY}"', f"http://you:{SECRET}@127.0.0.1:3128/", {"proxy": f"http://you:{SECRET}@127.0.0.1:3128/"}),
        ('proxy = "http://you:${KEY}@h:1"', SECRET, {"proxy": f"http://you:{SECRET}@h:1"}),
        ('login = "$KEY:${}${KEY-}"', SECRET, {"login": "$KEY:${}${KEY-}"}),
        ('login = "you:${KEY}"', "${KEY}", {"login": "you:${KEY}"}),
    ],
)
def test_secrets_come_from_the_environment(write: Write, line: str, value: str, meant: dict[str, object]) -> None:
    """`${NAME}` stands for a variable, once; anything else stands for itself. No secret is in the settings' repr."""
    source = feed_source(write(BLOG + line), {"KEY": value})
    assert {key: getattr(source, key) for key in meant} == meant
    assert SECRET not in repr(source)


def test_the_proxy_of_the_site_comes_from_the_environment(write: Write) -> None:
    """By a variable of any name in the file, or by its own."""
    proxy = f"http://you:{SECRET}@127.0.0.1:3128"
    named = settings.load(write(f'[site]\nproxy = "${{MINE}}"\n{BLOG}'), {"MINE": proxy})
    own = settings.load(write(BLOG), {"FEEDBRIDGE_PROXY": proxy})
    assert named.site.proxy == own.site.proxy == proxy
    assert SECRET not in repr(named)


_LOGIN = 'give a user name and a password with ":" between, such as "${NEWS_LOGIN}"'
_PROXY = 'give the address of an HTTP proxy and nothing else, such as "http://127.0.0.1:3128"'


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        ('login = "${KEY}"', SECRET, f"login: {_LOGIN}"),
        ('login = "you:${KEY}"', f"{SECRET}\n", f"login: {_LOGIN}"),
        ('login = "you:${KEY}"', f"{SECRET}\udcff", f"login: {_LOGIN}"),
        (f'login = ["{SECRET}"]', "", "login: give text, in quotes"),
        ('headers = { A = "${KEY}" }', f"{SECRET}\r\nX: y", 'headers: the value of "A" holds what a header cannot;'),
        ('headers = { A = "${KEY}" }', f"{SECRET}é", 'headers: the value of "A" holds what a header cannot;'),
        (f'headers = {{ A = ["{SECRET}"] }}', "", "headers: A: give text, in quotes"),
        (f'headers = ["A: {SECRET}"]', "", 'headers: give a table, such as {X-Key = "${NEWS_KEY}"}'),
        ('proxy = "${KEY}"', SECRET, f"proxy: {_ADDRESS}"),
        ('proxy = "${KEY}"', f"http://{SECRET}\udcff@h:1/", f"proxy: {_IN_ASCII}"),
        ('proxy = "${KEY}"', f"http://h:1/{SECRET}", f"proxy: {_PROXY}"),
        ('proxy = "${KEY}"', f"http://h:1/?{SECRET}", f"proxy: {_PROXY}"),
        ('proxy = "${KEY}"', f"http://h:1/#{SECRET}", f"proxy: {_PROXY}"),
        (f'proxy = {{ http = "{SECRET}" }}', "", "proxy: give text, in quotes"),
    ],
)
def test_no_secret_is_ever_shown(write: Write, line: str, value: str, said: str) -> None:
    """Not even when it is wrong; the mend does without."""
    (only,) = complaints(write(BLOG + line), {"KEY": value})
    assert only.startswith(f'[[source]] "blog": {said}')
    assert SECRET not in only


def test_a_wrong_secret_in_the_environment_is_not_shown(write: Write) -> None:
    """The variable is named."""
    with pytest.raises(SettingsError) as caught:
        settings.load(write(BLOG), {"FEEDBRIDGE_PROXY": f"http://h/{SECRET}"})
    assert str(caught.value) == f"FEEDBRIDGE_PROXY: {_PROXY}"


@pytest.mark.parametrize("line", ['login = "${KEY}"', 'headers = { A = "x${KEY}" }', 'proxy = "${KEY}"'])
@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_a_variable_that_is_not_set_is_named(write: Write, line: str, environ: dict[str, str]) -> None:
    """An empty one counts as not set: a login without a password is a slip."""
    (only,) = complaints(write(BLOG + line), environ)
    assert only.endswith(": the environment variable KEY is not set; set it, or leave this key out")


# The environment

_VALUES = {
    "FEEDBRIDGE_TITLE": ("title", "From afar", "From afar"),
    "FEEDBRIDGE_BASE_URL": ("base_url", "https://feeds.example.org", "https://feeds.example.org/"),
    "FEEDBRIDGE_OUTPUT": ("output", "/srv/out", Path("/srv/out")),
    "FEEDBRIDGE_STORE": ("store", "sqlite:////srv/s.db", "sqlite:////srv/s.db"),
    "FEEDBRIDGE_ENGINE": ("engine", "local", "local"),
    "FEEDBRIDGE_STATE": ("state", "/srv/state", Path("/srv/state")),
    "FEEDBRIDGE_LANGUAGE": ("language", "zh-TW", "zh-TW"),
    "FEEDBRIDGE_AUTHOR": ("author", "The editors", "The editors"),
    "FEEDBRIDGE_LISTEN": ("listen", "[::1]:80", "[::1]:80"),
    "FEEDBRIDGE_HUB": ("hub", "https://hub.example.org/", "https://hub.example.org/"),
    "FEEDBRIDGE_IMAGES": ("images", "drop", ["drop"]),
    "FEEDBRIDGE_CONTACT": ("contact", "mailto:me@example.org", "mailto:me@example.org"),
    "FEEDBRIDGE_PAUSE": ("pause", "0s", timedelta()),
    "FEEDBRIDGE_PAGES": ("pages", "false", False),
    "FEEDBRIDGE_THEME": ("theme", "/srv/theme", Path("/srv/theme")),
    "FEEDBRIDGE_ROBOTS": ("robots", "index", "index"),
    "FEEDBRIDGE_STATUS": ("status", "loopback", "loopback"),
    "FEEDBRIDGE_STATUS_TOKEN": ("status_token", "x" * 20, "x" * 20),
    "FEEDBRIDGE_PROXY": ("proxy", "http://127.0.0.1:3128", "http://127.0.0.1:3128"),
}


def test_the_variables_are_these() -> None:
    """Each key of `[site]` that is one value has its variable."""
    assert set(settings.environment_names()) == set(_VALUES)
    assert {key for key, _, _ in _VALUES.values()} == set(Site.model_fields) - {"storage", "image_rule", "host_rule"}


@pytest.mark.parametrize("name", sorted(_VALUES))
@pytest.mark.parametrize("site", ["", '[site]\ntitle = "In the file"\nauthor = "In the file"\nimages = "keep"\n'])
def test_variables_override_the_site(write: Write, site: str, name: str) -> None:
    """Also where the file has the key, and where it has no `[site]` at all."""
    key, text, meant = _VALUES[name]
    loaded = settings.load(write(site + SOURCE), {name: text, "OTHER": "x"})
    value = getattr(loaded.site, key)
    assert ([str(policy) for policy in value] if key == "images" else value) == meant


def test_a_variable_that_is_wrong_is_named_itself(write: Write) -> None:
    """The file is not to blame for it."""
    with pytest.raises(SettingsError) as caught:
        settings.load(write(SOURCE), {"FEEDBRIDGE_BASE_URL": "feeds.example.org", "FEEDBRIDGE_TITLE": ""})
    assert str(caught.value).split("\n") == [
        "FEEDBRIDGE_TITLE: give at least one letter, or leave it out",
        'FEEDBRIDGE_BASE_URL: give a whole address that begins with "http://" or "https://"',
    ]


def test_a_variable_in_no_known_encoding_is_refused(write: Write) -> None:
    """Bytes of the environment that are no UTF-8 come as lone surrogates."""
    with pytest.raises(SettingsError, match=r"^FEEDBRIDGE_TITLE: give text that can be written as UTF-8"):
        settings.load(write(SOURCE), {"FEEDBRIDGE_TITLE": "\udcff"})


def test_variables_that_look_like_ours_are_told_apart() -> None:
    """A misspelt one is found; ours, and those of others, are not."""
    environ = {"FEEDBRIDGE_TITEL": "x", "FEEDBRIDGE_TITLE": "x", "FEEDBRIDGE_CONFIG": "x", "HOME": "x"}
    assert settings.strangers(environ) == ("FEEDBRIDGE_TITEL",)


def test_workers_take_a_store_that_is_shared(write: Write) -> None:
    """One in a file is refused, with the mend."""
    loaded = settings.load(write(f'[site]\nstore = "postgresql://u@h/n"\nengine = "procrastinate"\n{SOURCE}'), {})
    assert loaded.site.engine == "procrastinate"
    with pytest.raises(SettingsError) as caught:
        settings.load(write(f'[site]\nengine = "procrastinate"\n{SOURCE}'), {})
    assert "engine: procrastinate takes a store that processes can share; give `store` as" in str(caught.value)


def test_workers_take_their_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the settings say what to install."""
    monkeypatch.setattr(settings, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"engine: procrastinate needs the extra: pip install 'feedbridge\[postg"):
        settings.load(write(f'[site]\nstore = "postgresql://u@h/n"\nengine = "procrastinate"\n{SOURCE}'), {})


# What is refused


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('titel = "x"', 'titel: no such key; did you mean "title"?'),
        ('pages = "some"', 'pages: give true or false (it says "some")'),
        ('robots = "all"', 'robots: give "index" or "noindex" (it says "all")'),
        ('status = "all"', 'status: give "off", "loopback" or "token" (it says "all")'),
        ('status_token = "a secret, but short"', f"status_token: {_TOKEN}"),
        (
            'status_token = "${NOT_SET}"',
            "status_token: the environment variable NOT_SET is not set; set it, or leave this key out",
        ),
        ("status_token = 12345678901234567890", "status_token: give text, in quotes"),
        (
            'status = "token"\noutput = "out"\nstate = "out/state"',
            "state: lies in the folder that is published, where the token of `status` must not be;"
            " name another `state`",
        ),
        ("limit = 5", "limit: no such key here; it belongs in [[feed]]"),
        ("title = 5", "title: give text, in quotes (it says 5)"),
        ('title = ""', "title: give at least one letter, or leave it out"),
        ('title = " \\u3000"', "title: give at least one letter, or leave it out"),
        ('title = "a\\nb"', "title: give one line, without control characters"),
        ('title = "\\u001b[2J"', "title: give one line, without control characters"),
        ('title = "\\uFFFE"', "title: give one line, without control characters"),
        (f'title = "{"x" * 501}"', f'title: give at most 500 characters (it says "{"x" * 58}…)'),
        ('base_url = "feeds.example.org"', f"base_url: {_ADDRESS}"),
        ('base_url = "ftp://example.org/"', f"base_url: {_ADDRESS}"),
        ('base_url = "http://[x/"', f"base_url: {_ADDRESS}"),
        ('base_url = "http://h:99999/"', f"base_url: {_ADDRESS}"),
        ('base_url = "http://例子.cn/"', f"base_url: {_IN_ASCII}"),
        ('base_url = "http://h/\\u0001"', f"base_url: {_IN_ASCII}"),
        ('base_url = "http://h/a b"', f"base_url: {_IN_ASCII}"),
        (
            'base_url = "http://h/?a=1"',
            'base_url: give an address without "?" and "#", such as "https://feeds.example.org/"',
        ),
        ("output = 5", "output: give a path as text"),
        ('output = ""', "output: give a path as text"),
        ('output = "a\\u0000b"', "output: give a path as text"),
        (f'output = "{"x" * 256}"', "output: is longer than a file system takes; give a shorter path"),
        (f'output = "{"x/" * 2500}"', "output: is longer than a file system takes; give a shorter path"),
        (
            'output = "~nobody-of-this-name/x"',
            "output: cannot be used (Could not determine home directory.); give another path",
        ),
        ('store = "mysql://host/db"', f"store: {_STORE}"),
        ('store = "sqlite:///"', f"store: {_STORE}"),
        ("store = 5", "store: give text, in quotes"),
        ('store = "postgresql://u:secret@h"', f"store: {_SERVER}"),
        ('store = "postgresql://u:secret@h/"', f"store: {_SERVER}"),
        ('store = "postgresql://u:secret@h:port/x"', f"store: {_SERVER}"),
        ('store = "postgresql+asyncpg://u:secret@h/x"', f"store: {_SERVER}"),
        ('store = "postgresql://u:${SECRET}@h/x"', "store: the environment variable SECRET is not set; set it,"),
        ('language = "zh_CN"', f"language: {_LANGUAGE}"),
        ('images = "kepe"', f'images: {_POLICY}; did you mean "keep"?'),
        ("images = true", "images: give a policy as text, or a list of them, the first that works is used"),
        ('images = ["origin", "kepe"]', f'images: {_POLICY}; did you mean "keep"?'),
        (
            'images = "https://x/"',
            'images: name the picture with "${href_ue}", "${href}" or another name between "${" ',
        ),
        (
            'image_rule = "x"',
            "image_rule: write a list of tables, such as [[site.image_rule]] or [[source.image_rule]]",
        ),
        ('image_rule = [{ host = "x" }]', "image_rule number 1: images: is missing; give it"),
        (
            'image_rule = [{ host = "https://x/", images = "keep" }]',
            'image_rule number 1: host: give the name of a host, such as "example.org",',
        ),
        ('output = "s3://"', f"output: {_BUCKET}"),
        ('output = "s3://b"', f"output: {_BUCKET}"),
        ('output = "s3://key:secret@bucket"', f"output: {_BUCKET}"),
        ('output = "s3://bucket/../up"', f"output: {_BUCKET}"),
        ('output = "ftp://bucket/feeds"', f"output: {_BUCKET}"),
        ('storage = "x"', "storage: write [site.storage], in single brackets, and once"),
        ("storage = { endpont = 1 }", 'storage: endpont: no such key; did you mean "endpoint"?'),
        ('storage = { endpoint = "h:9000" }', f"storage: endpoint: {_ADDRESS}"),
        (
            'storage = { endpoint = "http://storage.example" }',
            'storage: endpoint: give "https://", or say allow_http = true',
        ),
        ('contact = "a\\nb"', "contact: give one line, without control characters"),
        ('pause = "0"', f"pause: {_TIME}"),
        ("pause = 0", f"pause: {_TIME}"),
        ('pause = "0m"', f"pause: {_TIME}"),
        ('proxy = "socks5://h:1"', f"proxy: {_ADDRESS}"),
        ('host_rule = "x"', "host_rule: write a list of tables, [[site.host_rule]]"),
        ('host_rule = { host = "x" }', "host_rule: write a list of tables, [[site.host_rule]]"),
        ("host_rule = [{}]", "host_rule number 1: host: is missing; give it"),
        (
            'host_rule = [{ host = "x:80" }]',
            'host_rule number 1: host: give the name of a host, such as "example.org",',
        ),
        ('host_rule = [{ host = "x", pause = "1" }]', f"host_rule number 1: pause: {_TIME}"),
        (
            'host_rule = [{ host = "x", backoff = "site" }]',
            'host_rule number 1: backoff: give "host" or "source" (it says "site")',
        ),
        (
            'host_rule = [{ host = "x", backof = "host" }]',
            'host_rule number 1: backof: no such key; did you mean "backoff"?',
        ),
        (
            'image_rule = [{ hots = "x", host = "x", images = "keep" }]',
            'image_rule number 1: hots: no such key; did you mean "host"?',
        ),
    ],
)
def test_wrong_in_the_site(write: Write, line: str, said: str) -> None:
    """One line for one mistake, with key and mend."""
    (only,) = complaints(write(f"[site]\n{line}\n{SOURCE}"))
    assert only.startswith(f"[site]: {said}")
    assert "secret" not in only


def test_a_rhythm_is_an_interval_a_cron_line_or_the_history(write: Write) -> None:
    """Three ways to say when a source is looked at."""
    assert settings.load(write(SOURCE + 'every = "adaptive"'), {}).source[0].every == "adaptive"
    by_cron = settings.load(write(SOURCE + 'cron = "*/15 6-22 * * *"\ncron_timezone = "Asia/Shanghai"'), {}).source[0]
    assert (by_cron.cron, by_cron.cron_timezone) == ("*/15 6-22 * * *", "Asia/Shanghai")


@pytest.mark.parametrize(("text", "meant"), [('"2y"', timedelta(days=730)), ("500", 500)])
def test_what_is_kept_is_a_time_or_a_number(write: Write, text: str, meant: object) -> None:
    """Of feeds without archives."""
    loaded = settings.load(write(f'{SOURCE}[[feed]]\nname = "n"\narchives = false\nkeep = {text}'), {})
    assert loaded.feed[0].keep == meant


@pytest.mark.parametrize("text", ["8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":8000", "::1:8000", "a b:1"])
def test_an_address_to_listen_at_has_its_port(write: Write, text: str) -> None:
    """And an IPv6 address its brackets."""
    (only,) = complaints(write(f'[site]\nlisten = "{text}"\n{SOURCE}'))
    assert only == f"[site]: listen: {_LISTEN}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("globb = []", 'globb: no such key; did you mean "glob"?'),
        ('glob = "*.md"', 'glob: give a list, such as ["…"] (it says "*.md")'),
        ("glob = []", "glob: give at least one, or leave it out (it says [])"),
        ('glob = [""]', 'glob number 1: give at least one character (it says "")'),
        ('glob = ["../*.md"]', 'glob: "../*.md" leads out of the folder; give a glob such as "**/*.md"'),
        ('every = "15"', f"every: {_RHYTHM}"),
        ("every = 15", f"every: {_RHYTHM}"),
        ('every = "0m"', f"every: {_TIME}"),
        ('every = "-1m"', f"every: {_RHYTHM}"),
        ("every = 2026-01-01", f"every: {_RHYTHM}"),
        ('every = "999999999w"', "every: this time is longer than a hundred years; give a shorter one"),
        ('cron = "15 * *"', f"cron: {_CRON}"),
        ('cron = "61 * * * *"', f"cron: {_CRON}"),
        ('cron = "0 0 30 2 *"', "cron: names a day that never comes; mend the day or the month"),
        ('jitter = "9000y"', "jitter: this time is longer than a hundred years; give a shorter one"),
        ("cron = 5", "cron: give text, in quotes (it says 5)"),
        ('every = "5m"\ncron = "* * * * *"', "every and cron are two rhythms; leave one of the two out"),
        ('every = "adaptive"\nmin = "2d"', "min is longer than max; make it shorter"),
        ('jitter = "1"', f"jitter: {_TIME}"),
        ('cron_timezone = "Peking"', f"cron_timezone: {_ZONE}"),
        ('timezone = "Asia/Peking"', f"timezone: {_ZONE}"),
        ('timezone = "../etc/passwd"', f"timezone: {_ZONE}"),
        ('timezone = "Asia"', f"timezone: {_ZONE}"),
        ('timezone = ""', f"timezone: {_ZONE}"),
        ("timezone = 8", "timezone: give text, in quotes (it says 8)"),
        ('link = "x"', f"link: {_ADDRESS}"),
        ('folder_as = "tag"', 'folder_as: give "category" or "author" (it says "tag")'),
        ('remove = ["a[["]', 'remove: "a[[" is no CSS selector; give one such as ".share" or "#ad"'),
        ('remove = ".ad"', 'remove: give a list, such as ["…"] (it says ".ad")'),
        ('remove_text = [""]', 'remove_text number 1: give at least one character (it says "")'),
        (
            'image_proxy_hosts = ["https://x.org/"]',
            'image_proxy_hosts number 1: give the name of a host and nothing else, such as "images.example.org"',
        ),
        ('max_file_bytes = "4MB"', f"max_file_bytes: {_SIZE}"),
        ("max_file_bytes = 0", f"max_file_bytes: {_SIZE}"),
        ("max_file_bytes = true", f"max_file_bytes: {_SIZE}"),
        ("max_file_bytes = 1.5", f"max_file_bytes: {_SIZE}"),
    ],
)
def test_wrong_in_a_source(write: Write, line: str, said: str) -> None:
    """One line for one mistake; the source is named as its table names itself."""
    assert complaints(write(SOURCE + line)) == [f'[[source]] "voa": {said}']


_REACH = 'give a list, such as ["nas.local", "10.0.0.0/8"]'
_REACHED = 'give a host, "host:port" or a network such as "10.0.0.0/8"'
_HOME = "no such key here; it belongs in [[source]] with kind"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('path = "articles"', f'path: {_HOME} = "archive"'),
        ('folder_as = "author"', f'folder_as: {_HOME} = "archive"'),
        ('max_file_bytes = "4MiB"', 'max_file_bytes: no such key; did you mean "max_bytes"?'),
        ("limit = 5", "limit: no such key here; it belongs in [[feed]]"),
        ('header = { A = "x" }', 'header: no such key; did you mean "headers"?'),
        ('every = "5"', f"every: {_RHYTHM}"),
        ('timeout = "0s"', f"timeout: {_TIME}"),
        ("timeout = 30", f"timeout: {_TIME}"),
        ('max_bytes = "10MB"', f"max_bytes: {_SIZE}"),
        ("max_decoded_bytes = 0", f"max_decoded_bytes: {_SIZE}"),
        ('allow_private = "nas.local"', f"allow_private: {_REACH}"),
        ("allow_private = [10]", f"allow_private: {_REACH}"),
        ("allow_private = true", f"allow_private: {_REACH}"),
        ('allow_private = ["http://nas.local/"]', f"allow_private: {_REACHED}"),
        ('allow_private = ["10.0.0.1/8"]', f"allow_private: {_REACHED}"),
        ('allow_private = ["nas.local:0"]', f"allow_private: {_REACHED}"),
        ('allow_private = [""]', f"allow_private: {_REACHED}"),
        ('headers = { "a b" = "x" }', 'headers: "a b" is no name of a header; give one such as "Authorization"'),
        ('headers = { "" = "x" }', 'headers: "" is no name of a header; give one such as "Authorization"'),
        ('headers = { A = "x", a = "y" }', 'headers: names "a" twice; once is enough'),
        ('login = "you"', f"login: {_LOGIN}"),
        ('proxy = "127.0.0.1:3128"', f"proxy: {_ADDRESS}"),
        ('proxy = "http://h:1/path"', f"proxy: {_PROXY}"),
    ],
)
def test_wrong_in_a_source_that_is_a_feed(write: Write, line: str, said: str) -> None:
    """One line for one mistake; the kind, by which the tables are told apart, is no part of the place."""
    assert complaints(write(BLOG + line)) == [f'[[source]] "blog": {said}']


@pytest.mark.parametrize("name", ["Host", "host", "Accept-Encoding", "If-None-Match", "Connection", "Content-Length"])
def test_headers_that_we_set_ourselves_are_refused(write: Write, name: str) -> None:
    """They would break the conversation, or tell lies about what we have."""
    (only,) = complaints(write(f'{BLOG}headers = {{ {name} = "x" }}'))
    assert only == f'[[source]] "blog": headers: "{name}" is a header that feedbridge sets itself; leave it out'


@pytest.mark.parametrize("url", ["", "blog.example.org", "file:///etc/passwd", "ftp://x/", "http://h:0/", "http:///x"])
def test_a_feeds_address_is_of_the_web(write: Write, url: str) -> None:
    """http or https, with its host."""
    (only,) = complaints(write(BLOG.replace("https://blog.example.org/feed", url)))
    assert only == f'[[source]] "blog": url: {_ADDRESS}'


@pytest.mark.parametrize(("key", "value"), [("url", '"https://x/"'), ("login", '"a:b"'), ("headers", "{}")])
def test_keys_of_a_feed_are_none_of_an_archive(write: Write, key: str, value: str) -> None:
    """It is said where they belong."""
    assert complaints(write(f"{SOURCE}{key} = {value}")) == [f'[[source]] "voa": {key}: {_HOME} = "feed"']


def test_a_wrong_name_in_a_template_is_named_with_all_the_right_ones(write: Write) -> None:
    """What was meant comes last, where it is seen."""
    (only,) = complaints(write(f'{SOURCE}images = "https://wsrv.nl/?url=${{hrf}}"'))
    assert only.startswith('[[source]] "voa": images: ${hrf} is none of href, protocol, host')
    assert only.endswith('did you mean "href"?')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("limit = 0", "limit: give 1 or more (it says 0)"),
        ("limit = 10001", "limit: give 10000 or less (it says 10001)"),
        ('limit = "50"', 'limit: give a whole number, without quotes (it says "50")'),
        ("limit = true", "limit: give a whole number, without quotes (it says true)"),
        ("limit = 5.5", "limit: give a whole number, without quotes (it says 5.5)"),
        ('archives = "yes"', 'archives: give true or false, without quotes (it says "yes")'),
        ("archives = 1", "archives: give true or false, without quotes (it says 1)"),
        ('by = "year"', 'by: give "category", "author" or "source" (it says "year")'),
        ("formats = []", "formats: give at least one, or leave it out (it says [])"),
        ('formats = ["atoom"]', 'formats number 1: give "atom", "rss" or "json" (it says "atoom")'),
        ('formats = ["rss", "rss"]', 'formats: names "rss" twice; once is enough'),
        ('sources = "voa"', 'sources: give a list, such as ["…"] (it says "voa")'),
        ("sources = []", "sources: give at least one, or leave it out (it says [])"),
        ('sources = ["voa", "voa"]', 'sources: names "voa" twice; once is enough'),
        ('id = "news"', f"id: {_IRI}"),
        ('id = "http:news"', f"id: {_IRI}"),
        ('id = "urn:a<b"', f"id: {_IRI}"),
        ('id = "urn:a"\nby = "source"', "id is for one feed, and by makes several; leave one of the two out"),
        ('max_bytes = "1 MB"', f"max_bytes: {_SIZE}"),
        ('icon = "x.png"', f"icon: {_ADDRESS}"),
        ('keep = "2y"', "keep drops old entries and archives keeps them; say archives = false, or leave keep out"),
        ("keep = 0\narchives = false", f"keep: {_KEEP}"),
        ('keep = "long"\narchives = false', f"keep: {_KEEP}"),
        ("keep = true\narchives = false", f"keep: {_KEEP}"),
    ],
)
def test_wrong_in_a_feed(write: Write, line: str, said: str) -> None:
    """One line for one mistake; nothing is taken for a number or a truth that is written as text."""
    assert complaints(write(f'{SOURCE}[[feed]]\nname = "news"\n{line}')) == [f'[[feed]] "news": {said}']


@pytest.mark.parametrize("name", ["News", "a b", "", "-a", "a-", "../a", "a/b", "新闻", "a" * 65, "a\\n"])
def test_a_feeds_name_is_safe_as_a_files(write: Write, name: str) -> None:
    """It becomes the name of files and a part of addresses."""
    (only,) = complaints(write(f'{SOURCE}[[feed]]\nname = "{name}"'))
    assert only.startswith("[[feed]] ")
    assert f": name: {_NAME} (it says " in only


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["[[source]]: there is none; give at least one [[source]] table"]),
        ("source = []", ["[[source]]: there is none; give at least one [[source]] table"]),
        ('[source]\nname = "voa"', ["[[source]]: write [[source]], in double brackets"]),
        ('source = "voa"', ["[[source]]: write [[source]], in double brackets"]),
        ('source = ["voa"]', ['[[source]] number 1: give a table with keys (it says "voa")']),
        (f'[[site]]\ntitle = "x"\n{SOURCE}', ["[site]: write [site], in single brackets, and once"]),
        (f"site = 3\n{SOURCE}", ["[site]: write [site], in single brackets, and once"]),
        (f'{SOURCE}[feed]\nname = "x"', ["[[feed]]: write [[feed]], in double brackets"]),
        (f"feed = []\n{SOURCE}", ["[[feed]]: give at least one, or leave it out (it says [])"]),
        (f'titles = "x"\n{SOURCE}', ["titles: no such key; there is: site, pictures, source, feed"]),
        (f'title = "x"\n{SOURCE}', ["title: no such key here; it belongs in [site] or [[source]] or [[feed]]"]),
        (f'{SOURCE}[sites]\ntitle = "x"', ['sites: no such key; did you mean "site"?']),
        ("[[source]]", ['[[source]] number 1: kind is missing; give "archive" or "feed"']),
        ('[[source]]\nname = "voa"', ['[[source]] "voa": kind is missing; give "archive" or "feed"']),
        (SOURCE.replace('"archive"', '"rss"'), ['[[source]] "voa": kind: give "archive" or "feed" (it says "rss")']),
        (SOURCE.replace('"archive"', "[1]"), ['[[source]] "voa": kind: give "archive" or "feed" (it says "[1]")']),
        (
            '[[source]]\nkind = "archive"',
            [f"[[source]] number 1: {key}: is missing; give it" for key in ("name", "path")],
        ),
        (
            '[[source]]\nkind = "feed"',
            [f"[[source]] number 1: {key}: is missing; give it" for key in ("name", "url")],
        ),
        (BLOG + SOURCE.replace("voa", "blog"), ['there are two [[source]] tables named "blog"; give each its own']),
        (SOURCE + SOURCE, ['there are two [[source]] tables named "voa"; give each its own']),
        (
            f'{SOURCE}[[feed]]\nname = "a"\n[[feed]]\nname = "a"',
            ['there are two [[feed]] tables named "a"; give each its own'],
        ),
        (
            f'{SOURCE}[[feed]]\nname = "a"\nid = "urn:x"\n[[feed]]\nname = "b"\nid = "urn:x"',
            ['there are two [[feed]] tables with the id "urn:x"; give each its own'],
        ),
        (
            f'{SOURCE}[[feed]]\nname = "a"\nsources = ["boa"]',
            ['feed "a": sources names "boa", but there is no such source; there is: voa'],
        ),
    ],
)
def test_wrong_as_a_whole(write: Write, text: str, said: list[str]) -> None:
    """What is said names the table; one mistake is told once."""
    assert complaints(write(text)) == said


def test_a_path_in_a_circle_of_links_is_refused(write: Write, tmp_path: Path) -> None:
    """It leads nowhere."""
    (tmp_path / "articles").symlink_to(tmp_path / "articles")
    (only,) = complaints(write(SOURCE))
    assert only.startswith('[[source]] "voa": path: cannot be used (')


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    """Who mends a file does not have to ask again after each line."""
    text = f'[site]\ntitel = "x"\n{SOURCE}every = "1"\n[[feed]]\nname = "N"\nlimit = 0'
    assert [line.split(": ")[1] for line in complaints(write(text))] == ["titel", "every", "name", "limit"]


def test_no_file(tmp_path: Path) -> None:
    """The command that is offered instead is one that exists."""
    path = tmp_path / "none.toml"
    assert complaints(path) == [f'no such file; "feedbridge init --config {path}" writes one, --config names another']


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    """It is told apart from a file that cannot be read."""
    assert complaints(tmp_path) == ["is a folder; name the settings file itself"]


def test_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    """The place is named, for editors go there."""
    path = tmp_path / "feeds.toml"
    path.write_bytes(b"# \xff\n")
    assert complaints(path) == ["is not UTF-8 text (byte 2); save it as UTF-8"]


@pytest.mark.parametrize("text", ["x", "a = ", 'a = "', "a = 1\na = 2", "[" * 5000, f"a = {'[' * 5000}"])
def test_text_that_is_no_toml(write: Write, text: str) -> None:
    """One line says so, however deep the nesting."""
    (only,) = complaints(write(text))
    assert only.startswith("is not TOML: ")


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_MODELS = (Site, ArchiveSource, FeedSource, FeedTable, ImageRule, HostRule)
_KEYS = sorted({"x"}.union(*(model.model_fields for model in _MODELS)))
_TABLE = st.dictionaries(st.sampled_from(_KEYS), _JUNK | st.lists(st.dictionaries(st.sampled_from(_KEYS), _JUNK)))
_SOURCE = st.builds(lambda table, kind: {**table, "kind": kind}, _TABLE, st.sampled_from(["archive", "feed"]))
_FOREIGN_WORDS = re.compile(r"input|should|pydantic|give another value", re.IGNORECASE)


@given(
    tables=st.fixed_dictionaries(
        {},
        optional={
            "site": _TABLE | _JUNK,
            "source": st.lists(_SOURCE | _TABLE, max_size=2) | _JUNK,
            "feed": st.lists(_TABLE, max_size=2) | _JUNK,
            "x": _JUNK,
        },
    )
)
def test_whatever_the_tables_hold_is_told_in_plain_words(tables: dict[str, Any]) -> None:
    """Any value of any key is taken or refused, by lines of our own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "_read_toml", lambda _path: json.loads(json.dumps(tables)))
        try:
            settings.load(Path("feeds.toml"), {})
        except SettingsError as error:
            said = [line for line in str(error).split("\n") if line.startswith("feeds.toml: ")]
            assert said
            assert [line for line in said if _FOREIGN_WORDS.search(line.partition(" (it says ")[0])] == []


@given(text=st.text(max_size=200))
def test_any_text_is_settings_or_a_named_error(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing but `SettingsError` comes out."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        settings.load(path, {})


# The schema


def problems(value: object, schema: Mapping[str, Any], root: Mapping[str, Any], at: str = "") -> list[str]:
    """What a value has against a JSON Schema, as far as ours uses the language."""
    if "$ref" in schema:
        return problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema:
        found = [problems(value, one, root, at) for one in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "oneOf" in schema:
        found = [problems(value, one, root, at) for one in schema["oneOf"]]
        return [] if found.count([]) == 1 else [f"{at}: fits {found.count([])} of {len(found)} kinds", *found[0]]
    types = schema.get("type", [])
    known = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    allowed = [known[name] for name in ([types] if isinstance(types, str) else types)]
    if allowed and type(value) not in allowed:
        return [f"{at}: {value!r} is no {types}"]
    said = []
    if "const" in schema and value != schema["const"]:
        said.append(f"{at}: is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        said.append(f"{at}: is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], str(value)):
        said.append(f"{at}: does not match {schema['pattern']}")
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        said.append(f"{at}: is out of bounds")
    if isinstance(value, list):
        said += [one for item in value for one in problems(item, schema.get("items", {}), root, f"{at}[]")]
    if isinstance(value, dict):
        keys = schema.get("properties", {})
        said += [f"{at}: lacks {key}" for key in schema.get("required", []) if key not in value]
        others = schema.get("additionalProperties", True)
        said += [f"{at}: {key} is not in the schema" for key in value if key not in keys and others is False]
        if isinstance(others, dict):
            said += [one for key in value if key not in keys for one in problems(value[key], others, root, at)]
        said += [one for key in value if key in keys for one in problems(value[key], keys[key], root, f"{at}.{key}")]
    return said


def _starters() -> list[str]:
    """The starter without and with its example of a feed, and both of them with each other comment put in force."""
    texts = []
    for text in (starter.text(), _with_feed(starter.text())):
        lines = text.splitlines()
        texts.append(text)
        for number, line in enumerate(lines):
            if re.match(r"# \w+ = ", line):
                texts.append("\n".join([*lines[:number], line.removeprefix("# "), *lines[number + 1 :]]))
    return texts


def _with_feed(text: str) -> str:
    """The same with its example of a feed put in force: the lines where a key follows right after the `#`."""
    return re.sub(r"(?m)^#(?=[\w\[])", "", text)


OURS = (ROOT / "config" / "feedbridge.toml").read_text(encoding="utf-8")
EXAMPLES = [OURS, _with_feed(OURS), *_starters()]


@pytest.mark.parametrize("text", EXAMPLES)
def test_our_own_files_are_right_by_schema_and_loader(write: Write, text: str) -> None:
    """The file that comes with feedbridge and the starter, also with any of its comments put in force."""
    assert problems(tomllib.loads(text), settings.schema(), settings.schema()) == []
    assert settings.load(write(text), {"BLOG_LOGIN": "you:password"}).source


def test_the_starter_offers_more_than_it_sets() -> None:
    """So that the test above has comments to put in force, and an example of a feed."""
    assert len(_starters()) > 20
    assert any(source["kind"] == "feed" for text in _starters() for source in tomllib.loads(text)["source"])


def test_the_schema_knows_every_key_and_no_other() -> None:
    """It is closed, so that an editor marks a misspelt key, and each key says what it is for."""
    schema = settings.schema()
    tables = {**schema["$defs"], "Settings": schema}
    for model in (Settings, *_MODELS):
        table = tables[model.__name__]
        assert set(table["properties"]) == set(model.model_fields)
        assert table["additionalProperties"] is False
        described = table["properties"].items() if model is not Settings else []
        assert [key for key, value in described if not value.get("description")] == []


def test_the_defaults_of_the_schema_are_right_by_the_schema() -> None:
    """An editor may put them in."""
    schema = settings.schema()
    for table in schema["$defs"].values():
        for key, value in table["properties"].items():
            if "default" in value:
                assert problems(value["default"], value, schema, key) == []


def test_no_value_of_the_environment_is_in_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in what it is made from: it needs no settings."""
    monkeypatch.setenv("FEEDBRIDGE_PROXY", f"http://you:{SECRET}@127.0.0.1:3128")
    assert SECRET not in json.dumps(settings.schema())


@pytest.mark.parametrize(
    "text",
    [
        f"titel = 1\n{SOURCE}",
        f'[site]\ntitel = "x"\n{SOURCE}',
        SOURCE + 'glob = "*.md"',
        SOURCE + 'every = "15"',
        SOURCE + '[[feed]]\nname = "N"',
        SOURCE + '[[feed]]\nname = "n"\nlimit = 0',
        SOURCE + '[[feed]]\nname = "n"\nformats = ["atoom"]',
        '[[source]]\nname = "voa"',
        '[[source]]\nname = "voa"\nkind = "rss"\nurl = "https://x.org/"',
        BLOG + 'path = "articles"',
        SOURCE + 'url = "https://x.org/"',
        BLOG + 'timeout = "30"',
        BLOG + "headers = { A = 5 }",
        BLOG + 'allow_private = "nas.local"',
        f"[site]\npause = 1\n{BLOG}",
        f'[[site.host_rule]]\nhost = "x.org"\nbackoff = "site"\n{BLOG}',
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(write: Write, text: str) -> None:
    """As far as a schema can tell."""
    assert problems(tomllib.loads(text), settings.schema(), settings.schema())
    assert complaints(write(text))


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    """It is kept in the store, and compared by later runs."""
    assert settings.digest({"a": 1, "b": "ö"}) == settings.digest({"b": "ö", "a": 1})
    assert settings.digest({"a": 1}) == "f9d86028c6e0d64e225186f96acb6933"
