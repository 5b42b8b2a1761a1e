"""Object storages: how a place in a bucket is opened, and what is said of one that fails."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import from_url

from feedbridge.settings import Storage

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, S3Config

FAILURES = (BaseError, OSError, ValueError)
"""What a storage may raise that cannot be used, or asked."""

_CONNECT = timedelta(seconds=10)
_RETRIES = 2

_STATUS = re.compile(r"status code: (\d{3})")
_NAME = re.compile(r'Error parsing Path "(.*)": Encountered', re.DOTALL)
_LONGEST_NAME = 200
_MENDS = {
    "401": "look at the key",
    "403": "look at the key, and at what it may do",
    "404": "look at the name of the bucket",
    "429": "it is asked too much",
    "503": "it is busy, or down",
    "507": "make room",
}


@lru_cache(maxsize=16)
def open_storage(address: str, storage: Storage) -> "ObjectStore":
    """What is below an address; the same one again, for it keeps its connections.

    Args:
        address: `s3://BUCKET/PREFIX`, `gs://…` or `az://…`.
        storage: How it is reached; what is not said there is taken from the environment.

    Raises:
        BaseError, OSError, ValueError: What the settings and the environment say of it cannot be used.
    """
    client: ClientConfig = {"timeout": storage.timeout, "connect_timeout": min(_CONNECT, storage.timeout)}
    if storage.allow_http or storage.is_open:
        client["allow_http"] = True
    named: dict[str, str | None] = {
        "endpoint": storage.endpoint,
        "region": storage.region,
        "access_key_id": storage.access_key,
        "secret_access_key": storage.secret_key,
    }
    config: S3Config = {key: value for key, value in named.items() if value is not None}  # type: ignore[assignment]
    return from_url(
        address,
        config=config or None,
        client_options=client,
        retry_config={"max_retries": _RETRIES, "retry_timeout": storage.timeout},
    )


def reason_of_failure(error: Exception) -> str:
    """What went wrong and what would mend it, in our words alone: those of a storage may hold names of keys."""
    words, kind = str(error), type(error).__name__
    if found := _STATUS.search(words):
        mend = _MENDS.get(found[1])
        return f"the storage answers {found[1]}" + (f": {mend}" if mend else "")
    if found := _NAME.search(words):
        return f"an object has a name that cannot be asked for: {found[1][:_LONGEST_NAME]!r}; rename it"
    if kind == "GenericError" and "HTTP error" in words:
        return "the storage does not answer: look at the endpoint, and at the network"
    return f"{kind}: look at `storage`, and at the environment"
