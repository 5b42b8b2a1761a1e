"""Instants as the store keeps them: epoch milliseconds."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@overload
def to_ms(instant: datetime) -> int: ...
@overload
def to_ms(instant: datetime | None) -> int | None: ...
def to_ms(instant: datetime | None) -> int | None:
    """An aware datetime as epoch milliseconds."""
    return None if instant is None else (instant - _EPOCH) // _MILLISECOND


@overload
def from_ms(milliseconds: int) -> datetime: ...
@overload
def from_ms(milliseconds: int | None) -> datetime | None: ...
def from_ms(milliseconds: int | None) -> datetime | None:
    """Epoch milliseconds as an aware datetime in UTC."""
    return None if milliseconds is None else _EPOCH + milliseconds * _MILLISECOND
