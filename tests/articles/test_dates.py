import time
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.dates import (
    Dates,
    ParsedDate,
    date_in_file_name,
    date_in_link,
    judge,
    read_date,
)
from feedbridge.model import Witness

SHANGHAI = ZoneInfo("Asia/Shanghai")
LATER = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    """Read our own notation of an instant."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def parse_date(text: str, *, zone: tzinfo = UTC) -> datetime | None:
    """The instant that is read."""
    found = read_date(text, zone=zone)
    return found.value if found else None


class TestReading:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Mon, 20 Jul 2020 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Mon,20 Jul 2020 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("20 Jul 2020 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Sun, 20 Jul 2020 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Monday, 20 July 2020 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Mon, 20 Jul 20 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Mon, 20 Jul 98 19:22:03 GMT", "1998-07-20 19:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 Q", "2020-07-20 19:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 NZST", "2020-07-20 07:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 ACST", "2020-07-20 09:52:03"),
            ("Mon, 20 Jul 2020 19:22:03 NDT", "2020-07-20 21:52:03"),
            ("Mon, 20 Jul 2020 19:22:03 +0545", "2020-07-20 13:37:03"),
            ("Mon, 20-Jul-20 19:22:03 EST", "2020-07-21 00:22:03"),
            ("Mon, 20 Jul 2020 19:22 GMT", "2020-07-20 19:22:00"),
            ("Thu, 3 Sept 2020 1:2:3 UT", "2020-09-03 01:02:03"),
            ("Mon, 20 Jul 2020 19:22:03 EST", "2020-07-21 00:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 PDT", "2020-07-21 02:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 CST", "2020-07-21 01:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 Z", "2020-07-20 19:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 -0000", "2020-07-20 19:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 -0330", "2020-07-20 22:52:03"),
            ("Mon, 20 Jul 2020 19:22:03 GMT+0800", "2020-07-20 11:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 UTC+8", "2020-07-20 11:22:03"),
            ("Mon, 20 Jul 2020 19:22:03 +0800 (CST)", "2020-07-20 11:22:03"),
            ("Monday, 20-Jul-20 19:22:03 GMT", "2020-07-20 19:22:03"),
            ("Mon Jul 20 2020 19:22:03 GMT+0800 (China Standard Time)", "2020-07-20 11:22:03"),
            ("Mon Jul 20 19:22:03 UTC 2020", "2020-07-20 19:22:03"),
        ],
    )
    def test_rss_dates(self, text: str, expected: str) -> None:
        """RFC 822 is read as feeds really write it, with the zone that they name."""
        found = read_date(text, zone=SHANGHAI)

        assert found is not None
        assert (found.value, found.has_time, found.has_zone) == (at(expected), True, True)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2020-07-20T14:58:19Z", "2020-07-20 14:58:19"),
            ("2020-07-20t14:58:19z", "2020-07-20 14:58:19"),
            ("2020-07-20T14:58:19.999Z", "2020-07-20 14:58:19"),
            ("2020-07-20T14:58:19,5+0800", "2020-07-20 06:58:19"),
            ("2020-07-20T14:58:19.123456789+05:30", "2020-07-20 09:28:19"),
            ("2020-07-20 14:58:19 +08:00", "2020-07-20 06:58:19"),
            ("2020-07-20T14:58-04:00", "2020-07-20 18:58:00"),
            ("20200720T145819Z", "2020-07-20 14:58:19"),
        ],
    )
    def test_iso_dates_with_a_zone(self, text: str, expected: str) -> None:
        """ISO 8601 is read with a space, comma decimals and any spelling of the offset."""
        found = read_date(text, zone=SHANGHAI)

        assert found is not None
        assert (found.value, found.has_time, found.has_zone) == (at(expected), True, True)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2020-07-20T14:58:19", "2020-07-20 14:58:19"),
            ("2020-07-20 14:58:19.25", "2020-07-20 14:58:19"),
            ("  2020-07-20\u300014:58\n", "2020-07-20 14:58:00"),
            ("20/07/2020 - 17:50", "2020-07-20 17:50:00"),
            ("20/07/2020 – 17:50", "2020-07-20 17:50:00"),
            ("20.07.2020, 17:50", "2020-07-20 17:50:00"),
            ("２０２０－０７－２０　１９：２２：１７", "2020-07-20 19:22:17"),
            ("2023年7月12日 上午9:38", "2023-07-12 09:38:00"),
            ("2023年7月12日上午12:38", "2023-07-12 00:38:00"),
            ("2023年7月12日 下午9:38", "2023-07-12 21:38:00"),
            ("2023年7月12日 下午12:38", "2023-07-12 12:38:00"),
            ("2023年7月12日 下午 15:38", "2023-07-12 15:38:00"),
            ("2023年7月12日 晚上9:38", "2023-07-12 21:38:00"),
            ("2023年7月12日 晚上12:00", "2023-07-13 00:00:00"),
            ("2023年7月12日 凌晨12:38", "2023-07-12 00:38:00"),
            ("2023年7月12日 凌晨3:38", "2023-07-12 03:38:00"),
            ("2023年7月12日 深夜2:00", "2023-07-12 02:00:00"),
            ("2023年7月12日 深夜11:30", "2023-07-12 23:30:00"),
            ("2023年7月12日 中午11:38", "2023-07-12 11:38:00"),
            ("2023年7月12日 中午12:38", "2023-07-12 12:38:00"),
            ("2023年7月12日 中午1:38", "2023-07-12 13:38:00"),
            ("２０２３年７月１２日　９：３８", "2023-07-12 09:38:00"),
            ("2023年7月12日（星期三）9时38分20秒", "2023-07-12 09:38:20"),
            ("2023 年 7 月 12 日 周三 下午 5點", "2023-07-12 17:00:00"),
            ("2023/7/12 下午 03:20:11", "2023-07-12 15:20:11"),
            ("民國112年8月1日 下午3:05", "2023-08-01 15:05:00"),
            ("July 12, 2023 9:38 AM", "2023-07-12 09:38:00"),
            ("July 12th, 2023, 9:38 p.m.", "2023-07-12 21:38:00"),
            ("Jul. 12, 2023 at 12:38 am", "2023-07-12 00:38:00"),
            ("12 July 2023 12pm", "2023-07-12 12:00:00"),
            ("Wed Jul 12 09:38:33 2023", "2023-07-12 09:38:33"),
        ],
    )
    def test_times_without_a_zone(self, text: str, expected: str) -> None:
        """Where no zone is named, the given one is assumed, and the result says so."""
        found = read_date(text, zone=SHANGHAI)

        assert found is not None
        assert found.value == at(expected) - timedelta(hours=8)
        assert (found.has_time, found.has_zone) == (True, False)

    @pytest.mark.parametrize(
        "text",
        [
            *("2020-07-04", "2020/07/04", "2020.07.04", "2020/7/4", "20200704", "04/07/2020", "4.7.2020"),
            *("2020年 7月 4日", "2020年7月4日", "２０２０年７月４日", "2020 年 7 月 4 日（星期六）", "民國109年7月4日"),
            *("民国 109 年 7 月 4 日", "中華民國109年7月4日", "\u200e2020\u200e年\u200e7\u200e月\u200e4\u200e日"),
            *("4 July 2020", "July 4, 2020", "Saturday, July 4th, 2020", "Sat, 4 Jul 20", "2020年7月4號"),
        ],
    )
    def test_days(self, text: str) -> None:
        """A day is the midnight with which it begins in the assumed zone; slashes have the day first."""
        assert read_date(text, zone=SHANGHAI) == ParsedDate(
            value=at("2020-07-03 16:00:00"),
            day=date(2020, 7, 4),
            has_time=False,
            has_zone=False,
            midnight=False,
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1689154743", "2023-07-12 09:39:03"),
            ("996595200000", "2001-07-31 16:00:00"),
            ("1689154743999", "2023-07-12 09:39:03"),
            ("1689154743999999", "2023-07-12 09:39:03"),
        ],
    )
    def test_epochs(self, text: str, expected: str) -> None:
        """The number of digits tells seconds, milliseconds (12 too) and microseconds apart."""
        found = read_date(text, zone=SHANGHAI)

        assert found is not None
        assert (found.value, found.has_time, found.has_zone) == (at(expected), True, True)

    @pytest.mark.parametrize("text", ["2020-07-20T00:00:00", "2020-07-20 00:00", "2020-07-20T00:00:00Z"])
    def test_literal_midnight_is_told(self, text: str) -> None:
        """A literal 00:00:00 is read as a time, but marked."""
        found = read_date(text)

        assert found is not None
        assert (found.value, found.has_time, found.midnight) == (at("2020-07-20 00:00:00"), True, True)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2016-12-31T23:59:60Z", "2016-12-31 23:59:59"),
            ("2020-07-20T24:00:00Z", "2020-07-21 00:00:00"),
            ("2020-02-29", "2020-02-29 00:00:00"),
        ],
    )
    def test_odd_but_real(self, text: str, expected: str) -> None:
        """A leap second is the one before it, hour 24 is the next day's start."""
        assert parse_date(text) == at(expected)

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "NaN", "null", "yesterday", "0", "-1594752600", "159475260", "15947526000", "1e12", "١٢"),
            *("2020", "2020-07", "2020-02-30", "2021-02-29", "2020-13-01", "2020-00-10", "31/04/2020"),
            *("07/20/2020", "20/07/20", "2020-07/20", "0000-01-01", "10000-01-01", "0000年1月1日"),
            *("2020-07-20T24:00:01Z", "2020-07-20T25:00", "2020-07-20T10:60", "2020-07-20T10:20:61"),
            *("2020-07-20T10:20+15:00", "2020-07-20T10:20+08:75", "2020-07-20 10:20 XYZ", "2020-07-20 10:"),
            *("2020年7月20日 上午13:00", "July 20, 2020 13:00 AM", "2020-07-20 17", "2020-07-20-17"),
            *("on 2020-07-20", "2020-07-20 (updated)", "2020-07-20 2020-07-21", "20 Jul 20209:38"),
            *("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00", "9999-12-31T24:00:00Z"),
            *("Mon, 20 Foo 2020 10:20:00 GMT", "Foo, 20 Jul 2020 10:20:00 GMT", "\ud83d", "１" * 150, "ﷺ" * 150),
        ],
    )
    def test_not_a_date(self, text: str) -> None:
        """What is no whole, possible date is None: no guess, no exception."""
        assert parse_date(text) is None

    def test_overlong_text(self) -> None:
        """Only 200 characters are looked at, however the rest may read."""
        assert parse_date("2020-07-20T10:20:30." + "0" * 180) == at("2020-07-20 10:20:30")
        assert parse_date("2020-07-20T10:20:30." + "0" * 181) is None

    def test_daylight_saving_of_the_assumed_zone(self) -> None:
        """The offset is the one in force on that day."""
        paris = ZoneInfo("Europe/Paris")

        assert parse_date("01/07/2020 - 23:08", zone=paris) == at("2020-07-01 21:08:00")
        assert parse_date("01/01/2020 - 23:08", zone=paris) == at("2020-01-01 22:08:00")

    def test_machine_zone_is_never_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same text is the same instant wherever it is read."""
        texts = ["2020-07-20 10:20", "2020年7月20日", "Mon Jul 20 10:20:00 2020", "1595240400", "July 20, 2020 9 am"]
        expected = [parse_date(text) for text in texts]
        link = Witness(kind="link", text="https://example.org/2020/07/20/x")
        verdict = judge([link], zone=UTC, first_seen=LATER)
        try:
            monkeypatch.setenv("TZ", "Pacific/Kiritimati")
            time.tzset()
            assert time.timezone == -14 * 3600
            assert [parse_date(text) for text in texts] == expected
            assert judge([link], zone=UTC, first_seen=LATER) == verdict
        finally:
            monkeypatch.undo()
            time.tzset()

    @given(
        st.one_of(
            st.text(),
            st.text(alphabet="0123456789-/.:,年月日上下午TZ+ ()amp", max_size=40),
            st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{4}|Z)?\Z"),
        ),
        st.sampled_from([UTC, SHANGHAI, timezone(timedelta(hours=-12, microseconds=1))]),
    )
    def test_any_text(self, text: str, zone: timezone | ZoneInfo) -> None:
        """Nothing raises, and whatever comes out is in UTC and in whole seconds."""
        found = parse_date(text, zone=zone)

        assert found is None or (found.tzinfo is UTC and found.microsecond == 0)

    @given(
        st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
        st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        st.sampled_from(
            [
                *("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%f %z", "%Y/%m/%d %I:%M:%S %p %z"),
                *("%d/%m/%Y - %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z", "%A, %d %B %Y %H:%M:%S GMT%z"),
                *("%B %d, %Y %I:%M:%S %p %z", "%a %b %d %Y %H:%M:%S GMT%z", "%a %b %d %H:%M:%S %z %Y"),
                *("%Y年%m月%d日 %H:%M:%S%z", "%Y%m%dT%H%M%S%z"),
            ]
        ),
    )
    def test_written_dates_are_read_back(self, moment: datetime, zone: timezone, form: str) -> None:
        """A date written in any known form is the same instant when it is read."""
        moment = moment.replace(tzinfo=zone, microsecond=0)

        assert parse_date(moment.strftime(form)) == moment


class TestInsideNames:
    @pytest.mark.parametrize(
        ("link", "expected"),
        [
            ("https://example.org/2020/07/20/title", "2020-07-20"),
            ("https://example.org/2020/7/4/title", "2020-07-04"),
            ("https://example.org/cn/20200720-title", "2020-07-20"),
            ("https://example.org/a/title-20200720/5486782.html", "2020-07-20"),
            ("https://example.org/title-2020-07-20.html", "2020-07-20"),
            ("https://example.org/2020-07/20/c_112.htm", "2020-07-20"),
            ("https://example.org/n1/2020/0720/c1002.html", "2020-07-20"),
            ("https://example.org/t20200720_5528321.html", "2020-07-20"),
            ("https://example.org/news/lf-07142020141643.html", "2020-07-14T14:16:43"),
            ("https://example.org/news/20200714141643.html", "2020-07-14T14:16:43"),
            ("https://example.org/%E4%B8%8020200720-x", "2020-07-20"),
            ("https://example.org/%25E4%25B8%258020200720-x", "2020-07-20"),
            ("https://example.org/2020/02/30/2020/03/01/", "2020-03-01"),
            ("https://example.org/2020/2020/07/20/", "2020-07-20"),
            ("https://archive.example/web/20210101123456/https://example.org/2020/07/20/x", "2020-07-20"),
            ("/2020/07/20/x", "2020-07-20"),
        ],
    )
    def test_date_in_link(self, link: str, expected: str) -> None:
        """A path gives away the day, or the second, in the ways that publishers write it."""
        assert date_in_link(link) == expected
        assert read_date(expected) is not None

    @pytest.mark.parametrize(
        "link",
        [
            *("", "https://", "http://[", "https://example.org/2020/07/", "https://example.org/a-54193096"),
            *("https://example.org/120200720", "https://example.org/202007201", "https://example.org/x?d=2020-07-20"),
            *("https://example.org/#2020-07-20", "https://2020-07-20.example.org/x", "https://example.org/2020/13/01"),
            *("https://example.org/1989/07/20/x", "https://example.org/2101/07/20/x", "https://example.org/20200230"),
            *("https://example.org/07142020256643", "https://example.org/20200720abc", "https://example.org/2020/072"),
        ],
    )
    def test_no_date_in_link(self, link: str) -> None:
        """Ids, hosts, queries, months alone and impossible days are not dates."""
        assert date_in_link(link) is None

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("_posts/2020-07-20-title.md", "2020-07-20"),
            ("a/b/2020-07-20.md", "2020-07-20"),
            ("20200720_标题.md", "2020-07-20"),
            ("2020-7-4-title.md", "2020-07-04"),
            ("2020-07-20-line\nbreak.md", "2020-07-20"),
            ("2020-02-30-title.md", None),
            ("1048060_title.md", None),
            ("20200720123_title.md", None),
            ("title-2020-07-20.md", None),
            ("2020/07/20/title.md", None),
            ("", None),
        ],
    )
    def test_date_in_file_name(self, path: str, expected: str | None) -> None:
        """A day counts at the start of the base name alone."""
        assert date_in_file_name(path) == expected

    @given(st.one_of(st.text(), st.text(alphabet="0123456789/-_.%", max_size=60)))
    def test_any_name(self, text: str) -> None:
        """Nothing raises, and what is found can be read."""
        for found in (date_in_link(text), date_in_file_name(text)):
            assert found is None or read_date(found) is not None


def judged(*witnesses: tuple[str, str], zone: timezone | ZoneInfo = UTC, first_seen: datetime = LATER) -> Dates:
    return judge([Witness(kind=kind, text=text) for kind, text in witnesses], zone=zone, first_seen=first_seen)


def notes(verdict: Dates) -> list[tuple[str, str]]:
    return [(one.kind, one.note) for one in verdict.testimonies]


MARKER = ("marker", "1689154743000")  # 2023-07-12T09:39:03Z
NAN = ("marker", "NaN")


class TestJudging:
    def test_seed(self) -> None:
        """The publisher's own date is `published`, the mirror's stamp is `updated`."""
        verdict = judged(
            MARKER, ("body", "Wed, 12 Jul 2023 09:38:33 GMT"), ("link", "https://example.org/a/7177925.html")
        )

        assert verdict.published == at("2023-07-12 09:38:33")
        assert verdict.updated == verdict.stamp == at("2023-07-12 09:39:03")
        assert notes(verdict) == [
            ("body", "taken as published"),
            ("marker", "taken as updated"),
            ("link", "holds no date"),
            ("first-seen", "not needed, a better witness speaks"),
        ]

    def test_order_of_belief(self) -> None:
        """With the better witnesses taken away one by one, the next in the archive format's order speaks."""
        ranked = [
            ("published", "Wed, 12 Jul 2023 09:00:00 GMT"),
            ("body", "Wed, 12 Jul 2023 09:01:00 GMT"),
            ("marker", "1689152520000"),
            ("front-matter", "2023-07-12T09:03:00Z"),
            ("published", "2023-07-12 09:04:00"),
            ("body", "2023-07-12 09:05:00"),
            ("link", "https://example.org/07122023090600"),
            ("file-name", "2023-07-12-title.md"),
            ("updated", "2023-07-12T09:08:00Z"),
        ]
        published = []
        for start in range(len(ranked)):
            verdict = judged(*reversed(ranked[start:]))
            published.append(verdict.published)
            assert [(one.kind, one.text) for one in verdict.testimonies[:-1]] == ranked[start:]

        # The file's name knows only the day, so that the one after it gives the time.
        minutes = [0, 1, 2, 3, 4, 5, 6, 8, 8]
        assert published == [at("2023-07-12 09:00:00") + timedelta(minutes=minute) for minute in minutes]

    def test_broken_marker_puts_front_matter_back(self) -> None:
        """Beside NaN the front matter comes after the body's date without a zone, and is no stamp."""
        body = ("body", "2021-05-28 10:00:00")
        front_matter = ("front-matter", "2021-05-29T08:11:41.766Z")

        broken = judged(NAN, front_matter, body)
        missing = judged(front_matter, body)

        assert (broken.published, broken.updated, broken.stamp) == (at("2021-05-28 10:00:00"),) * 2 + (None,)
        assert notes(broken)[0] == ("marker", "not a date")
        assert missing.published == missing.updated == missing.stamp == at("2021-05-29 08:11:41")

    def test_broken_marker_and_front_matter_alone(self) -> None:
        """Beside NaN the front matter still speaks before link and file name."""
        verdict = judged(NAN, ("front-matter", "2021-05-29T08:11:41Z"), ("file-name", "2021-05-20-x.md"))

        assert (verdict.published, verdict.stamp) == (at("2021-05-29 08:11:41"), None)

    @pytest.mark.parametrize(
        "coarse", [("front-matter", "2023-07-12"), ("front-matter", "2023-07-12T00:00:00"), ("body", "2023年 7月 12日")]
    )
    def test_finer_witness_of_the_same_day(self, coarse: tuple[str, str]) -> None:
        """Day precision, a literal midnight too, gives way to a finer witness of that day."""
        verdict = judged(coarse, ("link", "https://example.org/07122023141643"))

        assert verdict.published == at("2023-07-12 14:16:43")
        assert notes(verdict)[0] == (coarse[0], "names only the day, and a finer witness speaks of it")

    def test_zoned_midnight_of_an_archive(self) -> None:
        """Midnight with a zone in the body gives way to the marker of that day."""
        verdict = judged(MARKER, ("body", "Wed, 12 Jul 2023 00:00:00 GMT"))

        assert verdict.published == at("2023-07-12 09:39:03")

    def test_zoned_midnight_of_a_feed(self) -> None:
        """A feed that names midnight and a zone is taken at its word."""
        verdict = judged(("published", "2023-07-12T00:00:00Z"), ("updated", "2023-07-12T10:00:00Z"))

        assert verdict.published == at("2023-07-12 00:00:00")
        assert verdict.updated == at("2023-07-12 10:00:00")

    def test_day_in_the_zone_of_the_source(self) -> None:
        """The named day is that of the source's zone: its evening belongs to it, in UTC still the day before."""
        evening_before = ("updated", "2023-07-11T20:00:00Z")
        day = ("body", "2023年7月12日")

        assert judged(day, evening_before, zone=SHANGHAI).published == at("2023-07-11 20:00:00")
        assert judged(day, evening_before, zone=UTC).published == at("2023-07-12 00:00:00")

    def test_finer_witness_of_another_day(self) -> None:
        """A finer witness of another day changes nothing."""
        verdict = judged(("front-matter", "2023-07-12"), ("body", "2023-07-14 10:00:00"))

        assert verdict.published == at("2023-07-12 00:00:00")
        assert notes(verdict)[1] == ("body", "differs by 2 days, and a better witness speaks")

    def test_marker_beats_a_day_of_its_own(self) -> None:
        """A body that names only the day agrees with the marker and changes nothing."""
        verdict = judged(MARKER, ("body", "2023年 7月 12日"))

        assert verdict.published == verdict.updated == at("2023-07-12 09:39:03")
        assert notes(verdict)[:2] == [
            ("marker", "taken as published and updated"),
            ("body", "agrees, but a better witness speaks"),
        ]

    def test_future_witness(self) -> None:
        """More than a day after first sight is not believed; the next witness is taken."""
        verdict = judged(("body", "Wed, 12 Jul 2023 09:38:33 GMT"), MARKER, first_seen=at("2020-07-01 00:00:00"))

        assert verdict.published == verdict.updated == at("2020-07-01 00:00:00")
        assert verdict.stamp is None
        assert notes(verdict) == [
            ("body", "lies 3 years after first sight"),
            ("marker", "lies 3 years after first sight"),
            ("first-seen", "taken as published and updated"),
        ]

    @pytest.mark.parametrize(
        ("text", "note"),
        [
            ("2020-07-02T00:00:00Z", "taken as published and updated, cut to first sight"),
            ("2020-07-02T00:00:01Z", "lies 24 hours after first sight"),
        ],
    )
    def test_a_day_of_grace(self, text: str, note: str) -> None:
        """Up to a day after first sight is believed, but cut to it."""
        first_seen = at("2020-07-01 00:00:00")
        verdict = judged(("front-matter", text), first_seen=first_seen)

        assert verdict.published == verdict.updated == first_seen
        assert notes(verdict)[0] == ("front-matter", note)

    def test_before_1990(self) -> None:
        """An epoch of nought and its like are not believed."""
        verdict = judged(("published", "Thu, 01 Jan 1970 00:00:00 GMT"), ("front-matter", "1990-01-01T10:00:00Z"))

        assert verdict.published == at("1990-01-01 10:00:00")
        assert notes(verdict)[0] == ("published", "lies before 1990")

    def test_body_long_after_the_marker(self) -> None:
        """A body date more than a day after the marker tells of something else."""
        verdict = judged(MARKER, ("body", "Fri, 14 Jul 2023 09:39:04 GMT"))

        assert verdict.published == verdict.updated == at("2023-07-12 09:39:03")
        assert notes(verdict)[0] == ("body", "lies 2 days after the marker")

    def test_body_just_after_the_marker(self) -> None:
        """Up to a day after the marker the body is believed, and is then the latest stamp."""
        verdict = judged(MARKER, ("body", "Thu, 13 Jul 2023 09:39:03 GMT"))

        assert verdict.published == verdict.updated == at("2023-07-13 09:39:03")

    def test_unbelieved_marker_refutes_nobody(self) -> None:
        """A marker of 1970 does not make the body's date too late."""
        verdict = judged(("marker", "000000000000"), ("body", "Wed, 12 Jul 2023 09:38:33 GMT"))

        assert verdict.published == at("2023-07-12 09:38:33")

    def test_nobody_speaks(self) -> None:
        """An unknown date is first sight, in whole seconds of UTC, and there is no stamp."""
        first_seen = datetime(2023, 7, 12, 17, 38, 33, 999_999, tzinfo=SHANGHAI)

        verdict = judged(first_seen=first_seen)

        assert (verdict.published, verdict.updated, verdict.stamp) == (at("2023-07-12 09:38:33"),) * 2 + (None,)
        assert [(one.kind, one.text) for one in verdict.testimonies] == [("first-seen", "2023-07-12T09:38:33Z")]

    @pytest.mark.parametrize(
        ("witness", "stamp"),
        [
            (MARKER, "2023-07-12 09:39:03"),
            (("updated", "2023-07-12T10:00:00Z"), "2023-07-12 10:00:00"),
            (("front-matter", "2023-07-12T10:00:00Z"), "2023-07-12 10:00:00"),
            (("front-matter", "2023-07-12T10:00:00"), None),
            (("front-matter", "2023-07-12"), None),
            (("body", "Wed, 12 Jul 2023 09:38:33 GMT"), "2023-07-12 09:38:33"),
            (("body", "2023-07-12 10:00:00"), None),
            (("published", "2023-07-12T10:00:00Z"), None),
            (("link", "https://example.org/07122023141643"), None),
            (("file-name", "2023-07-12-x.md"), None),
        ],
    )
    def test_stamps(self, witness: tuple[str, str], stamp: str | None) -> None:
        """Only marker, `updated` and what names its zone in body or front matter stamp a version."""
        assert judged(witness).stamp == (at(stamp) if stamp else None)

    def test_updated_is_not_before_published(self) -> None:
        """A stamp before the publisher's own date does not make the article older."""
        verdict = judged(("published", "2023-07-12T10:00:00Z"), ("updated", "2023-07-11T10:00:00Z"))

        assert verdict.updated == verdict.published == at("2023-07-12 10:00:00")
        assert verdict.stamp == at("2023-07-11 10:00:00")

    @pytest.mark.parametrize(
        ("updated", "link", "published"),
        [
            ("2023-07-14T10:00:00Z", "/x", "2023-07-14 10:00:00"),
            ("2023-07-12T10:00:00Z", "/2023/07/12/x", "2023-07-12 10:00:00"),
            ("2023-07-12T00:00:00Z", "/2023/07/12/x", "2023-07-12 00:00:00"),
            ("2023-07-12T00:30:00+08:00", "/2023/07/12/x", "2023-07-11 16:30:00"),
            ("2023-07-12T23:30:00-07:00", "/2023/07/12/x", "2023-07-13 06:30:00"),
            ("2023-07-11T09:00:00Z", "/2023/07/12/x", "2023-07-12 00:00:00"),
            ("2023-07-13T12:00:00Z", "/2023/07/12/x", "2023-07-12 00:00:00"),
            ("2023-07-14T10:00:00Z", "/2023/07/12/x", "2023-07-12 00:00:00"),
            ("2023-07-12", "/2023/07/12/x", "2023-07-12 00:00:00"),
        ],
    )
    def test_feed_that_gives_updated_alone(self, updated: str, link: str, published: str) -> None:
        """`updated` stands in for `published`: its instant counts where it can fall on the day in the link.

        The link's day has no zone; days later the item was edited, and the day in the link is the better witness.
        """
        assert judged(("updated", updated), ("link", link)).published == at(published)

    def test_feed_that_gives_both(self) -> None:
        """Each says what it says; an update before the publication, or in the future, is none."""
        published = ("published", "2023-07-12T10:00:00Z")

        later = judged(published, ("updated", "2023-07-14T10:00:00Z"), ("link", "/2023/07/01/x"))
        assert (later.published, later.updated) == (at("2023-07-12 10:00:00"), at("2023-07-14 10:00:00"))
        for text in ("2023-07-11T10:00:00Z", "2031-01-01T00:00:00Z", "soon"):
            verdict = judged(published, ("updated", text))
            assert verdict.published == verdict.updated == at("2023-07-12 10:00:00")

    def test_published_in_the_future(self) -> None:
        """It is not believed: `updated` speaks, then the link, then first sight."""
        published = ("published", "2031-01-01T00:00:00Z")

        assert judged(published, ("updated", "2023-07-14T10:00:00Z")).published == at("2023-07-14 10:00:00")
        assert judged(published, ("link", "/2023/07/12/x")).published == at("2023-07-12 00:00:00")
        assert judged(published).published == judged().published == LATER

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["published", "updated", "marker", "body", "front-matter", "link", "file-name"]),
                st.one_of(
                    st.text(max_size=20),
                    st.datetimes().map(str),
                    st.dates().map(str),
                    st.integers(0, 2 * 10**12).map(str),
                    st.datetimes(datetime(2023, 7, 10), datetime(2023, 7, 15)).map(lambda d: f"{d}Z"),  # noqa: DTZ001
                ),
            ),
            max_size=7,
        ),
        st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    )
    def test_any_witnesses(self, witnesses: list[tuple[str, str]], first_seen: datetime) -> None:
        """All are heard, nothing is later than first sight, and `updated` is not before `published`."""
        verdict = judged(*witnesses, zone=SHANGHAI, first_seen=first_seen)

        assert verdict.published <= verdict.updated <= first_seen
        assert verdict.stamp is None or verdict.stamp <= verdict.updated
        heard = [(one.kind, one.text) for one in verdict.testimonies if one.kind != "first-seen"]
        assert sorted(heard) == sorted(witnesses)
        takers = [one.note for one in verdict.testimonies if one.note.startswith("taken as")]
        assert sum("published" in note for note in takers) == sum("updated" in note for note in takers) == 1
