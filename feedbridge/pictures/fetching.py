"""How pictures are fetched: bounded in bytes and time, and guarded."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from feedbridge.fetch.client import Answer, Ask, Client
from feedbridge.reach import Allowance

Fetch = Callable[[str, str | None], Awaitable[Answer]]
"""Fetches an address, with this Referer or none; bounded in bytes and time, and guarded. Raises FetchError."""

ACCEPT = "image/avif, image/webp, image/png, image/jpeg, image/gif, image/*;q=0.5, */*;q=0.1"

MAX_BYTES = 20 * 2**20
"""Of a picture."""

TIMEOUT = timedelta(seconds=20)
"""For fetching one."""


def fetching(
    client: Client,
    *,
    timeout: timedelta = TIMEOUT,
    max_bytes: int = MAX_BYTES,
    allow: Allowance | None = None,
    proxy: str | None = None,
) -> Fetch:
    """Fetch pictures with the guarded client.

    Args:
        client: Is open as long as pictures are fetched.
        timeout: For a picture, redirects and all.
        max_bytes: Of a picture, as it comes and unpacked.
        allow: What may be reached beside the public web.
        proxy: As in `Ask`.
    """
    opened = allow or Allowance()

    async def fetch(address: str, referer: str | None) -> Answer:
        headers = {"Accept": ACCEPT} | ({"Referer": referer} if referer else {})
        ask = Ask(
            url=address,
            timeout=timeout,
            max_bytes=max_bytes,
            max_decoded_bytes=max_bytes,
            headers=headers,
            allow=opened,
            proxy=proxy,
        )
        return await client.fetch(ask)

    return fetch
