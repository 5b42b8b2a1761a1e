import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles import lead
from feedbridge.articles.dates import read_date
from feedbridge.articles.lead import Lead, authors, read_lead
from feedbridge.model import Person

PLAIN = ("div", "p", "b", "em", "i", "span", "strong")


class TestReadLead:
    @pytest.mark.parametrize(
        ("html", "date_text", "author"),
        [
            ("<div><i>Wed, 12 Jul 2023 09:38:33 GMT</i></div>", "Wed, 12 Jul 2023 09:38:33 GMT", None),
            ("<div><i>2020-07-20T10:20:18</i></div>", "2020-07-20T10:20:18", None),
            ("<div><i>文 山<br>2020-07-20 19:22:17</i></div>", "2020-07-20 19:22:17", "文 山"),
            ("<div><i><br>2020-07-01T11:53:07.784Z</i></div>", "2020-07-01T11:53:07.784Z", None),
            ("<div>01/07/2020 - 23:08</div>", "01/07/2020 - 23:08", None),
            ("<div><i>2020年 6月 24日</i></div>", "2020年 6月 24日", None),
            ("<p>12 July 2023</p>", "12 July 2023", None),
            ('<p><time datetime="x">July 12, 2023 9:38 AM</time></p>', "July 12, 2023 9:38 AM", None),
            ("<div class=x><span>ANN LEE</span><br/>\n<b>2020.07.20</b></div>", "2020.07.20", "ANN LEE"),
            ("<div>2020-07-20<br>ANN LEE</div>", "2020-07-20", "ANN LEE"),
            ("<div>ANN LEE<br>BOB RAY<br>2020-07-20</div>", "2020-07-20", "ANN LEE, BOB RAY"),
            ("<div><i>\u3000\u3000文山\u3000<br>&nbsp;2020-07-20\u3000</i></div>", "2020-07-20", "文山"),
            ("<div>O&#39;Neill<br>2020-07-20</div>", "2020-07-20", "O'Neill"),
            ("<div><!-- x --><i>2020-07-20</i></div>", "2020-07-20", None),
            ("<div>日期：Tue, 16 Jun 2020 22:05:25 +0000</div>", "Tue, 16 Jun 2020 22:05:25 +0000", None),
            ("日期：Tue, 16 Jun 2020 22:05:25 +0000", "Tue, 16 Jun 2020 22:05:25 +0000", None),
        ],
    )
    def test_head_block(self, html: str, date_text: str, author: str | None) -> None:
        """A block of a date, alone or beside an author, is read."""
        assert read_lead(html) == Lead(date_text=date_text, author=author)

    @pytest.mark.parametrize(
        ("line", "author"),
        [
            ("TIFFANY MAY,TIFFANY MAY", "TIFFANY MAY"),
            ("黄安伟，黄安伟", "黄安伟"),
            ("ANN LEE,BOB RAY,ANN LEE,BOB RAY", "ANN LEE, BOB RAY"),
            ("ANN LEE,BOB RAY", "ANN LEE,BOB RAY"),
            ("文山（综合报道）", "文山（综合报道）"),
            ("null 文山", "文山"),
            ("null", None),
            ("作者：文山", "文山"),
            ("---", None),
        ],
    )
    def test_author_line(self, line: str, author: str | None) -> None:
        """A doubled name is given once, an empty one not at all; all else stays as it was written."""
        assert read_lead(f"<div><i>{line}<br>2020-07-20</i></div>") == Lead(date_text="2020-07-20", author=author)

    @pytest.mark.parametrize(
        "html",
        [
            "",
            "<div></div>",
            "<p>It rained on 12 July 2023.</p>",
            "<p>2023年7月12日，北京下雨。</p>",
            "<p>2023年7月</p>",
            "<div><i>2020-02-30</i></div>",
            "<p>1689154743</p>",
            "<p>20200720</p>",
            '<div>2020-07-20<img src="x"></div>',
            '<div><a href="x">ANN LEE</a><br>2020-07-20</div>',
            "<div><h2>ANN LEE</h2>2020-07-20</div>",
            "<h1>2020-07-20</h1>",
            "<ul><li>2020-07-20</li></ul>",
            "<div>2020-07-20<script>1</script></div>",
            "<div>A<br>B<br>C<br>2020-07-20</div>",
            "<div>2020-07-20<br>2020-07-21</div>",
            f"<div>{'x' * 81}<br>2020-07-20</div>",
            "<div><div>2020-07-20</div><p>The text.</p></div>",
            "<div>2020-07-20</div></div><p>The text that follows a stray end tag.</p>",
            "2020-07-20</div></div></body></html>The text.",
        ],
    )
    def test_part_of_the_text(self, html: str) -> None:
        """Whatever holds more than a date and an author stays in the article."""
        assert read_lead(html) is None

    def test_long_block(self) -> None:
        """A block of more than 2,000 characters is not looked at."""
        fitting = f"<div>{' ' * 1979}2020-07-20</div>"

        assert len(fitting) == 2_000
        assert read_lead(fitting) == Lead(date_text="2020-07-20", author=None)
        assert read_lead(" " + fitting) is None

    def test_deep_nesting(self) -> None:
        """Nesting as deep as the block is long does no harm."""
        assert read_lead("<i>" * 600 + "2020-07-20") in (None, Lead(date_text="2020-07-20", author=None))

    @given(
        st.lists(
            st.one_of(
                st.text(max_size=20),
                st.sampled_from(
                    ["<div>", "</div>", "<br>", "<i>", "<?xml version='1.0'?>", "<!--", "-->", "<![CDATA[", "&#xD83D;"]
                ),
                st.sampled_from(["2020-07-20", "<html>", "<!DOCTYPE x>", "<svg>", "<template>", "&#x110000;", "<p>"]),
            ),
            max_size=12,
        ).map("".join)
    )
    def test_any_html(self, html: str) -> None:
        """Nothing raises or warns, and a lead always has a date that can be read."""
        found = read_lead(html)

        assert found is None or read_date(found.date_text) is not None

    @given(
        st.lists(
            st.one_of(
                st.text("a1 -\n\u3000\u00a0文", max_size=9),
                st.sampled_from(
                    ["<br>", "<br/>", "2020-07-20", *(f"<{end}{tag}>" for tag in PLAIN for end in ("", "/"))]
                ),
            ),
            max_size=12,
        ).map("".join)
    )
    def test_what_is_plainly_written_needs_no_parser(self, html: str) -> None:
        """Its lines are those that a parser finds, whatever tags are left open or stray."""
        assert lead._PLAIN.fullmatch(html)
        assert lead._plain_lines(html) == lead._lines(html)


class TestAuthors:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("ANN LEE", ["ANN LEE"]),
            ("  ANN \n LEE ", ["ANN LEE"]),
            ("ANN LEE,BOB RAY", ["ANN LEE", "BOB RAY"]),
            ("张三、李四，王五", ["张三", "李四", "王五"]),
            ("ANN LEE, ANN LEE", ["ANN LEE"]),
            ("B, A, B", ["B", "A"]),
            ("ANN LEE,, ", ["ANN LEE"]),
            (f"ANN LEE, {'of ' * 14}it", [f"ANN LEE, {'of ' * 14}it"]),
            ("", []),
            (" , -", []),
            ("a," * 501, []),
        ],
    )
    def test_names(self, text: str, names: list[str]) -> None:
        """Short parts are persons, each once and in order; long ones stay together; no name is nobody."""
        assert authors(text) == tuple(Person(name=name) for name in names)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Nobody is named twice, and every name can be seen."""
        names = [person.name for person in authors(text)]

        assert len(names) == len(set(names))
        assert all(name == name.strip() and name for name in names)
