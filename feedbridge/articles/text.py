"""Plain text: what XML cannot hold, one-line titles, and where a text may be cut."""

import re
import unicodedata

_CLEAN = re.compile(r"[\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*+")
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SENTENCE_END = re.compile(r"(?:[。！？!?]+|\.(?=\s|$))[」』”’）)\"]*")
_LINE = re.compile(r"[^\n]+")
_WORD = re.compile(r"[^\W_]")
_LONGEST_WORD = 40
_AHEAD = 2


def _replacements() -> dict[int, str | None]:
    dropped: dict[int, str | None] = dict.fromkeys(
        (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
    )
    spaces = dict.fromkeys((0x0B, 0x0C), " ")
    kept = {0x09: "\t", 0x0A: "\n", 0x0D: "\n"}
    # C1 controls are nearly always Windows-1252 that was read as Latin-1; HTML reads `&#150;` the same way.
    meant = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}
    return dropped | spaces | kept | meant


_REPLACEMENTS = _replacements()


def clean(text: str) -> str:
    """Drop what XML 1.0 may not hold (section 2.2) and what is a slip of an encoding.

    Control characters, lone surrogates and U+FFFE/U+FFFF go. C1 controls become what Windows-1252 means by
    them, vertical tabs and form feeds a space, every line end a line feed.
    """
    if _CLEAN.fullmatch(text):
        return text
    return text.replace("\r\n", "\n").translate(_REPLACEMENTS)


def one_line(text: str) -> str:
    """The text in one line: clean, whitespace folded, without the controls that turn the writing direction.

    An unbalanced direction control in a title would turn around what a reader shows after it.
    """
    return " ".join(_BIDI_CONTROLS.sub("", clean(text)).split())


def excerpt(text: str, limit: int = 280) -> str:
    """The first words of a text in one line, at most `limit` characters.

    A longer text is cut at the end of a sentence or else of a word, and `…` is added. Writing without spaces
    is cut between two characters; a letter is never parted from its accents, nor an emoji from its parts.
    """
    line = one_line(text[: _AHEAD * limit])
    if len(line) <= limit + 1:  # or else there is more than what decides where the cut is
        line = one_line(text)
    if len(line) <= limit:
        return line
    room = max(limit - 1, 0)
    ends = [found.end() for found in _SENTENCE_END.finditer(line, 0, room + 1) if found.end() <= room]
    if ends and ends[-1] > room // 2 and not _joined(line, ends[-1]):
        return line[: ends[-1]] + "…"
    return line[: _cut(line, room)].rstrip() + "…"


def first_sentence(text: str, limit: int = 80) -> str:
    """The first sentence of a text, to stand for a missing title: at most `limit` characters, in one line.

    It ends at `。！？!?`, at a full stop before a space, or with its line; a longer one is cut as an excerpt is.
    Empty if nothing in the text is visible.
    """
    lines = (one_line(found[0]) for found in _LINE.finditer(text))
    line = next(filter(None, lines), "")
    found = _SENTENCE_END.search(line)
    return excerpt(line[: found.end()] if found else line, limit)


def _cut(line: str, room: int) -> int:
    """The last place at or before `room` where the line may be cut."""
    end = room
    if _in_word(line, end):
        start = end
        while start > 0 and end - start < _LONGEST_WORD and _in_word(line, start):
            start -= 1
        if start > 0 and not _in_word(line, start):
            end = start
    while end > 0 and _joined(line, end):
        end -= 1
    return end


def _in_word(line: str, place: int) -> bool:
    """Whether a cut here would fall inside a word of a script that is written with spaces."""
    return 0 < place < len(line) and _spaced(line[place - 1]) and _spaced(line[place])


def _spaced(character: str) -> bool:
    code = ord(character)
    without_spaces = 0x0E00 <= code < 0x1000 or 0x1780 <= code < 0x1800 or 0x2E80 <= code < 0xAC00 or code >= 0xF900
    return not without_spaces and (_WORD.match(character) is not None or unicodedata.category(character)[0] == "M")


def _joined(line: str, place: int) -> bool:
    """Whether the characters around this place are one for the reader."""
    if not 0 < place < len(line):
        return False
    before, after = line[place - 1], line[place]
    if after == "\u200d" or before == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if _is_flag_letter(before) and _is_flag_letter(after):
        letters = 1
        while letters < place and _is_flag_letter(line[place - 1 - letters]):
            letters += 1
        return letters % 2 == 1
    return unicodedata.category(after)[0] == "M"


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def words(text: str) -> frozenset[str]:
    """The words of a text as a set, for tables of names."""
    return frozenset(text.split())
