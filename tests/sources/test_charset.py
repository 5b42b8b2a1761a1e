import contextlib
import re
import time
from xml.parsers import expat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.errors import ParseError
from feedbridge.sources.charset import decode_nearly, decode_page, marked_encoding

CHINESE = "北方市场今天开放，记者报道了合作计划。学校的老师表示，河流安全。"
TRADITIONAL = "北方市場今天開放，記者報導了合作計畫。學校的老師表示，河流安全。"
JAPANESE = "今日は市場が開きました。記者が学校の計画について話しました。"
KOREAN = "오늘 북부 시장이 문을 열었다. 기자는 학교의 계획을 보도했다."
RUSSIAN = "Сегодня открылся рынок. Журналист сообщил о планах школы."
FRENCH = "Le marché a été rouvert « hier », d’après l’école…"
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
SECONDS_FOR_THE_WORST = 30.0
"""Tenths are meant; what this must catch takes minutes."""


def document(text: str, *, declared: str | None = None) -> str:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    return f"{declaration}<rss><title>{text}</title></rss>"


def bare(text: str) -> str:
    return f"<rss><title>{text}</title></rss>"


class TestTheCharset:
    @pytest.mark.parametrize(
        ("declared", "codec", "text"),
        [
            ("UTF-8", "utf-8", CHINESE),
            ("utf8", "utf-8", CHINESE),
            ("GBK", "gbk", CHINESE),
            ("x-gbk", "gbk", CHINESE),
            ("gb2312", "gb18030", CHINESE + "镕€𠮷"),
            ("GB_2312-80", "gbk", CHINESE),
            ("gb18030", "gb18030", CHINESE + "𠮷"),
            ("Big5", "big5", TRADITIONAL),
            ("big5-hkscs", "big5hkscs", TRADITIONAL + "喺嘅"),
            ("Shift_JIS", "cp932", JAPANESE + "①髙"),
            ("x-sjis", "cp932", JAPANESE),
            ("EUC-JP", "euc_jp", JAPANESE),
            ("ISO-2022-JP", "iso2022_jp", JAPANESE),
            ("EUC-KR", "cp949", KOREAN + "똠방각하"),
            ("ks_c_5601-1987", "euc_kr", KOREAN),
            ("windows-1251", "cp1251", RUSSIAN),
            ("win-1251", "cp1251", RUSSIAN),
            ("windows1251", "cp1251", RUSSIAN),
            ("KOI8-R", "koi8_r", RUSSIAN),
            ("ISO-8859-1", "cp1252", FRENCH),
            ("us-ascii", "cp1252", FRENCH),
            ("macintosh", "mac_roman", FRENCH),
        ],
    )
    def test_by_its_name(self, declared: str, codec: str, text: str) -> None:
        """A charset is read by what its name stands for in practice, in the declaration and in the header."""
        assert decode_page(document(text, declared=declared).encode(codec), None) == bare(text)
        assert decode_page(document(text).encode(codec), f"text/xml; charset={declared}") == bare(text)

    @pytest.mark.parametrize(
        "declaration",
        [
            "<?xml version='1.0' encoding='gbk'?>",
            '<?xml version="1.0" encoding = "GBK" standalone="yes" ?>',
            "<?xml version=1.0 encoding=gbk?>",
            '<?XML VERSION="1.0" ENCODING="gbk"?>',
            '\n \n<?xml version="1.0" encoding="gbk"?>',
        ],
    )
    def test_declarations_in_odd_spelling(self, declaration: str) -> None:
        """Quotes, blanks, case and blank lines before it do not hide a declaration's charset."""
        assert decode_page((declaration + bare(CHINESE)).encode("gbk"), None) == bare(CHINESE)

    @pytest.mark.parametrize(
        "header",
        [
            'text/xml; charset="gbk"',
            "text/xml;charset='GBK'",
            "text/xml; boundary=x; Charset = gbk ; q=1",
            "charset=gbk",
        ],
    )
    def test_headers_in_odd_spelling(self, header: str) -> None:
        """Quotes, blanks and other parameters do not hide a header's charset."""
        assert decode_page(bare(CHINESE).encode("gbk"), header) == bare(CHINESE)

    @pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
    def test_byte_order_mark_comes_first(self, codec: str) -> None:
        """A byte order mark wins against header and declaration, and is no part of the text."""
        body = document(CHINESE, declared="big5").encode(codec)

        assert decode_page(body, "text/xml; charset=windows-1251") == bare(CHINESE)

    @pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("before", ["", "\n", "\ufeff"])
    def test_wide_characters_are_seen_by_themselves(self, codec: str, before: str) -> None:
        """UTF-16 and UTF-32 need no mark: the zeros of the first character tell them."""
        body = (before + document(CHINESE, declared="UTF-16")).encode(codec)

        assert decode_page(body, "text/xml; charset=utf-8") == bare(CHINESE)
        assert decode_page(('{"title": "' + CHINESE + '"}').encode(codec), None) == '{"title": "' + CHINESE + '"}'

    def test_declared_wide_but_narrow(self) -> None:
        """A document that calls its UTF-8 `utf-16`, as some writers do, is UTF-8."""
        assert decode_page(document(CHINESE, declared="utf-16").encode(), "text/xml; charset=utf-16") == bare(CHINESE)

    @pytest.mark.parametrize(
        "header", ["gbk", "utf-7", "punycode", "idna", "rot13", "unicode_escape", "none", "é", "a\0b"]
    )
    def test_utf8_where_the_header_names_another(self, header: str) -> None:
        """Names that are no charset of texts, or that the bytes contradict, are passed over."""
        assert decode_page(bare(CHINESE).encode(), f"text/xml; charset={header}") == bare(CHINESE)

    def test_header_before_declaration(self) -> None:
        """A multi-byte charset in the header wins against the declaration (RFC 7303 section 3)."""
        assert decode_page(document(CHINESE, declared="utf-8").encode("gbk"), "text/xml; charset=gbk") == bare(CHINESE)
        assert decode_page(document(CHINESE, declared="gbk").encode("gbk"), "text/xml; charset=utf-8") == bare(CHINESE)

    def test_a_server_s_default_does_not_win(self) -> None:
        """A header's ISO-8859-1 reads anything, so that declaration and bytes are believed before it."""
        header = "text/xml; charset=ISO-8859-1"

        assert decode_page(document(RUSSIAN, declared="windows-1251").encode("cp1251"), header) == bare(RUSSIAN)
        assert decode_page(document(CHINESE, declared="gbk").encode("gbk"), header) == bare(CHINESE)
        assert decode_page(document(CHINESE).encode(), header) == bare(CHINESE)
        assert decode_page(document("café", declared="iso-8859-1").encode(), header) == bare("café")
        assert decode_page(document(FRENCH).encode("cp1252"), header) == bare(FRENCH)

    @pytest.mark.parametrize(
        ("codec", "text"),
        [("gbk", CHINESE), ("big5", TRADITIONAL), ("cp932", JAPANESE), ("cp949", KOREAN), ("cp1251", RUSSIAN)],
    )
    def test_nothing_told(self, codec: str, text: str) -> None:
        """Without a word about it, the charset is what the bytes look like."""
        assert decode_page(document(text * 8).encode(codec), "text/xml") == bare(text * 8)

    def test_a_few_broken_characters(self) -> None:
        """A charset in which a few characters are broken is still that charset; they become U+FFFD."""
        assert decode_page(document(CHINESE * 4).encode()[:-30] + b"\xe5\x8c<", None).endswith("\ufffd<")
        broken = document(CHINESE, declared="gbk").encode("gbk").replace(b"<rss>", b"<rss>\xff")
        assert decode_page(broken, None) == bare(CHINESE).replace("<rss>", "<rss>\ufffd")

    def test_declared_utf8_that_is_not(self) -> None:
        """Bytes that are not what they are declared to be are read as what they look like."""
        body = document(RUSSIAN * 8, declared="utf-8").encode("cp1251")

        assert decode_page(body, "text/xml; charset=utf-8") == bare(RUSSIAN * 8)


