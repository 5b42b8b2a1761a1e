import contextlib
import io
import time
import xml.sax
from xml.parsers import expat

import feedparser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from feedbridge.errors import ParseError
from feedbridge.sources.charset import decode_page
from feedbridge.sources.prolog import MAX_ATTRIBUTES, MAX_DEPTH, MAX_TAG_LENGTH, look

SECONDS_FOR_THE_WORST = 30.0
"""One or two are meant, on a machine with other work; what this must catch takes minutes."""

DECLARES = "declares entities"


def passes(text: str) -> bool:
    try:
        look(text)
    except ParseError:
        return False
    return True


def declared(text: str) -> list[str]:
    """What expat takes for a declaration on its way through a text, up to its first complaint."""
    names: list[str] = []
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_ALWAYS)
    parser.EntityDeclHandler = lambda name, *_: names.append(name)
    parser.AttlistDeclHandler = lambda element, *_: names.append(element)
    parser.ExternalEntityRefHandler = lambda *_: 1
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(text.encode(), True)
    return names


def depth(text: str) -> int:
    """How deep expat comes in a text, up to its first complaint."""
    now = deepest = 0

    def start(*_: object) -> None:
        nonlocal now, deepest
        now += 1
        deepest = max(deepest, now)

    def end(_: str) -> None:
        nonlocal now
        now -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(text.encode(), True)
    return deepest


