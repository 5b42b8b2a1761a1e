"""Which entries stand in which archive document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.feeds.archives import ARCHIVE_ENTRIES, neighbours, place


@pytest.mark.parametrize(
    ("entries", "number", "filled", "expected"),
    [
        (0, 0, 0, ([], 0)),
        (0, 3, 7, ([], 3)),
        (1, 0, 0, ([1], 1)),
        (99, 0, 0, ([1] * 99, 1)),
        (100, 0, 0, ([1] * 100, 2)),
        (101, 0, 0, ([1] * 100 + [2], 2)),
        (1, 1, 99, ([1], 2)),
        (2, 1, 99, ([1, 2], 2)),
        (100, 2, 0, ([2] * 100, 3)),
        (201, 5, 50, ([5] * 50 + [6] * 100 + [7] * 51, 7)),
    ],
)
def test_entries_fill_one_document_after_the_other(
    entries: int, number: int, filled: int, expected: tuple[list[int], int]
) -> None:
    """A hundred to each, from the open one on; one that is full has the next, perhaps empty, behind it."""
    assert place(entries, number=number, filled=filled) == expected


@given(st.lists(st.integers(min_value=0, max_value=250), max_size=10))
def test_portions_do_not_matter(portions: list[int]) -> None:
    """Entries that come one after the other stand where they would stand had they come at once."""
    number, filled, numbers = 0, 0, list[int]()
    for entries in portions:
        placed, number = place(entries, number=number, filled=filled)
        numbers += placed
        filled = numbers.count(number)
    assert (numbers, number) == place(sum(portions), number=0, filled=0)
    assert all(numbers.count(one) == ARCHIVE_ENTRIES for one in range(1, number))
    assert filled < ARCHIVE_ENTRIES


@pytest.mark.parametrize(
    ("number", "last", "expected"),
    [(1, 1, (None, None)), (1, 2, (None, 2)), (2, 2, (1, None)), (2, 3, (1, 3))],
)
def test_neighbours(number: int, last: int, expected: tuple[int | None, int | None]) -> None:
    """The first has none before it, the open one none after it."""
    assert neighbours(number, last=last) == expected
