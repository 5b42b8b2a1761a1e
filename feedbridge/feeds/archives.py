"""Which entries stand in which archive document (RFC 5005 section 4).

Documents are filled from the oldest entry on, 100 to each; a full one never changes its members. The last one is
open and may be empty: so a full document can name the one after it for good.
"""

ARCHIVE_ENTRIES = 100


def place(entries: int, *, number: int, filled: int) -> tuple[list[int], int]:
    """Place entries in documents.

    Args:
        entries: How many are to be placed, oldest first.
        number: The document that is open now, or 0 if there is none yet.
        filled: The entries it holds.

    Returns:
        The document of each entry, and the document that is open afterwards.
    """
    if entries == 0:
        return [], number
    if number == 0:
        number, filled = 1, 0
    numbers = []
    for _ in range(entries):
        numbers.append(number)
        filled += 1
        if filled >= ARCHIVE_ENTRIES:
            number, filled = number + 1, 0
    return numbers, number


def neighbours(number: int, *, last: int) -> tuple[int | None, int | None]:
    """The numbers of the documents before and after an archive document."""
    return (number - 1 if number > 1 else None, number + 1 if number < last else None)