class TestDeclarations:
    @pytest.mark.parametrize(
        "text",
        [
            '<!DOCTYPE rss [<!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss [ <!ENTITY % a SYSTEM "http://example.org/a.dtd"> %a; ]><rss/>',
            '<!DOCTYPE rss [<!ATTLIST item a CDATA "b">]><rss/>',
            '<!-- a --><!-- <rss> --><!DOCTYPE rss [<!ENTITY a "b">]><rss/>',
            '<?a <rss> <!-- ?><!DOCTYPE rss [<!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss PUBLIC "<!--" "-->" [<!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss SYSTEM \'"><rss>\' [<!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss [<!ELEMENT rss ANY><!-- ]><rss> --><!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss [<?a ]><rss> ?><!ENTITY a "b">]><rss/>',
            '<!DOCTYPE rss [<![CDATA[<!ENTITY a "b">]]>]><rss/>',
            'junk < junk > <!DOCTYPE rss [<!ENTITY a "b">]><rss/>',
            '<!doctype rss [<!entity a "b">]><rss/>',
            '<é/><!DOCTYPE rss [<!ENTITY a "b">]><rss/>',
            '<!-- \n<!DOCTYPE rss>\n<!ENTITY a "b"> --><rss/>',
            '<!DOC<!ENTITY x>TYPE rss [<!ENT<!ENTITY x>ITY a "b">]><rss/>',
            '<?a\n<!DOCTYPE rss>?><rss>&a;<!ENTITY a "b"></rss>',
            '<!ENTITY a "b"><rss/>',
            '<!DOCTYPE rss [<!ENTITY a "b">',
        ],
    )
    def test_are_refused(self, text: str) -> None:
        """Entities and attribute defaults are refused, whatever hides them from one parser or another."""
        with pytest.raises(ParseError, match=DECLARES):
            look(text)

    def test_parameter_entities_are_refused(self) -> None:
        """A reference in the internal subset asks for declarations from elsewhere."""
        with pytest.raises(ParseError, match="parameter entities"):
            look("<!DOCTYPE rss [\n%all;\n]><rss/>")

    @pytest.mark.parametrize(
        "text",
        [
            '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"\n "http://my.netscape.com/a%20b.dtd"><rss/>',
            "<!DOCTYPE rss><rss>100%; of it</rss>",
            "<!DOCTYPE rss [<!ELEMENT rss (#PCDATA)>]><rss>[100%a;]</rss>",
            '<rss><![CDATA[<!DOCTYPE a [<!ENTITY a "b">]>]]></rss>',
            "<rss>&lt;!ENTITY a</rss>",
            '<?xml version="1.0"?><!-- a --><rss/>',
            "",
            "text",
        ],
    )
    def test_a_mere_document_type_is_fine(self, text: str) -> None:
        """A DOCTYPE that declares nothing passes, and so does an article about entities."""
        look(text)

    def test_nul_is_refused(self) -> None:
        """With a NUL at its beginning expat takes a document for UTF-16, which is not what was looked at."""
        text = '<!DOCTYPE a [<!ENTITY b "c">]><a/>'.encode("utf-16-le").decode()
        with pytest.raises(ParseError, match="NUL"):
            look(text)

    @given(
        st.lists(
            st.sampled_from(
                [
                    *(
                        "<!DOCTYPE ",
                        "<!doctype ",
                        "a",
                        " ",
                        "\n",
                        "[",
                        "]",
                        ">",
                        "]>",
                        "/>",
                        "%",
                        "%a;",
                        "&a;",
                        "<!",
                        "<",
                    ),
                    *(
                        '<!ENTITY a "b">',
                        '<!ENTITY % a "b">',
                        "<!ENTITY",
                        '<!ATTLIST a b CDATA "c">',
                        "<!ELEMENT a ANY>",
                    ),
                    *(
                        "<!--",
                        "-->",
                        "<?a",
                        "?>",
                        '"',
                        "'",
                        "SYSTEM ",
                        'PUBLIC "a" ',
                        "<![CDATA[",
                        "]]>",
                        "<a>",
                        "</a>",
                        "<a/>",
                    ),
                    *(
                        "<!NOTATION",
                        "<![INCLUDE[",
                        "é",
                        "<é>",
                        "<:",
                        "&#0;",
                        "\x00",
                        "<_",
                        '<?xml version="1.0"?>',
                        "a",
                    ),
                    *("<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY a "b">', "<!DOC", "TYPE a [", "ITY a 'b'>", "<!ENT"),
                ]
            ),
            max_size=14,
        )
    )
    @example(["<!--", "<a>", "-->", "<!DOCTYPE a [", '<!ENTITY a "b">', "]>", "<a/>"])
    def test_what_passes_declares_nothing(self, pieces: list[str]) -> None:
        """Nothing that passes declares an entity or an attribute to expat, nor an entity to feedparser and lxml."""
        try:
            text = decode_page("".join(pieces).encode(), "text/xml; charset=utf-8")
            look(text)
        except ParseError:
            return
        assert declared(text) == []
        assert feedparser.sanitizer.replace_doctype(text.encode())[2] == {}
        assert declared(feedparser.sanitizer.replace_doctype(text.encode())[1].decode()) == []
        try:
            root = etree.fromstring(text.encode(), etree.XMLParser(recover=True, resolve_entities=False))
        except etree.XMLSyntaxError:
            return
        dtd = root.getroottree().docinfo.internalDTD if root is not None else None
        assert dtd is None or not list(dtd.iterentities())

    @given(st.text("<!>DOCTYPEN[]\"'-?% aé&;\n", max_size=60))
    def test_nor_does_any_other_text(self, text: str) -> None:
        """The same for texts that are made of single characters behind a document type."""
        for before in ("", "<!DOCTYPE a [", '<!DOCTYPE a SYSTEM "'):
            if passes(before + text):
                assert declared(before + text) == []

    def test_the_oracle_sees_declarations(self) -> None:
        """The check above can fail: expat tells what such documents declare."""
        assert declared('<!DOCTYPE a [<!ENTITY b "c"><!ATTLIST d e CDATA "f">]><a/>') == ["b", "d"]

    def test_chain_that_kills(self) -> None:
        """Thirty thousand chained entities, 769 kB, are refused before any parser sees them."""
        chain = "".join(f'<!ENTITY e{n} "&e{n + 1};">' for n in range(30_000))
        with pytest.raises(ParseError, match=DECLARES):
            look(f'<!DOCTYPE rss [{chain}<!ENTITY e30000 "x">]><rss>&e0;</rss>')


class TestShapes:
    def test_depth(self) -> None:
        """Five hundred elements inside each other pass; one more does not, be it empty or without an end."""
        look("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH)
        look("<a>" * (MAX_DEPTH - 1) + "<a/>" * 2 + "</a>" * (MAX_DEPTH - 1))
        look("<r>" + "<a><b></a>" * 2_000 + "<c/>" * 2_000 + "</r>")
        for text in (
            "<a>" * (MAX_DEPTH + 1),
            "<a>" * MAX_DEPTH + "<a/>",
            "<r>" + "<a><![CDATA[</a>]]><!--</a>--><?a </a>?>" * MAX_DEPTH,
        ):
            with pytest.raises(ParseError, match="nested deeper than 500"):
                look(text)

    def test_markup_that_is_text_is_not_counted(self) -> None:
        """What stands in comments and CDATA is no element."""
        look("<a><![CDATA[" + "<p>" * 2_000 + "]]><!--" + "<p>" * 2_000 + "--></a>")

    @given(
        st.lists(
            st.sampled_from(
                [
                    "<a>",
                    "<b>",
                    "</a>",
                    "</b>",
                    "<a/>",
                    "<a b='/'>",
                    '<a b=">">',
                    "<a b='</a>'>",
                    "<![CDATA[",
                    "]]>",
                    "<!--",
                    "-->",
                    "<?a",
                    "?>",
                    "x",
                    " ",
                    "<a ",
                    "/>",
                    ">",
                    '"',
                    "'",
                    "<a\n>",
                    "</a >",
                    "<a b='c'/>",
                ]
            ),
            max_size=40,
        )
    )
    @example(["<a>", "<a>", "<a>", "<a>", "<a/>"])
    def test_no_document_is_deeper_than_it_looks(self, pieces: list[str]) -> None:
        """What expat nests deeper than allowed is refused."""
        text = "<a>" * (MAX_DEPTH - 4) + "".join(pieces)
        if depth(text) > MAX_DEPTH:
            assert not passes(text)

    def test_attributes(self) -> None:
        """A thousand attributes pass, more do not, however they are written; words in a value are none."""
        look("<a " + " ".join(f"b{n}='c d e'" for n in range(MAX_ATTRIBUTES)) + "/>")
        look('<a b="' + "c d=e " * 5_000 + '"/>')
        look("<a>" + "b c=d " * 5_000 + "</a>")
        many = range(MAX_ATTRIBUTES + 1)
        for attributes in (
            " ".join(f'b{n}="c"' for n in many),
            "".join(f"b{n}='c'" for n in many),
            " ".join(f'b{n} = ">"' for n in many),
            "z='\"' " + " ".join(f"b{n}=''" for n in many),
            " ".join(f"b{n}=c" for n in many),
            " ".join(f"b{n}" for n in many),
        ):
            for end in (">", "/>", ""):
                with pytest.raises(ParseError, match="more than 1,000 attributes"):
                    look(f"<r><a {attributes}{end}")

    @pytest.mark.parametrize(
        "frame", ['<a b="%s">', "<a b='%s'/>", "<%s>", "</%s>", "<!--%s-->", "<?%s?>", "<a b='%s", "<!--%s"]
    )
    def test_long_pieces(self, frame: str) -> None:
        """A tag, a comment or an instruction of a mebibyte is refused; a CDATA section of that size is not."""
        look(f"<r><![CDATA[{'x' * MAX_TAG_LENGTH}]]>{'y' * MAX_TAG_LENGTH}</r>")
        with pytest.raises(ParseError, match="more than 1 MiB"):
            look("<r>" + frame % ("x" * MAX_TAG_LENGTH))


class TestTime:
    @pytest.mark.parametrize(
        "piece",
        [
            *(
                "<!--",
                "<![CDATA[",
                "<?",
                "<",
                "<a/>",
                "<a></a>",
                "<!DOCTYPE ",
                "%a",
                "%",
                '"',
                "='",
                "<a b='",
                '<a "',
                "</a>",
            ),
            *("<!", "-", "]", "<!DOCTYPE a [", "x", " ", "<é", "<!ENTIT", "<a b c=d "),
        ],
    )
    @pytest.mark.parametrize("before", ["", "<a ", "<!DOCTYPE a [", "<r>"])
    def test_grows_with_the_length_alone(self, piece: str, before: str) -> None:
        """Five megabytes of anything are looked at in a moment."""
        text = before + piece * (5_000_000 // len(piece))
        started = time.process_time()
        passes(text)
        assert time.process_time() - started < SECONDS_FOR_THE_WORST / 2

    def test_a_large_feed(self) -> None:
        """Fifty megabytes of an ordinary feed take a second or two."""
        link = "<link>https://example.org/?a=b</link>"
        item = f"<item><title>题目 &amp; text</title>{link}<description>{'&lt;p&gt;x ' * 80}</description></item>"
        text = f"<rss><channel>{item * 55_000}</channel></rss>"
        started = time.process_time()
        look(text)
        assert time.process_time() - started < SECONDS_FOR_THE_WORST


@given(st.text())
def test_nothing_but_the_named_error(text: str) -> None:
    """Any text passes or is refused, and nothing else happens."""
    passes(text)


def test_what_passes_can_be_parsed() -> None:
    """A feed at every limit is read by the parser in a moment."""
    attributes = " ".join(f"b{n}='c'" for n in range(MAX_ATTRIBUTES))
    text = f"<rss a='{'x' * (MAX_TAG_LENGTH - 10)}'>" + f"<a {attributes}>" * (MAX_DEPTH - 1)
    text += "</a>" * (MAX_DEPTH - 1) + "</rss>"
    look(text)
    started = time.process_time()
    xml.sax.parse(io.BytesIO(text.encode()), xml.sax.ContentHandler())
    assert time.process_time() - started < SECONDS_FOR_THE_WORST
