"""Plain text: cleaning, one-line titles, excerpts."""

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.text import clean, excerpt, first_sentence, one_line

any_text = st.text(st.characters(codec=None, exclude_categories=()))


def test_what_xml_cannot_hold_is_dropped() -> None:
    """Control characters, lone surrogates and the two non-characters of XML 1.0 go; text and emoji stay."""
    assert clean("a\x08b\x00c\ud83dd\ufffee\uffff 文😀\t\n") == "abcde 文😀\t\n"


def test_c1_controls_become_what_windows_meant() -> None:
    """Bytes of Windows-1252 read as Latin-1 become the quotes and dashes they were; those without meaning go."""
    assert clean("\x93quoted\x94 \x96 \x85\x81") == "“quoted” – …"


def test_line_ends_become_line_feeds() -> None:
    """XML readers turn carriage returns into line feeds, so they are not written."""
    assert clean("a\r\nb\rc") == "a\nb\nc"


@given(any_text)
def test_cleaned_text_fits_into_xml(text: str) -> None:
    """An XML parser takes every cleaned text and gives it back."""
    element = ElementTree.Element("t")
    element.text = clean(text)
    assert (ElementTree.fromstring(ElementTree.tostring(element, "utf-8")).text or "") == clean(text)


def test_title_is_one_line_without_direction_controls() -> None:
    """Whitespace is folded, and what would turn the writing direction of the rest is dropped."""
    assert one_line("  a\u202e\n b\u2066\tc\u3000d ") == "a b c d"


def test_short_text_is_its_own_excerpt() -> None:
    """Nothing is cut and nothing added where the text fits."""
    assert excerpt("One line.\nAnother.") == "One line. Another."


def test_excerpt_ends_with_a_sentence() -> None:
    """A sentence end in the second half of the room is where the text is cut."""
    assert excerpt("The first sentence is here. The second one goes on and on.", 40) == "The first sentence is here.…"


def test_excerpt_ends_with_a_word() -> None:
    """Without a sentence end no word is cut in two."""
    assert excerpt("alpha beta gamma delta", 14) == "alpha beta…"


def test_chinese_is_cut_between_characters() -> None:
    """Writing without spaces is filled up to the limit, and its full stop is a sentence end."""
    assert excerpt("北大西洋公约组织峰会本周召开", 8) == "北大西洋公约组…"
    assert excerpt("峰会本周召开。日本首相受邀参与，合作高度提升", 12) == "峰会本周召开。…"


@pytest.mark.parametrize("whole", ["e\u0301", "👨\u200d👩\u200d👧", "🇯🇵", "👍🏽", "한"])
def test_no_character_is_split(whole: str) -> None:
    """Accents, families, flags and skin tones stay with their letter: a text is cut before or after them."""
    for limit in range(1, 30):
        kept = excerpt("文" + whole * 30, limit).removesuffix("…").removeprefix("文")
        assert kept.replace(whole, "") == ""


PIECES = st.sampled_from([*"ab。.🇩🇪é\u0301\u200d", "  ", "\r\n", "\u202e", "\x00", " word "])


@given(st.lists(PIECES).map("".join), st.integers(1, 9))
def test_excerpt_of_the_beginning_is_that_of_the_whole(text: str, limit: int) -> None:
    """Only so much of a long text is looked at as decides where it is cut."""
    assert excerpt(text * 5, limit) == excerpt(one_line(text * 5), limit)


@given(any_text, st.integers(min_value=1, max_value=50))
def test_excerpt_keeps_its_limit(text: str, limit: int) -> None:
    """It is at most as long as asked for, one line, and the beginning of the text."""
    made = excerpt(text, limit)
    assert len(made) <= limit
    assert one_line(text).startswith(made.removesuffix("…"))
    assert len(made.splitlines()) <= 1
    rest = one_line(text)[len(made.removesuffix("…")) :]
    assert made == one_line(text) or made == "…" or not unicodedata.combining((rest or " ")[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("峰会召开。日本受邀。", "峰会召开。"),
        ("“真的吗？”他问。", "“真的吗？”"),
        ("It grew 3.5 percent. Then it fell.", "It grew 3.5 percent."),
        ("\n \nA headline\nThe text.", "A headline"),
        ("", ""),
        ("一" * 100, "一" * 79 + "…"),
    ],
)
def test_first_sentence_stands_for_a_title(text: str, sentence: str) -> None:
    """It ends at a full stop, a question, its line, or the limit; a decimal point ends nothing."""
    assert first_sentence(text) == sentence