class TestWhatIsNoText:
    @pytest.mark.parametrize(
        "body", [b"", b" \r\n\t ", b"\xef\xbb\xbf", b"\xff\xfe", b'<?xml version="1.0"?>\n', b"\x01"]
    )
    def test_empty_body(self, body: bytes) -> None:
        """Where nothing is in the body, the error says so."""
        with pytest.raises(ParseError, match=r"^(an empty body|binary data) came$"):
            decode_page(body, "text/xml; charset=utf-8")

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
            (b"\x1f\x8b\x08\x00rest", "a gzip file"),
            (b"PK\x03\x04rest", "a ZIP archive"),
            (b"\x89PNG\r\n\x1a\nrest", "a picture"),
            (b"\xff\xd8\xff\xe0rest", "a picture"),
            (b"ID3\x04rest", "a recording"),
            (bytes(range(256)) * 20, "binary data"),
            (b"\x00" * 1000 + b"<rss>", "binary data"),
        ],
    )
    def test_binary(self, body: bytes, kind: str) -> None:
        """Files that are no text are called by what they are."""
        with pytest.raises(ParseError, match=f"^{kind} came$"):
            decode_page(body, "application/rss+xml")


class TestWhatXmlCannotHold:
    def test_characters(self) -> None:
        """Control characters and the two that are none are dropped wherever they stand; the others stay."""
        text = CHINESE + "<a>x\x00\x01\x08\x0b\x0c\x1f\ufffe\uffffy\t\n\r\x7f\x85\ue000𠮷</a>"

        assert decode_page(text.encode(), None) == CHINESE + "<a>xy\t\n\r\x7f\x85\ue000𠮷</a>"

    @pytest.mark.parametrize(
        "text",
        [
            '\ufeff \n<?xml version="1.0" encoding="utf-7"?><a/>',
            '<?xml version="1.0"?><?xml version="1.0" encoding="utf-16"?>\n<a/>',
            '<\x00?xml version="1.0" encoding="cp037"?><a/>',
        ],
    )
    def test_no_declaration_is_left(self, text: str) -> None:
        """Declarations speak of bytes that are gone: none is left for a parser to believe."""
        assert decode_page(text.encode(), None) == "<a/>"

    @given(
        st.text(
            st.characters(codec="utf-8", categories=None, exclude_categories=["Cs"]) | st.sampled_from("&<>?\0\x1f")
        )
    )
    def test_what_is_left_is_legal(self, text: str) -> None:
        """No character is left that an XML parser refuses."""
        kept = decode_page(document(text + CHINESE * len(text)).encode(), None)  # so much that it is no binary data
        assert not ILLEGAL.search(kept)
        escaped = kept.replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;")
        expat.ParserCreate().Parse(f"<a>{escaped}</a>", True)


