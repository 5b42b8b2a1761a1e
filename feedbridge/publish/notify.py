"""Telling the world that a feed has changed: WebSub (section 5 of the W3C recommendation, publisher to hub)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import httpx

TRIES = 3
PAUSE = timedelta(seconds=5)
"""Before the second try; twice as long before each further one."""

_TIMEOUT_SECONDS = 10.0
"""For one try, from the connection to the answer's headers."""


async def ping(hub: str, topics: Sequence[str], *, pause: timedelta = PAUSE) -> str | None:
    """Tell a hub that feeds have changed.

    Args:
        hub: Its address.
        topics: The addresses of the changed documents.
        pause: Before the second try.

    Returns:
        Why the hub did not take it, or None if it did.
    """
    reason = None
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(pause.total_seconds() * 2 ** (attempt - 1))
            reason = await _post(client, hub, topics)
            if reason is None:
                return None
    return reason


async def _post(client: httpx.AsyncClient, hub: str, topics: Sequence[str]) -> str | None:
    try:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            client.stream("POST", hub, data={"hub.mode": "publish", "hub.url": list(topics)}) as answer,
        ):
            return None if answer.is_success else f"answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    except TimeoutError:
        return f"no answer within {_TIMEOUT_SECONDS:g} s"
