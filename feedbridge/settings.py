"""The settings: a TOML file and a few environment variables, read into values that need no second look.

Unknown keys and bad values are refused; each complaint names the file, the key and what would be right.
Relative paths count from the settings file.
"""

import difflib
import hashlib
import json
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from feedbridge import defaults
from feedbridge.errors import SettingsError
from feedbridge.policies import MIRROR, Chain, Policy, parse_chain
from feedbridge.reach import Allowance, parse_allowance

_DURATION = re.compile(r"(?P<count>\d{1,9})\s*(?P<unit>[smhdwy])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LONGEST_SECONDS = 100 * _UNIT_SECONDS["y"]
_SIZE = re.compile(r"(?P<count>\d{1,12})\s*(?P<unit>B|KiB|MiB|GiB)?")
_SIZE_BYTES = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NAME_BYTES, _PATH_BYTES = 255, 4000
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_IRI = re.compile(r"(?:https?://[^/?#]|(?!https?:)[a-z][a-z0-9+.-]*:.)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OWN_HEADERS = frozenset(("accept-encoding", "connection", "content-length", "host", "if-modified-since"))
_OWN_HEADERS |= {"if-none-match", "referer", "te", "trailer", "transfer-encoding", "upgrade"}
STATUS_TOKEN = re.compile(r"[A-Za-z0-9._~-]{20,200}")
"""What a token of the owner's pages looks like: it can stand in an address as it is."""
_FILE = "sqlite:///"
_BUCKET = re.compile(r"(?:s3|gs|az)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](?:/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)*/?")
_OUT_OF_LINE = {"Cc", "Cn", "Cs", "Zl", "Zp"}
"""Categories of characters that no title holds: controls, line ends, and what is no character."""


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("feedbridge", "{message}", {"message": message})


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or int(match["count"]) == 0:
        raise _refuse('give a time with its unit, such as "90s", "15m", "2h", "1d" or "1w"')
    seconds = int(match["count"]) * _UNIT_SECONDS[match["unit"]]
    if seconds > _LONGEST_SECONDS:
        raise _refuse("this time is longer than a hundred years; give a shorter one")
    return timedelta(seconds=seconds)


def _pause(value: object) -> timedelta:
    return timedelta() if isinstance(value, str) and value.strip() == "0s" else _duration(value)


def _every(value: object) -> object:
    if value == "adaptive":
        return value
    if not isinstance(value, (str, timedelta)) or (isinstance(value, str) and not _DURATION.fullmatch(value.strip())):
        raise _refuse('give a time with its unit, such as "90s", "15m", "2h" or "1d", or "adaptive"')
    return _duration(value)


def _keep(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    try:
        return _duration(value)
    except PydanticCustomError as error:
        raise _refuse('give a time, such as "2y" or "90d", or a number of entries above 0') from error


def _cron(value: str) -> str:
    from feedbridge import schedule

    try:
        schedule.next_by_cron(value, "UTC", after=datetime(2000, 1, 1, tzinfo=UTC))
    except ValueError as error:
        if "no turn" in str(error):
            raise _refuse("names a day that never comes; mend the day or the month") from error
        raise _refuse(
            'give five fields (minute, hour, day, month, weekday), such as "*/15 6-22 * * *" or "0 6 * * mon"'
        ) from error
    return value


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host.replace(":", " ")
    if not colon or not host or " " in host or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65_535:
        raise _refuse('give an address and a port, such as "127.0.0.1:8000", "0.0.0.0:8000" or "[::1]:8000"')
    return value


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or int(match["count"]) == 0:
        raise _refuse('give a number of bytes above 0, or a text with its unit, such as "512KiB" or "4MiB"')
    return int(match["count"]) * _SIZE_BYTES[match["unit"]]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _refuse('give the name of a time zone, such as "UTC" or "Asia/Shanghai"') from error
    return name


def _chain(value: object) -> Chain:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, tuple) and all(isinstance(policy, Policy) for policy in texts):
        return texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _refuse("give a policy as text, or a list of them, the first that works is used")
    try:
        return parse_chain(texts)
    except ValueError as error:
        raise _refuse(str(error)) from error


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _refuse('give a whole address that begins with "http://" or "https://"')
    if not _ADDRESS.fullmatch(value):
        raise _refuse('write it in ASCII: a host as "xn--…", spaces and other signs as "%20" and the like')
    return value


def _allowance(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise _refuse('give a list, such as ["nas.local", "10.0.0.0/8"]')
    try:
        return parse_allowance(value)
    except ValueError as error:
        raise _refuse(str(error)) from error


def _from_environment(value: str, info: ValidationInfo) -> str:
    """The value with each `${NAME}` replaced by that environment variable, so that no secret stands in the file."""

    def variable(match: re.Match[str]) -> str:
        environ = (info.context or {}).get("environ", {})
        if not environ.get(match[1]):
            raise _refuse(f"the environment variable {match[1]} is not set; set it, or leave this key out")
        return str(environ[match[1]])

    return _VARIABLE.sub(variable, value)


def _secret_address(value: object, info: ValidationInfo) -> object:
    return _from_environment(value, info) if isinstance(value, str) else value


def _proxy(value: str) -> str:
    parts = urlsplit(_address(value))
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise _refuse('give the address of an HTTP proxy and nothing else, such as "http://127.0.0.1:3128"')
    return value


def _login(value: str) -> str:
    if ":" not in value or not value.isprintable():
        raise _refuse('give a user name and a password with ":" between, such as "${NEWS_LOGIN}"')
    return value


def _status_token(value: str) -> str:
    if not STATUS_TOKEN.fullmatch(value):
        raise _refuse(
            'give 20 to 200 letters, digits, "-", ".", "_" or "~" that nobody guesses, such as "${STATUS_TOKEN}"'
        )
    return value


def _headers(values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
            raise _refuse(f'"{name}" is no name of a header; give one such as "Authorization"')
        if name.lower() in _OWN_HEADERS:
            raise _refuse(f'"{name}" is a header that feedbridge sets itself; leave it out')
        if not value.isascii() or not value.isprintable():
            raise _refuse(f'the value of "{name}" holds what a header cannot; give printable ASCII')
    _refuse_repeated([name.lower() for name in values])
    return values


def _refuse_repeated(values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise _refuse(f'names "{value}" twice; once is enough')


def _iri(value: str) -> str:
    if not _IRI.match(value) or not _ADDRESS.fullmatch(value) or re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise _refuse('give an absolute IRI, such as "urn:uuid:…" or "tag:example.org,2026:news"')
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise _refuse('give the name of a host and nothing else, such as "images.example.org"')
    return value.lower()


def _host_pattern(value: str) -> str:
    if not re.fullmatch(r"(\*\.)?[^\s/:@?#*]+", value):
        raise _refuse('give the name of a host, such as "example.org", or "*.example.org" for its subdomains')
    return value


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    _refuse_repeated(values)
    return values


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise _refuse("give a path as text")
    folder = (info.context or {}).get("folder", Path())
    try:
        path = Path(folder, Path(value).expanduser()).resolve()
    except (OSError, RuntimeError) as error:
        raise _refuse(f"cannot be used ({getattr(error, 'strerror', None) or error}); give another path") from error
    if len(bytes(path)) > _PATH_BYTES or any(len(part.encode(errors="replace")) > _NAME_BYTES for part in path.parts):
        raise _refuse("is longer than a file system takes; give a shorter path")
    return path


def _place(value: object, info: ValidationInfo) -> Path | str:
    if not isinstance(value, str) or "://" not in value:
        return _path(value, info)
    if not _BUCKET.fullmatch(value):
        raise _refuse('give a folder, or a bucket such as "s3://bucket/feeds", "gs://bucket" or "az://container"')
    if find_spec("obstore") is None:
        raise _refuse("a bucket needs the extra: pip install 'feedbridge[s3]'; or name a folder")
    return value.rstrip("/")


def _is_in(place: Path | str, other: Path | str) -> bool:
    """Whether a folder or bucket is another, or lies in it."""
    if isinstance(place, Path) and isinstance(other, Path):
        return place == other or other in place.parents
    return f"{place}/".startswith(f"{other}/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _server(address: str) -> str:
    """The address of a database of PostgreSQL, as SQLAlchemy wants it."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"postgresql", "postgresql+psycopg"} and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"/[^/]+", parts.path) or not address.isprintable():
        raise _refuse('give a whole address, such as "postgresql+psycopg://USER:PASSWORD@HOST/NAME"')
    return f"postgresql+psycopg{address.removeprefix(parts.scheme)}"


def _language(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}", value):
        raise _refuse('give a language tag, such as "zh-Hans", "zh-TW" or "en" (BCP 47)')
    return value


def _words(value: str) -> str:
    if not value.strip():
        raise _refuse("give at least one letter, or leave it out")
    if any(unicodedata.category(letter) in _OUT_OF_LINE for letter in value):
        raise _refuse("give one line, without control characters")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(lambda value: f"{int(value.total_seconds())}s"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*[smhdwy]$", "examples": ["15m"]}),
]
Pause = Annotated[
    timedelta,
    BeforeValidator(_pause),
    PlainSerializer(lambda value: f"{int(value.total_seconds())}s"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*[smhdwy]$", "examples": ["1s", "0s"]}),
]
Every = Annotated[
    timedelta | Literal["adaptive"],
    BeforeValidator(_every),
    PlainSerializer(lambda value: value if isinstance(value, str) else f"{int(value.total_seconds())}s"),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+\s*[smhdwy]|adaptive)$", "examples": ["15m", "adaptive"]}),
]
Keep = Annotated[
    timedelta | int,
    BeforeValidator(_keep),
    PlainSerializer(lambda value: value if isinstance(value, int) else f"{int(value.total_seconds())}s"),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["2y", 500]}),
]
Cron = Annotated[str, AfterValidator(_cron)]
Listen = Annotated[str, AfterValidator(_listen)]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": ["integer", "string"], "examples": [4_194_304, "4MiB"]}),
]
Zone = Annotated[str, AfterValidator(_zone)]
ImagePolicy = Annotated[
    Chain,
    BeforeValidator(_chain),
    PlainSerializer(lambda chain: [str(policy) for policy in chain]),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "examples": ["origin", "serve", "mirror", ["origin", "https://wsrv.nl/?url=${href_ue}", "keep"]],
        }
    ),
]
Address = Annotated[str, AfterValidator(_address)]
Proxy = Annotated[str, BeforeValidator(_secret_address), AfterValidator(_proxy)]
Secret = Annotated[str, AfterValidator(_from_environment)]
Login = Annotated[Secret, AfterValidator(_login)]
StatusToken = Annotated[Secret, AfterValidator(_status_token)]
Headers = Annotated[dict[str, Secret], AfterValidator(_headers)]
Reach = Annotated[
    Allowance,
    BeforeValidator(_allowance),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "examples": [["nas.local", "10.0.0.0/8"]]}),
]
Location = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
Place = Annotated[Path | str, BeforeValidator(_place), WithJsonSchema({"type": "string"})]
Endpoint = Annotated[Secret, AfterValidator(_address)]
Language = Annotated[str, AfterValidator(_language)]
Iri = Annotated[str, AfterValidator(_iri)]
Host = Annotated[str, AfterValidator(_host)]
HostPattern = Annotated[str, AfterValidator(_host_pattern)]
Pages = Literal["none", "feed", "archives", "entries"]
Words = Annotated[str, Field(max_length=500), AfterValidator(_words)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, arbitrary_types_allowed=True)


class ImageRule(_Table):
    """A picture policy for one host."""

    host: HostPattern = Field(
        description='The host of the picture\'s own address: itself and its subdomains; "*.example.org": only those.'
    )
    images: ImagePolicy = Field(description="The policy for its pictures.")


class _WithImages(_Table):
    images: ImagePolicy | None = Field(
        default=None,
        description=(
            'What address a picture gets: "keep" (as the source had it), "origin" (its own host), "serve" (through our '
            'own server), "mirror" (a copy beside the feeds), "drop", or a template such as '
            '"https://wsrv.nl/?url=${href_ue}"; a list of them is a chain, of which the first that works is used. '
            'The nearest wins: feed, source, site; else "keep".'
        ),
    )
    image_rule: tuple[ImageRule, ...] = Field(
        default=(),
        description="Policies by host, asked before `images` of the same table; the first match wins.",
    )


class HostRule(_Table):
    """How one host is to be treated."""

    host: HostPattern = Field(
        description='The host that is asked: itself and its subdomains; "*.example.org": only those.'
    )
    pause: Pause | None = Field(default=None, description="Between two requests to it. Left out: the site's.")
    backoff: Literal["host", "source"] = Field(
        default="host",
        description='Who waits when it says "Retry-After": every source on that "host", or that "source" alone.',
    )


class Storage(_Table):
    """How a bucket is reached; what is left out is taken from the environment."""

    endpoint: Endpoint | None = Field(
        default=None, description="The address of a server that speaks as S3 does. Left out: Amazon's."
    )
    region: Words | None = Field(default=None, description="Left out: AWS_REGION, else us-east-1.")
    access_key: Secret | None = Field(
        default=None, repr=False, description="Of S3: such as `${NAME}`, an environment variable."
    )
    secret_key: Secret | None = Field(
        default=None, repr=False, description="Of S3: such as `${NAME}`, an environment variable."
    )
    allow_http: bool = Field(
        default=False, strict=True, description="Whether the endpoint may be `http://` though it is another machine."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30), description="For one request; as long again may pass with tries of it."
    )

    @model_validator(mode="after")
    def _not_in_the_open(self) -> Self:
        host = urlsplit(self.endpoint or "").hostname or ""
        if self.is_open and not self.allow_http and not _is_loopback(host):
            raise _refuse('endpoint: give "https://", or say allow_http = true')
        return self

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise _refuse("access_key and secret_key go together; give both, or leave both to the environment")
        return self

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is reached without encryption."""
        return self.endpoint is not None and self.endpoint.startswith("http://")


class OutputStorage(Storage):
    """How a bucket is reached, and documents are kept there, where `output` names one."""

    max_age: Duration = Field(
        default=timedelta(minutes=5),
        description="How long caches may keep a document; one of the archive, which seldom changes, an hour or longer.",
    )
    compress: bool = Field(default=True, strict=True, description="Whether documents are stored as gzip.")


class Site(_WithImages):
    """The whole installation."""

    title: Words = Field(default="feedbridge", description="The name of the site.")
    base_url: Address = Field(default="http://127.0.0.1:8000/", description="Where readers find the published files.")
    output: Place = Field(
        default=Path("public"),
        validate_default=True,
        description=(
            "The folder that the files are written to; or a bucket, `s3://BUCKET/PREFIX`, `gs://…` or `az://…`"
            " (with the extra `s3`)."
        ),
    )
    storage: OutputStorage = Field(default=OutputStorage(), description="How a bucket is reached.")
    store: str = Field(
        default=defaults.STORE,
        validate_default=True,
        repr=False,
        description=(
            "The database: `sqlite:///` and a path, or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`, in which"
            " `${NAME}` is an environment variable."
        ),
    )
    engine: Literal["local", "procrastinate"] = Field(
        default="local",
        description=(
            "Who refreshes what is due: `local`, `run` itself; `procrastinate`, any number of processes of"
            " `feedbridge worker`, on any machines, by way of a store in PostgreSQL."
        ),
    )
    state: Location | None = Field(
        default=None,
        validate_default=True,
        description=(
            "The folder for what stands beside the database: the key and the cache of pictures that are served."
            " Left out: that of the SQLite file, else `var`."
        ),
    )
    language: Language | None = Field(
        default=None, description="Language of articles whose source names none (BCP 47)."
    )
    author: Words | None = Field(
        default=None, description="Author of entries that have none. Left out: the site's title."
    )
    listen: Listen = Field(default="127.0.0.1:8000", description="Where `run` and `serve` listen: address and port.")
    hub: Address | None = Field(
        default=None, description="A WebSub hub; feeds name it, and it is told when one of them changes."
    )
    contact: Words | None = Field(
        default=None,
        description="Where those whose sites are read can reach you; it is told to each. Left out: `base_url`.",
    )
    pause: Pause = Field(
        default=timedelta(seconds=1), description="Between two requests to one host; they are made one at a time."
    )
    host_rule: tuple[HostRule, ...] = Field(default=(), description="Rules by host; the first match wins.")
    proxy: Proxy | None = Field(
        default=None,
        repr=False,
        description="An HTTP proxy that sites are read through. `${NAME}` is an environment variable.",
    )
    pages: bool = Field(default=True, description="Whether pages for browsers are written beside the feeds.")
    theme: Location | None = Field(
        default=None, description="A folder of templates that stand in for the built-in ones of the same name."
    )
    robots: Literal["index", "noindex"] = Field(
        default="noindex",
        description='Whether search engines may list the pages: "index" (with a sitemap) or "noindex".',
    )
    status: Literal["off", "loopback", "token"] = Field(
        default="off",
        description=(
            'Who may see the owner\'s pages, /status/, of the daemon: nobody ("off"), who is on this machine'
            ' ("loopback"), or who has the token ("token").'
        ),
    )
    status_token: StatusToken | None = Field(
        default=None,
        repr=False,
        description=(
            "The token of the owner's pages; `${NAME}` is an environment variable. Left out: one is made, in the file"
            " `status-token` in the folder `state`."
        ),
    )

    @field_validator("base_url")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        if "?" in value or "#" in value:
            raise _refuse('give an address without "?" and "#", such as "https://feeds.example.org/"')
        return value if value.endswith("/") else value + "/"

    @field_validator("store")
    @classmethod
    def _absolute_store(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("postgresql"):
            return _server(_from_environment(value, info))
        path = value.removeprefix(_FILE)
        if path == value or not path or "\0" in path:
            raise _refuse(
                'give "sqlite:///" and a path, such as "sqlite:///../var/feedbridge.db",'
                " or the address of a database of PostgreSQL"
            )
        return f"{_FILE}{_path(path, info)}"

    @field_validator("engine")
    @classmethod
    def _has_its_server(cls, value: str, info: ValidationInfo) -> str:
        if value == "procrastinate" and info.data.get("store", "").startswith(_FILE):
            raise _refuse(
                'procrastinate takes a store that processes can share; give `store` as "postgresql+psycopg://…",'
                ' or say engine = "local"'
            )
        if value == "procrastinate" and find_spec("procrastinate") is None:
            raise _refuse(
                "procrastinate needs the extra: pip install 'feedbridge[postgres]'; or say engine = \"local\""
            )
        return value

    @field_validator("state", mode="before")
    @classmethod
    def _beside_the_store(cls, value: object, info: ValidationInfo) -> object:
        store = info.data.get("store", "")
        beside = Path(store.removeprefix(_FILE)).parent if store.startswith(_FILE) else "var"
        return beside if value is None else value

    @model_validator(mode="after")
    def _token_unpublished(self) -> Self:
        keeps_token = self.status == "token" and self.status_token is None
        if keeps_token and self.output in (self.state_folder, *self.state_folder.parents):
            raise _refuse(
                "state: lies in the folder that is published, where the token of `status` must not be;"
                " name another `state`"
            )
        return self

    @property
    def output_folder(self) -> Path | None:
        """The folder that files are written to, absolute; None where they go to a bucket."""
        return self.output if isinstance(self.output, Path) else None

    @property
    def state_folder(self) -> Path:
        """Where what stands beside the database is, absolute."""
        assert self.state is not None
        return self.state

    @property
    def store_is_file(self) -> bool:
        """Whether the database is a file, and not on a server."""
        return self.store.startswith(_FILE)

    @property
    def store_path(self) -> Path:
        """The database file, absolute; only where the store is one."""
        return Path(self.store.removeprefix(_FILE))


class Pictures(_Table):
    """How pictures are fetched, where a policy says `serve` or `mirror`, or a chain is to find out what works."""

    timeout: Duration = Field(default=timedelta(seconds=20), description="For fetching a picture, redirects and all.")
    max_bytes: Size = Field(default=20 * 2**20, description="Larger pictures are not taken.")
    allow_private: Reach = Field(
        default=Allowance(),
        description="Hosts and networks that pictures may come from though they are not on the public web.",
    )
    proxy: Proxy | None = Field(
        default=None,
        repr=False,
        description="An HTTP proxy that pictures are fetched through. Left out: the site's.",
    )
    referers: Location | None = Field(
        default=None, description="A TOML file with what is sent as Referer, by host; it goes before what is built in."
    )
    width: Annotated[int, Field(ge=16, le=16_384)] | None = Field(
        default=None, description="In pixels: wider pictures are made so wide (with the extra `images`)."
    )
    webp: bool = Field(default=False, description="Pictures become WebP where that is smaller (the same extra).")
    cache: Size = Field(default=2**30, description="`serve`: the disk cache, in bytes, beside the store.")
    keep_links: Duration = Field(
        default=timedelta(days=90), description="`serve`: addresses stay good so long after the key was replaced."
    )
    quota: Size | None = Field(
        default=None,
        description="`mirror`: all copies together, in bytes; what a feed still shows is never removed for it.",
    )
    keep: Duration = Field(
        default=timedelta(days=30), description="`mirror`: copies that no feed shows any more are removed after this."
    )
    check: Duration = Field(
        default=timedelta(minutes=10),
        description="Chains: every host whose pictures are shown is asked for one of them this often, at least 1m.",
    )

    @field_validator("check")
    @classmethod
    def _not_too_often(cls, value: timedelta) -> timedelta:
        if value < timedelta(minutes=1):
            raise _refuse('give "1m" or more: no host is asked more often')
        return value

    @model_validator(mode="after")
    def _can_shape(self) -> Self:
        if (self.width is not None or self.webp) and find_spec("PIL") is None:
            raise _refuse("width and webp need the extra: pip install 'feedbridge[images]'; or leave both out")
        return self


class _AnySource(_WithImages):
    """What every kind of source has."""

    name: Words = Field(description="Names the source in reports and in `sources` of feeds; never shown to readers.")
    every: Every = Field(
        default=timedelta(minutes=15),
        description='How often to look: a number and "s", "m", "h", "d", "w" or "y"; or "adaptive", by its history.',
    )
    cron: Cron | None = Field(
        default=None, description='When to look, instead of `every`: a cron line, such as "*/15 6-22 * * *".'
    )
    cron_timezone: Zone | None = Field(default=None, description="Zone of `cron`. Left out: `timezone`.")
    min: Duration = Field(default=timedelta(minutes=5), description='With "adaptive": no more often than this.')
    max: Duration = Field(default=timedelta(days=1), description='With "adaptive": no more seldom than this.')
    jitter: Duration | None = Field(default=None, description="Up to so much later, by chance. Left out: none.")
    timezone: Zone = Field(default="UTC", description="Zone of dates that name none.")
    title: Words | None = Field(
        default=None, description="What readers see as the source's name. Left out: what it calls itself, else `name`."
    )
    link: Address | None = Field(
        default=None, description="The source's home page. Left out: the one that it names itself."
    )
    language: Language | None = Field(
        default=None, description="Language of its articles (BCP 47). Left out: the one that it names itself."
    )
    author: Words | None = Field(default=None, description="Author of its articles that name none.")
    remove: tuple[str, ...] = Field(
        default=(), description="CSS selectors of elements to take out of the articles' text."
    )
    remove_text: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Texts to take out, such as a mirror's advert."
    )
    image_proxy_hosts: tuple[Host, ...] = Field(
        default=(), description="Hosts that are picture proxies with the address in `url=`, `src=` or `u=`."
    )

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if self.cron is not None and "every" in self.model_fields_set:
            raise _refuse("every and cron are two rhythms; leave one of the two out")
        if self.min > self.max:
            raise _refuse("min is longer than max; make it shorter")
        return self

    @field_validator("remove")
    @classmethod
    def _selectors(cls, selectors: tuple[str, ...]) -> tuple[str, ...]:
        if not selectors:
            return selectors
        from selectolax.lexbor import LexborHTMLParser, SelectolaxError

        for selector in selectors:
            try:
                LexborHTMLParser("<p>").css(selector)
            except SelectolaxError as error:
                raise _refuse(f'"{selector}" is no CSS selector; give one such as ".share" or "#ad"') from error
        return selectors

    def shape(self) -> str:
        """A digest of the settings that shape what is read; when it moves, everything is read again."""
        return digest(self.model_dump(mode="json", include={"timezone", "remove", "remove_text", "image_proxy_hosts"}))


class ArchiveSource(_AnySource):
    """A folder of saved articles, or a place in a bucket that holds them."""

    kind: Literal["archive"] = Field(description='What it is: "archive", a folder of saved articles.')
    path: Place = Field(
        description="The folder; or a bucket, `s3://BUCKET/PREFIX`, `gs://…` or `az://…` (with the extra `s3`)."
    )
    storage: Storage = Field(default=Storage(), description="How a bucket is reached.")
    names_by_time: bool = Field(
        default=False,
        strict=True,
        description="Of a bucket: whether names sort by time, so that looking at the last ones finds what is new.",
    )
    glob: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("**/*.md", "**/*.txt", "**/*.html"),
        min_length=1,
        description="Which files, relative to the folder; `**` crosses folders. Names with a leading dot are left out.",
    )
    folder_as: Literal["category", "author"] | None = Field(
        default=None, description='Makes the name of an article\'s folder its "category" or its "author".'
    )
    max_file_bytes: Size = Field(default=4 * 2**20, description='Longer files are refused; bytes, or "4MiB".')

    @property
    def folder(self) -> Path | None:
        """The folder, absolute; None where it is a bucket."""
        return self.path if isinstance(self.path, Path) else None

    @field_validator("glob")
    @classmethod
    def _relative_globs(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise _refuse(f'"{pattern}" leads out of the folder; give a glob such as "**/*.md"')
        return patterns

    def shape(self) -> str:
        keys = {"timezone", "folder_as", "remove", "remove_text", "image_proxy_hosts"}
        return digest(self.model_dump(mode="json", include=keys))


class FeedSource(_AnySource):
    """Somebody else's feed."""

    kind: Literal["feed"] = Field(description='What it is: "feed", somebody else\'s RSS, Atom or JSON Feed.')
    url: Address = Field(description="Its address, or that of a page that names its feed.")
    every: Every = Field(
        default=timedelta(minutes=30),
        description=(
            "How often to ask, unless the site wishes to be asked less often: a number and"
            ' "s", "m", "h", "d", "w" or "y"; or "adaptive", by its history.'
        ),
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30), description="For the whole answer, from the connection on."
    )
    max_bytes: Size = Field(default=10 * 2**20, description='A longer answer is refused; bytes, or "10MiB".')
    max_decoded_bytes: Size = Field(default=50 * 2**20, description="The same once it is unpacked.")
    allow_private: Reach = Field(
        default=Allowance(),
        description=(
            "Hosts, `host:port` and networks that may be reached although they are not on the public web or at another"
            ' port than 80 and 443, such as ["nas.local", "10.0.0.0/8"].'
        ),
    )
    headers: Headers = Field(
        default_factory=dict,
        repr=False,
        description='Headers to send, such as {X-Key = "${NEWS_KEY}"}; `${NAME}` is an environment variable.',
    )
    login: Login | None = Field(
        default=None,
        repr=False,
        description='User name and password for the site, such as "${NEWS_LOGIN}", which is "user:password".',
    )
    proxy: Proxy | None = Field(
        default=None, repr=False, description="An HTTP proxy to read it through. Left out: the site's."
    )


Source = ArchiveSource | FeedSource


class FeedTable(_WithImages):
    """A feed, or with `by` a family of feeds."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$",
        description='Names its files, `feeds/NAME.atom`: lower-case letters, digits, "-" and "_".',
    )
    title: Words | None = Field(default=None, description="Left out: the site's title.")
    subtitle: Words | None = Field(default=None, description="One line that says what is in it.")
    link: Address | None = Field(default=None, description="The page it belongs to. Left out: `base_url`.")
    language: Language | None = Field(default=None, description="Its language (BCP 47). Left out: the site's.")
    author: Words | None = Field(default=None, description="Author of entries that have none. Left out: the site's.")
    rights: Words | None = Field(default=None, description="A line about rights.")
    icon: Address | None = Field(default=None, description="Address of its picture.")
    id: Iri | None = Field(
        default=None,
        description="Its id, an absolute IRI, where it must stay that of another program's feed. Left out: made once.",
    )
    sources: Annotated[tuple[str, ...], AfterValidator(_each_once)] | None = Field(
        default=None, min_length=1, description="Names of sources. Left out: all."
    )
    by: Literal["category", "author", "source"] | None = Field(
        default=None, description='One feed for each "category", "author" or "source" instead of one for all.'
    )
    formats: Annotated[tuple[Literal["atom", "rss", "json"], ...], AfterValidator(_each_once)] = Field(
        default=("atom", "rss", "json"), min_length=1, description="What to write."
    )
    limit: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=50, strict=True, description="Entries in the subscription document, at most."
    )
    max_bytes: Size = Field(default=2**20, description='Size of the subscription document, at most; bytes, or "1MiB".')
    archives: bool = Field(
        default=True, strict=True, description="Whether older entries are kept in archive documents (RFC 5005)."
    )

    pages: Pages = Field(
        default="feed",
        description=(
            'Which pages for browsers: "none"; "feed", one with the newest entries; "archives", one for each archive'
            ' document, too; "entries", and one for each entry.'
        ),
    )
    keep: Keep | None = Field(
        default=None,
        description=(
            "With `archives = false`: entries that are older, or beyond so many, are dropped for good. Left out: never."
        ),
    )

    @model_validator(mode="after")
    def _keep_without_archives(self) -> "FeedTable":
        if self.keep is not None and self.archives:
            raise _refuse("keep drops old entries and archives keeps them; say archives = false, or leave keep out")
        return self

    @model_validator(mode="after")
    def _one_id_each(self) -> "FeedTable":
        if self.id and self.by:
            raise _refuse("id is for one feed, and by makes several; leave one of the two out")
        return self


class Settings(_Table):
    """All settings of one file."""

    site: Site = Field(default_factory=Site)
    pictures: Pictures = Field(default_factory=Pictures)
    source: tuple[Annotated[Source, Field(discriminator="kind")], ...] = Field(
        min_length=1, description="What is read."
    )
    feed: tuple[FeedTable, ...] = Field(
        default=(FeedTable(name="news"),),
        min_length=1,
        description="What is written. Left out: one feed, `news`.",
    )

    @model_validator(mode="after")
    def _names(self) -> "Settings":
        known = [source.name for source in self.source]
        _refuse_twice("source", "named", known)
        _refuse_twice("feed", "named", [feed.name for feed in self.feed])
        _refuse_twice("feed", "with the id", [feed.id for feed in self.feed if feed.id])
        for feed in self.feed:
            for name in feed.sources or ():
                if name not in known:
                    raise _refuse(
                        f'feed "{feed.name}": sources names "{name}", but there is no such source;'
                        f" there is: {', '.join(known)}"
                    )
        return self

    @model_validator(mode="after")
    def _articles_apart(self) -> "Settings":
        for source in self.source:
            if not isinstance(source, ArchiveSource):
                continue
            is_inside = _is_in(source.path, self.site.output)
            holds = source.folder is None and _is_in(self.site.output, source.path)  # in a folder, it is left out
            if is_inside or holds:
                raise _refuse(
                    f'[[source]] "{source.name}": path {"lies in" if is_inside else "holds"} the folder that feeds are'
                    " written to; name another `path`, or another `output` in [site]"
                )
        return self

    @model_validator(mode="after")
    def _copies_in_a_folder(self) -> "Settings":
        if self.site.output_folder is None and self.uses(MIRROR):
            raise _refuse(
                'images: "mirror" puts copies into a folder, and output is a bucket; give "serve" or another policy'
            )
        return self

    def uses(self, word: str) -> bool:
        """Whether a picture policy, or a part of a chain, is this word."""
        return any(policy.text == word for chain in self._chains() for policy in chain)

    @property
    def looks_for_pictures(self) -> bool:
        """Whether what is shown depends on which pictures are found, or copied."""
        return self.uses(MIRROR) or any(len(chain) > 1 for chain in self._chains())

    def _chains(self) -> Iterator[Chain]:
        for level in (self.site, *self.source, *self.feed):
            yield from (rule.images for rule in level.image_rule)
            if level.images:
                yield level.images

    def pages_of(self, feed: FeedTable) -> Pages:
        """Which pages a feed has."""
        return feed.pages if self.site.pages else "none"

    def sources_of(self, feed: FeedTable) -> tuple[Source, ...]:
        """The sources that a feed shows, in the order of the feed's own list."""
        if feed.sources is None:
            return self.source
        by_name = {source.name: source for source in self.source}
        return tuple(by_name[name] for name in feed.sources)


def _refuse_twice(kind: str, how: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise _refuse(f'there are two [[{kind}]] tables {how} "{name}"; give each its own')


def digest(value: object) -> str:
    """A short hex digest of a JSON value, the same in every run."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        path: The TOML file.
        environ: The environment; `FEEDBRIDGE_TITLE` and the like override the keys of `[site]`.

    Raises:
        SettingsError: One line for each complaint, with file, key and mend.
    """
    tables = _read_toml(path)
    site = tables.setdefault("site", {})
    overridden = dict(_overrides(environ))
    if isinstance(site, dict):
        site.update({key: value for key, (_, value) in overridden.items()})
    try:
        return Settings.model_validate(tables, context={"folder": path.absolute().parent, "environ": environ})
    except ValidationError as error:
        names = {key: name for key, (name, _) in overridden.items()}
        lines = [_complaint(path, tables, names, one) for one in error.errors() if not _is_echo(one)]
        raise SettingsError("\n".join(dict.fromkeys(lines))) from error


def site_by_environment(environ: Mapping[str, str]) -> Site:
    """The site as the environment alone describes it, for who has no settings file yet.

    Raises:
        SettingsError: One line for each variable that cannot be used.
    """
    overridden = dict(_overrides(environ))
    try:
        return Site.model_validate({key: value for key, (_, value) in overridden.items()}, context={"environ": environ})
    except ValidationError as error:
        lines = [f"{overridden[str(one['loc'][0])][0]}: {_message(one)}" for one in error.errors()]
        raise SettingsError("\n".join(dict.fromkeys(lines))) from error


def environment_names() -> tuple[str, ...]:
    """The environment variables that override `[site]`."""
    tables = {"storage", "image_rule", "host_rule"}
    return tuple(f"{defaults.PREFIX}{key.upper()}" for key in Site.model_fields if key not in tables)


def strangers(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look like ours and are none, such as a misspelt one."""
    known = {*environment_names(), f"{defaults.PREFIX}CONFIG"}
    return tuple(name for name in environ if name.startswith(defaults.PREFIX) and name not in known)


def schema() -> dict[str, Any]:
    """The JSON Schema of the settings file, for editors."""
    tables = Settings.model_json_schema(schema_generator=_Schema)
    return {"$schema": _Schema.schema_dialect, **tables}


class _Schema(GenerateJsonSchema):
    """Gives defaults as one would write them in the file."""

    def encode_default(self, dft: Any) -> Any:
        match dft:
            case timedelta():
                return f"{int(dft.total_seconds())}s"
            case Allowance():
                return []
            case _:
                return super().encode_default(dft)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(
            f'{path}: no such file; "feedbridge init --config {path}" writes one, --config names another'
        ) from error
    except IsADirectoryError as error:
        raise SettingsError(f"{path}: is a folder; name the settings file itself") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); mend that, or name another file") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for name in environment_names():
        if name in environ:
            yield name.removeprefix(defaults.PREFIX).lower(), (name, environ[name])


def _complaint(path: Path, tables: Mapping[str, Any], variables: Mapping[str, str], details: ErrorDetails) -> str:
    location = details["loc"]
    if location[:1] == ("site",) and len(location) > 1 and location[1] in variables:
        return f"{variables[str(location[1])]}: {_message(details)}"
    return f"{path}: {_key(tables, location)}{_message(details)}"


_HEADINGS: dict[int | str, str] = {
    "site": "[site]",
    "pictures": "[pictures]",
    "source": "[[source]]",
    "feed": "[[feed]]",
}


def _key(tables: Mapping[str, Any], location: tuple[int | str, ...]) -> str:
    """The place of a complaint as a person would say it: `[[source]] "voa": glob: `."""
    if not location:
        return ""
    words: list[str] = []
    here: Any = tables
    for step in _without_kind(location):
        here = here.get(step) if isinstance(here, dict) else _item(here, step)
        if isinstance(step, int):
            name = here.get("name") if isinstance(here, dict) else None
            words[-1] += f" {_shown(name)}" if isinstance(name, str) else f" number {step + 1}"
        elif not words and step in _HEADINGS:
            words.append(_HEADINGS[step])
        else:
            words.append(step)
    return ": ".join(words) + ": "


def _without_kind(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place as it stands in the file, without the kind of source that pydantic puts in."""
    is_source = location[:1] == ("source",) and len(location) > 2
    return location[:2] + location[3:] if is_source else location


def _item(here: object, step: int | str) -> object:
    if isinstance(here, (list, tuple)) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


def _is_echo(details: ErrorDetails) -> bool:
    """Whether a list is only called too short because all that stands in it was refused already."""
    return details["type"] == "too_short" and bool(details["input"])


_PLAIN_WORDS = {
    "bool_parsing": "give true or false",
    "bool_type": "give true or false, without quotes",
    "dict_type": 'give a table, such as {{X-Key = "${{NEWS_KEY}}"}}',
    "greater_than_equal": "give {ge} or more",
    "int_type": "give a whole number, without quotes",
    "less_than_equal": "give {le} or less",
    "literal_error": "give {expected}",
    "missing": "is missing; give it",
    "model_type": "give a table with keys",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "give at least one character",
    "string_type": "give text, in quotes",
    "string_unicode": "give text that can be written as UTF-8",
    "too_short": "give at least one, or leave it out",
    "tuple_type": 'give a list, such as ["…"]',
}


_SECRETS = frozenset(("access_key", "headers", "login", "proxy", "secret_key", "status_token", "store"))
"""Keys whose values are never shown."""


def _message(details: ErrorDetails) -> str:
    """What is wrong and what would be right, in plain words."""
    match details["type"], details["loc"]:
        case "feedbridge", _:
            return details["msg"]
        case "extra_forbidden", location:
            return _unknown_key(location)
        case (("missing" | "too_short"), ("source",)):
            return "there is none; give at least one [[source]] table"
        case "union_tag_not_found", _:
            return f"kind is missing; give {_either(_KINDS)}"
        case "union_tag_invalid", _:
            return f"kind: give {_either(_KINDS)} (it says {_shown(details['ctx']['tag'])})"
        case "model_attributes_type", ("source", *_):
            return f"give a table with keys (it says {_shown(details['input'])})"
        case "tuple_type", (("source" | "feed") as table,):
            return f"write [[{table}]], in double brackets"
        case "tuple_type", (*_, "image_rule"):
            return "write a list of tables, such as [[site.image_rule]] or [[source.image_rule]]"
        case "tuple_type", (*_, "host_rule"):
            return "write a list of tables, [[site.host_rule]]"
        case "model_type", ("site", "storage"):
            return "write [site.storage], in single brackets, and once"
        case "model_type", ("source", *_, "storage"):
            return "write [source.storage], in single brackets, below its [[source]]"
        case "model_type", (("site" | "pictures") as table,):
            return f"write [{table}], in single brackets, and once"
        case "string_pattern_mismatch", (*_, "name"):
            mend = 'give lower-case letters, digits, "-" and "_", at most 64, such as "news"'
        case kind, _:
            words = _PLAIN_WORDS.get(kind, "give another value")
            mend = words.format_map(details.get("ctx", {})).replace("'", '"')
    is_secret = not _SECRETS.isdisjoint(details["loc"])
    return mend if details["type"] == "missing" or is_secret else f"{mend} (it says {_shown(details['input'])})"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


_KINDS: dict[str, type[_AnySource]] = {"archive": ArchiveSource, "feed": FeedSource}
_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[site]", Site),
    ("[site.storage]", OutputStorage),
    ("[source.storage]", Storage),
    ("[pictures]", Pictures),
    ("[[source]]", _AnySource),
    *((f'[[source]] with kind = "{kind}"', table) for kind, table in _KINDS.items()),
    ("[[feed]]", FeedTable),
)


def _either(words: Iterable[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _own_keys(table: type[BaseModel]) -> set[str]:
    """The keys of a table, but not those that every kind of source has."""
    shared = set(_AnySource.model_fields) if issubclass(table, (ArchiveSource, FeedSource)) else set()
    return set(table.model_fields) - shared


def _unknown_key(location: tuple[int | str, ...]) -> str:
    key = str(location[-1])
    table: type[BaseModel] = Settings
    match location:
        case (*_, "image_rule", int(), _):
            table = ImageRule
        case (*_, "host_rule", int(), _):
            table = HostRule
        case ("site", "storage", _):
            table = OutputStorage
        case ("source", int(), "archive", "storage", _):
            table = Storage
        case ("source", int(), str(kind), _):
            table = _KINDS[kind]
        case ("site", _):
            table = Site
        case ("feed", int(), _):
            table = FeedTable
    known = list(table.model_fields)
    homes = [heading for heading, other in _TABLES if key in _own_keys(other)]
    if near := difflib.get_close_matches(key, known, n=1, cutoff=0.7):
        return f'no such key; did you mean "{near[0]}"?'
    if homes:
        return f"no such key here; it belongs in {' or '.join(homes)}"
    return f"no such key; there is: {', '.join(known)}"