class TestAnyBytes:
    @given(st.binary(max_size=400), st.none() | st.text(max_size=40))
    @example(b"<\x00", "charset=utf-16")
    @example(b"\xff\xfe<", None)
    @example(b"<?xml encoding='" + b"a" * 60, "charset=" + "a" * 60)
    def test_text_or_a_named_error(self, body: bytes, content_type: str | None) -> None:
        """Whatever comes, it is text or a ParseError."""
        try:
            text = decode_page(body, content_type)
        except ParseError:
            return
        assert text
        assert not ILLEGAL.search(text)
        text.encode()

    @given(st.text(), st.sampled_from(["utf-8", "gb18030", "utf-16", "utf-32"]))
    def test_whole_text_is_read_back(self, text: str, codec: str) -> None:
        """What is declared right is read right."""
        kept = ILLEGAL.sub("", text)
        assert decode_page(document(kept, declared=codec).encode(codec), f"text/xml; charset={codec}") == bare(kept)

    @pytest.mark.parametrize(
        "body",
        [
            b"&#" * 5_000_000,
            b"<?xml " * 1_500_000,
            b"<?xml?>" * 1_500_000,
            b" " * 10_000_000 + b"\xff",
            b"\xe4" * 3_000_000,
            b"<a>&#1" * 1_500_000,
            b"<\x00" * 5_000_000,
        ],
        ids=["references", "declarations", "whole-declarations", "blanks", "broken", "numbers", "wide"],
    )
    def test_time_grows_with_the_length_alone(self, body: bytes) -> None:
        """Ten megabytes of the worst are read in a moment."""
        started = time.process_time()
        with contextlib.suppress(ParseError):
            decode_page(body, "text/xml; charset=gbk")
        assert time.process_time() - started < SECONDS_FOR_THE_WORST


def test_nearly_is_not_any() -> None:
    """Only a text that is mostly whole is read in an encoding."""
    assert decode_nearly("naïve café".encode(), "utf-8") == "naïve café"
    assert decode_nearly("naïve café".encode("cp1252"), "utf-8") is None
    assert decode_nearly(RUSSIAN.encode("cp1251"), "utf-8") is None


def test_marks_of_wide_encodings() -> None:
    """The marks of UTF-16 and UTF-32 are told apart; UTF-8 has none that decides."""
    assert marked_encoding(b"\xff\xfe\0\0") == "utf-32"
    assert marked_encoding(b"\xff\xfea\0") == "utf-16"
    assert marked_encoding(b"\xef\xbb\xbfa") is None
