import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge import model
from feedbridge.articles import identity
from feedbridge.articles.addresses import absolute
from feedbridge.articles.identity import Identity, apart, canonical_link, is_iri, is_same, mint, otherwise, spellings
from feedbridge.feeds import spelling
from feedbridge.feeds.spelling import illegal_character, is_absolute
from feedbridge.model import Article, Enclosure, RawItem, Witness

SEED_LINK = (
    "https://www.voachinese.com/a/japan-south-korea-and-nato-agree-on-new-partnership-program-20230712/7177283.html"
)

GOLDEN = [
    (SEED_LINK, SEED_LINK, "0759f8e4-efcd-5607-8530-668b10d58ed6"),
    ("http://news.example/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://NEWS.Example/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example./a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example:443/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example:80/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("http://news.example:80/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example:8443/a", "https://news.example:8443/a", "e064b6e4-a14e-5261-ba1d-a01a904425cc"),
    ("https://news.example", "https://news.example/", "7495bd3b-3e98-5c13-a534-88e8aaaf58dd"),
    ("https://news.example/", "https://news.example/", "7495bd3b-3e98-5c13-a534-88e8aaaf58dd"),
    ("https://news.example//", "https://news.example/", "7495bd3b-3e98-5c13-a534-88e8aaaf58dd"),
    ("https://news.example/a/", "https://news.example/a/", "8ec8d567-8b1b-5587-b6ad-4e71b0eb95b9"),
    ("https://news.example//a///b", "https://news.example/a/b", "8f7d1fa4-e10e-55dd-871b-07c5d84cbba4"),
    ("https://news.example/A", "https://news.example/A", "a7ecfc74-7206-5787-8bdd-bf678198823f"),
    ("https://news.example/a#top", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://news.example/a?", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    (
        "https://news.example/a?utm_source=rss&utm_medium=feed",
        "https://news.example/a",
        "ef8aae20-7662-5fe1-a598-acc7ea739e02",
    ),
    ("https://news.example/a?id=1", "https://news.example/a?id=1", "079a0a42-4b35-5990-acc7-37a73210b494"),
    ("https://news.example/a?p=1", "https://news.example/a?p=1", "a3fa1ae6-c2d8-5d99-8de0-cfc300d70f4a"),
    ("https://news.example/a?v=1", "https://news.example/a?v=1", "c6e445a8-0fe1-5c2f-ad3c-d03db133ce86"),
    ("https://news.example/a?full=y", "https://news.example/a?full=y", "9a9867a4-8713-5130-82aa-fdc7bd1d9b5c"),
    ("https://news.example/a?id=2", "https://news.example/a?id=2", "63b89230-b191-5c19-bfe3-8727457789b2"),
    (
        "https://news.example/a?full=y&id=1",
        "https://news.example/a?full=y&id=1",
        "94e2d580-73d8-5b1f-b645-48a330cb4095",
    ),
    (
        "https://news.example/a?id=1&full=y",
        "https://news.example/a?id=1&full=y",
        "42291a40-c875-5942-9313-50b0b83c17e2",
    ),
    (
        "https://news.example/a?id=1&UTM_Source=x&fbclid=y#z",
        "https://news.example/a?id=1",
        "079a0a42-4b35-5990-acc7-37a73210b494",
    ),
    ("https://news.example/a?&&id=1&", "https://news.example/a?id=1", "079a0a42-4b35-5990-acc7-37a73210b494"),
    ("https://news.example/a?id", "https://news.example/a?id", "739918b5-41b7-5bbb-af65-f15f7e172127"),
    ("https://news.example/a?id=", "https://news.example/a?id=", "5dd41741-2f32-5cb6-ac48-33f8114de98b"),
    ("https://news.example/a?source=rss-1234", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    (
        "https://news.example/a?source=home",
        "https://news.example/a?source=home",
        "e49e43e4-086a-5648-85a1-be8d6c3cf8fd",
    ),
    ("https://news.example/a?spm=1.2.3&yclid=4", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    (
        "https://news.example/a?at_custom1=x&at_medium=RSS&at_campaign=64",
        "https://news.example/a",
        "ef8aae20-7662-5fe1-a598-acc7ea739e02",
    ),
    ("https://news.example/%e7%9b%ae", "https://news.example/%E7%9B%AE", "c15c5a7d-c25b-5849-ae56-10e5f29c0670"),
    ("https://news.example/%E7%9B%AE", "https://news.example/%E7%9B%AE", "c15c5a7d-c25b-5849-ae56-10e5f29c0670"),
    ("https://news.example/目", "https://news.example/%E7%9B%AE", "c15c5a7d-c25b-5849-ae56-10e5f29c0670"),
    (
        "https://news.example/%25E7%259B%25AE",
        "https://news.example/%25E7%259B%25AE",
        "e8993fd4-ac22-59dd-9913-ae40398884cb",
    ),
    ("https://news.example/a_(b)", "https://news.example/a_(b)", "5285610b-d17f-578c-8d31-1cbeaf5d55df"),
    ("https://news.example/a;s=1", "https://news.example/a;s=1", "15d01b16-3117-5d44-9032-c2366f55b735"),
    ("https://news.example/a?q=a//b", "https://news.example/a?q=a//b", "ac642839-0042-51e8-85ba-fcffd909e402"),
    ("https://user:secret@news.example/a", "https://news.example/a", "ef8aae20-7662-5fe1-a598-acc7ea739e02"),
    ("https://中文.example/a", "https://xn--fiq228c.example/a", "a36d6b17-18d4-5aa5-b57d-8100598bef45"),
    ("https://[2001:DB8::1]:8080/a", "https://[2001:db8::1]:8080/a", "0de7a303-01fc-5556-b680-0585772b1f50"),
    ("https://www.news.example/a", "https://www.news.example/a", "6b9b5aad-416c-50a2-ab13-5cac4f6be1be"),
    ("https://m.news.example/a", "https://m.news.example/a", "ed84dad6-9023-5796-8fcb-ac437998c7ac"),
    ("https://news.example/a/index.html", "https://news.example/a/index.html", "40fc858d-3c63-54f3-8d31-72d9c35ea811"),
    (
        "https://news.example/?p=12&page_id=3",
        "https://news.example/?p=12&page_id=3",
        "4069b00c-046e-5acc-9832-83cb5f733c93",
    ),
]
"""Links as they are written, their keys by version 1 of the rules, and the UUIDs: they may never change."""


def identify(*, source: str, link: str | None, upstream_id: str | None = None, path: str | None = None) -> Identity:
    """The identity of an item of which no more is known than what names it."""
    return identity.identify(RawItem(id=upstream_id, link=link, path=path), source=source)


def key(link: str) -> str:
    address = absolute(link, None)
    assert address is not None
    return canonical_link(address)


class TestKey:
    @pytest.mark.parametrize(("link", "expected", "digits"), GOLDEN)
    def test_version_1(self, link: str, expected: str, digits: str) -> None:
        """The key and the id of a link are the same for ever: readers have seen the ids."""
        assert key(link) == expected
        assert identify(source="s", link=absolute(link, None)) == Identity(
            id=f"urn:uuid:{digits}", aliases=(f"link:{expected}",)
        )

    @pytest.mark.parametrize(
        "parameter",
        [
            *(
                "utm_source=a",
                "UTM_CAMPAIGN=a",
                "utm_",
                "at_custom9=1",
                "hsa_x=1",
                "mtm_x=1",
                "pk_x=1",
                "ns_mchannel=1",
            ),
            *("fbclid=1", "gclid=1", "igshid=1", "mc_cid=1", "mc_eid=1", "spm=1", "ref_src=twsrc", "cmpid=rss"),
            *("source=rss-5f3c", "maca=chi-rss", "ncid=1", "ysclid=1", "_ga=1", "guccounter=1", "at_medium=RSS"),
        ],
    )
    def test_tracking_parameters_go(self, parameter: str) -> None:
        """Wherever they stand among the parameters, they do not tell articles apart."""
        for query in (parameter, f"id=1&{parameter}", f"{parameter}&id=1"):
            expected = "https://news.example/a" + ("?id=1" if "id=1&" in query or "&id=1" in query else "")
            assert key(f"https://news.example/a?{query}") == expected

    @pytest.mark.parametrize(
        "parameter",
        [
            *("id=1", "p=1", "v=1", "full=y", "page=2", "story=1", "a=1", "s=1", "ref=1", "source=home", "lang=zh"),
            *("newsid=1", "article_id=1", "sid=1", "nid=1", "t=1", "utm=1", "xutm_source=1", "gclid2=1"),
        ],
    )
    def test_other_parameters_keep_apart(self, parameter: str) -> None:
        """What may carry identity stays: only names on the list of known trackers go."""
        assert key(f"https://news.example/a?{parameter}") == f"https://news.example/a?{parameter}"


HOSTS = st.sampled_from(["news.example", "NEWS.example", "中文.example", "a.b.c.example", "127.0.0.1", "[::1]"])
PORTS = st.sampled_from(["", ":80", ":443", ":8080"])
TEXTS = st.text(st.sampled_from("abcXYZ019-._~%/;=目é ()"), max_size=12)
QUERIES = st.lists(
    st.sampled_from(["id=1", "p=2", "v=x", "full=y", "utm_source=x", "fbclid=1", "", "q=%e7", "source=rss-1"]),
    max_size=5,
).map("&".join)


@st.composite
def links(draw: st.DrawFn) -> str:
    query = draw(QUERIES)
    written = f"https://{draw(HOSTS)}{draw(PORTS)}/{draw(TEXTS)}{'?' + query if query else ''}"
    address = absolute(written, None)
    assert address is not None
    return address


class TestKeyProperties:
    @given(links())
    def test_a_key_is_its_own_key(self, link: str) -> None:
        """Taking the key of a key changes nothing, and a key is an address again."""
        once = canonical_link(link)

        assert canonical_link(once) == once
        assert absolute(once, None) == once

    @given(links(), st.sampled_from(["#top", "#", "#a?b=c"]))
    def test_variants_fall_together(self, link: str, fragment: str) -> None:
        """Scheme, fragment, case of the host and trackers do not tell articles apart."""
        known = canonical_link(link)
        mark = "&" if "?" in link else "?"

        assert canonical_link(link.replace("https://", "http://")) == known
        assert canonical_link(link + fragment) == known
        assert canonical_link(f"{link}{mark}utm_medium=rss&fbclid=x") == known

    @given(links(), st.sampled_from(["id", "p", "v", "full"]), st.integers(0, 99))
    def test_numbers_keep_apart(self, link: str, name: str, number: int) -> None:
        """Articles that differ in a parameter that carries identity are different articles."""
        mark = "&" if "?" in link else "?"

        assert canonical_link(f"{link}{mark}{name}={number}") != canonical_link(f"{link}{mark}{name}={number + 1}")

    @given(st.text(max_size=60))
    def test_any_link(self, text: str) -> None:
        """Whatever is an address has a key, and an id that is a UUID."""
        for written in (text, f"https://news.example/{text}"):
            address = absolute(written, None)
            if address is not None:
                found = identify(source="s", link=address)
                assert uuid.UUID(found.id).version == 5
                assert found.aliases == (f"link:{canonical_link(address)}",)


class TestIdentify:
    @pytest.mark.parametrize(
        "upstream_id",
        ["https://news.example/?p=1", "HTTP://news.example/1", "urn:uuid:1", "tag:news.example,2020:1", "urn:中"],
    )
    def test_a_valid_upstream_id_is_kept(self, upstream_id: str) -> None:
        """An absolute IRI that a source gives is the id; the link is an alias."""
        found = identify(source="s", link="https://news.example/a", upstream_id=upstream_id)

        assert found.id == upstream_id
        assert found.aliases[:2] == (f"id:{upstream_id}", "link:https://news.example/a")

    @pytest.mark.parametrize("upstream_id", ["1234", "/a/b", "https://a b", 'https://"', "javascript:x", "urn:"])
    def test_any_other_upstream_id_is_only_an_alias(self, upstream_id: str) -> None:
        """What is relative or no IRI is not passed on to readers."""
        found = identify(source="s", link="https://news.example/a", upstream_id=upstream_id)

        assert found.id == mint("https://news.example/a")
        assert found.aliases == (f"id:{upstream_id}", "link:https://news.example/a")

    def test_without_a_link(self) -> None:
        """The source and its own name for the item stand in; two sources never share such an id."""
        assert identify(source="s", link=None, upstream_id="12") == Identity(id=mint("s\n12"), aliases=("id:12",))
        assert identify(source="s", link=None, path="a/1.md") == Identity(
            id=mint("s\na/1.md"), aliases=("path:a/1.md",)
        )
        assert identify(source="t", link=None, path="a/1.md").id != identify(source="s", link=None, path="a/1.md").id

    def test_a_file_with_a_link_is_not_known_by_its_path(self) -> None:
        """When a file's link changes it tells of another article."""
        found = identify(source="s", link="https://news.example/a", path="a/1.md")

        assert found.aliases == ("link:https://news.example/a",)

    def test_nothing_names_it(self) -> None:
        """Without link, id and path there is no identity."""
        with pytest.raises(ValueError, match="an item needs a link, an id, a path or a title"):
            identify(source="s", link=None, upstream_id="", path="")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (
            " HTTP://News.Example/a?utm_source=x ",
            (
                "HTTP://News.Example/a?utm_source=x",
                "id:HTTP://News.Example/a?utm_source=x",
                "link:https://news.example/a",
            ),
        ),
        ("urn:uuid:1", ("urn:uuid:1", "id:urn:uuid:1")),
        ("12", ("12", "id:12")),
    ],
)
def test_spellings(name: str, meant: tuple[str, ...]) -> None:
    """A link or an id as a person types it finds the article by all that it may be called."""
    assert spellings(name) == meant


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FRONT = "https://news.example/"


def item(**fields: Any) -> RawItem:
    """An item; its dates are given as `published` and `updated`, as written."""
    witnesses = tuple(
        Witness(kind=kind, text=fields.pop(kind)) for kind in ("published", "updated") if fields.get(kind)
    )
    return RawItem(**{"title": "T", "witnesses": witnesses, **fields})


def known(**fields: Any) -> Article:
    """An article as it was kept."""
    dates = tuple(
        model.Testimony(kind=kind, text=fields.pop(kind), value=None, note="")
        for kind in ("published", "updated")
        if fields.get(kind)
    )
    given: dict[str, Any] = {"id": "urn:x:1", "title": "T", "link": "https://news.example/a", **fields}
    return Article(
        source="s",
        published=NOON,
        updated=NOON,
        first_seen=NOON,
        changed=NOON,
        content_hash="1:",
        testimonies=dates,
        **given,
    )


class TestIri:
    @pytest.mark.parametrize(
        "name",
        [
            "https://news.example/?p=1",
            "HTTP://NEWS.example/1",
            "http://news.example/a%20b?c[]=1#d",
            "https://中文.example/文",
            "urn:uuid:0759f8e4-efcd-5607-8530-668b10d58ed6",
            "tag:news.example,2020:1",
            "yt:video:dQw4w9WgXcQ",
            "oai:archive.example:2011.1",
            "at://did:plc:1/app.post/2",
        ],
    )
    def test_names_of_the_whole_world(self, name: str) -> None:
        """What is well-formed and of a scheme whose names are given once can be an id."""
        assert is_iri(name)

    @pytest.mark.parametrize(
        "name",
        [
            *("", "12", "/a/b", "//news.example/a", "news.example/a", "article:12", "javascript:x", "data:,x", "urn:"),
            *("http:", "http://", "http:///a", "https:/a", "https://?a", "http://a b/", "https://news.example/a b"),
            *("https://news.example/100%", "https://news.example/%2", "https://news.example/%zz", "urn:a%"),
            *("https://news.example/<a>", 'urn:"', "urn:a\\b", "urn:a^b", "urn:a`b", "urn:{a}", "urn:a|b"),
            *("urn:a\x00", "urn:a\x85", "urn:a\u202eb", "urn:a\u200bb", "urn:\ud800", "urn:\ufffe", "urn:a\u3000b"),
            *("urn:\ue000", "https://exa mple/", "https://[::1/", "https://news.example:99999/", "urn:" + "a" * 2001),
        ],
    )
    def test_anything_else_is_no_id(self, name: str) -> None:
        """What is relative, broken, or an id only within its site is not passed on."""
        assert not is_iri(name)

    @given(
        st.sampled_from(["", "urn:", "tag:", "http://", "https://news.example/", "yt:"]),
        st.text(max_size=20) | st.text(st.sampled_from("a/%2f[]@:#?&= "), max_size=12),
    )
    def test_feeds_can_write_every_id(self, scheme: str, rest: str) -> None:
        """An id never makes the linter leave its entry out."""
        name = scheme + rest
        if is_iri(name):
            assert is_absolute(name)
            assert spelling.is_iri(name)
            assert illegal_character(name) is None
            assert name.split() == [name]


class TestAliasesOfFeeds:
    def test_a_guid_that_is_a_permalink(self) -> None:
        """Its canonical form is an alias too, as if it were a link."""
        found = identity.identify(
            item(id="http://news.example/?p=12&utm_source=x", link="https://news.example/slug"), source="s"
        )

        assert found == Identity(
            id="http://news.example/?p=12&utm_source=x",
            aliases=(
                "id:http://news.example/?p=12&utm_source=x",
                "link:https://news.example/slug",
                "link:https://news.example/?p=12",
            ),
        )

    @pytest.mark.parametrize("guid", ["https://news.example/log#2", FRONT, "http://news.example", "12", "urn:x:1"])
    def test_a_guid_that_is_no_permalink(self, guid: str) -> None:
        """Places in one page and front pages have one canonical form for many articles: they give no alias."""
        found = identity.identify(item(id=guid, link="https://news.example/a"), source="s")

        assert found.aliases == (f"id:{guid}", "link:https://news.example/a")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({"id": "http://n.example/a", "link": "http://n.example/a"}, {"id": "https://n.example/a"}),
            (
                {"id": "http://n.example/a", "link": "http://n.example/a"},
                {"id": "https://n.example/a", "link": "https://n.example/moved"},
            ),
            ({"id": "http://n.example/a"}, {"id": "https://n.example/a?utm_medium=rss"}),
            ({"link": "http://n.example/a"}, {"id": "12", "link": "https://n.example/a?fbclid=1"}),
            ({"id": "12", "link": "http://n.example/a"}, {"id": "13", "link": "http://n.example/a"}),
            ({"id": "12", "link": "http://n.example/a"}, {"id": "12", "link": "http://n.example/b"}),
            ({"id": "http://n.example/a", "link": "http://l.example/1"}, {"link": "http://n.example/a"}),
            ({"link": "http://n.example/a"}, {"id": "http://n.example/a", "link": "http://l.example/1"}),
        ],
    )
    def test_slips_of_feeds(self, before: dict[str, str], after: dict[str, str]) -> None:
        """A changed guid, a moved link, https, a tracker: the item meets its article, and is it."""
        first, second = item(**before), item(**after)
        name = identity.identify(first, source="s")
        kept = known(id=name.id, link=before.get("link"))
        met = [alias for alias in identity.identify(second, source="s").aliases if alias in name.aliases]

        assert met
        assert any(is_same(kept, second, alias) for alias in met)


class TestShared:
    def test_a_shared_id(self) -> None:
        """The link names an item whose id is that of others."""
        found = identity.identify(item(id="urn:x:1", link="https://news.example/a", shared_id=True), source="s")

        assert found.id == mint("https://news.example/a")
        assert found.aliases[0] == "link:https://news.example/a"
        assert not any("urn:x:1" in alias for alias in found.aliases)

    def test_a_shared_link(self) -> None:
        """The id names an item whose link is that of others, even an id that is none to readers."""
        for guid, name in (("urn:x:1", "urn:x:1"), ("12", mint("s\n12"))):
            found = identity.identify(item(id=guid, link="https://show.example/", shared_link=True), source="s")

            assert (found.id, found.aliases[0]) == (name, f"id:{guid}")
            assert not any(alias.startswith("link:") for alias in found.aliases)

    @pytest.mark.parametrize(
        "fields",
        [
            {"id": "x", "link": FRONT, "shared_id": True, "shared_link": True},
            {"id": "x", "shared_id": True},
            {"link": FRONT, "shared_link": True},
            {"id": FRONT, "link": FRONT, "shared_id": True, "shared_link": True},
            {},
        ],
    )
    def test_a_fingerprint(self, fields: dict[str, Any]) -> None:
        """Where no name is left, title and date tell items apart, and the same item is the same again."""
        one = item(**fields, published="Mon, 20 Jul 2020", content="a")
        found = identity.identify(one, source="s")

        assert found.id.startswith("urn:uuid:")
        assert [alias[:5] for alias in found.aliases] == ["text:"]
        edited = item(**fields, published="Mon, 20 Jul 2020", content="edited")
        assert identity.identify(edited, source="s") == found
        assert identity.identify(one, source="t").id != found.id
        for other in (
            item(**fields, published="Tue, 21 Jul 2020"),
            item(**fields, published="Mon, 20 Jul 2020", title="U"),
        ):
            assert identity.identify(other, source="s").id != found.id

    def test_the_fingerprint_is_frozen(self) -> None:
        """Ids that readers have seen depend on it."""
        one = item(id="x", link=FRONT, shared_id=True, shared_link=True, published="Mon, 20 Jul 2020")

        assert identity.identify(one, source="s") == Identity(
            id="urn:uuid:dfcd7d2d-f473-5423-8345-2012f5ddaf47", aliases=("text:224d6e3e56b5b979ae60496d051baf16",)
        )

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"content": "<p>a</p>"}, {"content": "<p>b</p>"}),
            ({"summary": "a"}, {"summary": "b"}),
            ({"enclosures": (Enclosure(href="/1.mp3"),)}, {"enclosures": (Enclosure(href="/2.mp3"),)}),
            ({"content": "<img src=1>"}, {"content": "<img src=2>"}),
        ],
    )
    def test_without_a_title(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """The text stands for the title, else the first file."""
        names = [identity.identify(item(title=None, **fields), source="s") for fields in (one, other)]

        assert names[0].id != names[1].id
        assert set(names[0].aliases).isdisjoint(names[1].aliases)

    def test_markup_is_no_part_of_it(self) -> None:
        """Only words count."""
        names = {
            identity.identify(item(title=None, content=content), source="s")
            for content in ("<p>a b</p>", '<p class="x">a\n b </p>')
        }

        assert len(names) == 1

    def test_a_date_names_nothing(self) -> None:
        """An item with nothing but a date is none."""
        with pytest.raises(ValueError, match="an item needs a link, an id, a path or a title"):
            identity.identify(item(title=" ", published="Mon, 20 Jul 2020"), source="s")

    def test_a_name_that_comes_to_be_shared(self) -> None:
        """An item is met by its title when another takes the same link, and when that is gone again."""
        alone = item(link="https://show.example/a", published="1 Jul 2020")
        among = item(link="https://show.example/a", published="1 Jul 2020", shared_link=True)

        names = [set(identity.identify(one, source="s").aliases) for one in (alone, among)]
        assert names[0] & names[1] == {alias for alias in names[0] if alias.startswith("text:")} != set()


class TestIsSame:
    def test_an_id_that_is_used_again(self) -> None:
        """Only where link, title and date all differ it is another article."""
        kept = known(published="1 Jul 2020")
        other = {"id": "urn:x:1", "link": "https://news.example/b", "title": "U", "published": "2 Jul 2020"}

        assert not is_same(kept, item(**other), "id:urn:x:1")
        for same in ({"link": "http://news.example/a?utm_id=1"}, {"title": "t"}, {"published": "1 Jul 2020"}):
            assert is_same(kept, item(**other | same), "id:urn:x:1")

    @pytest.mark.parametrize(
        ("fields", "same"),
        [
            ({"title": "U"}, True),
            ({"title": None, "link": "https://news.example/b"}, True),
            ({"title": "U", "link": "https://news.example/b"}, False),
            ({"title": "U", "link": "https://news.example/b", "updated": "1 Jul 2020"}, True),
            ({"title": "U", "updated": "3 Jul 2020"}, True),
            ({"title": "U", "published": "3 Jul 2020"}, False),
            ({"title": "U", "link": "https://news.example/a", "shared_link": True, "published": "3 Jul 2020"}, False),
            ({"title": None}, True),
        ],
    )
    def test_what_is_not_told_is_not_compared(self, fields: dict[str, Any], same: bool) -> None:
        """One difference alone proves nothing, and a moved `updated` is none."""
        kept = known(published="1 Jul 2020", updated="1 Jul 2020")

        assert is_same(kept, item(id="urn:x:1", **fields), "id:urn:x:1") is same

    def test_a_front_page_tells_nothing(self) -> None:
        """An id that is used again is found out although every item links to the front page."""
        kept = known(link=FRONT, published="1 Jul 2020")

        assert not is_same(kept, item(id="urn:x:1", link=FRONT, title="U", published="2 Jul 2020"), "id:urn:x:1")

    @pytest.mark.parametrize(
        ("link", "before", "fields", "same"),
        [
            ("https://news.example/a", None, {"title": "U", "published": "2 Jul 2020"}, True),
            (FRONT, None, {"title": "U", "published": "2 Jul 2020"}, False),
            (FRONT, None, {"title": "T", "published": "2 Jul 2020"}, False),
            (FRONT, None, {"title": "U", "published": "1 Jul 2020"}, False),
            (FRONT, None, {"title": "T", "published": "1 Jul 2020"}, True),
            (FRONT, None, {"title": "T"}, True),
            (FRONT, None, {"title": None}, False),
            ("https://news.example/log#2", "https://news.example/log#1", {"title": "U"}, False),
            ("https://news.example/log#2", "https://news.example/log#1", {"title": "T"}, True),
            ("https://news.example/log#1", "https://news.example/log#1", {"title": "U"}, True),
            ("https://news.example/a#comments", "https://news.example/a", {"title": "U"}, True),
            ("https://news.example/a", "https://elsewhere.example/", {"title": "U"}, False),
        ],
    )
    def test_by_link(self, link: str, before: str | None, fields: dict[str, Any], same: bool) -> None:
        """A changed guid is forgiven, unless the link is one that many articles have."""
        kept = known(link=before or link, published="1 Jul 2020")
        one = item(id="urn:x:2", link=link, **fields)

        assert is_same(kept, one, f"link:{canonical_link(link)}") is same

    def test_a_post_about_a_post(self) -> None:
        """A link blog's item links to an earlier one, whose guid that is: two articles."""
        kept = known(id="https://blog.example/1", link="https://far.example/x", published="1 Jul 2020")
        later = item(id="https://blog.example/2", link="https://blog.example/1", title="U", published="2 Jul 2020")

        assert not is_same(kept, later, "link:https://blog.example/1")

    def test_places_in_one_page(self) -> None:
        """Entries of one day in a log whose ids and links are places in one page are two articles."""
        kept = known(id="https://news.example/log#1", link="https://news.example/log#1", published="1 Jul 2020")
        later = item(
            id="https://news.example/log#2", link="https://news.example/log#2", title="U", published="1 Jul 2020"
        )

        assert not is_same(kept, later, "link:https://news.example/log")

    def test_an_edit_while_the_guid_turns_https(self) -> None:
        """A guid that differs only in its scheme is the same guid, whatever the title is."""
        kept = known(id="http://news.example/a", link=None)

        assert is_same(kept, item(id="https://news.example/a", title="U"), "link:https://news.example/a")

    @pytest.mark.parametrize("alias", ["path:1.md", "link:https://news.example/"])
    def test_by_path(self, alias: str) -> None:
        """A file is its article, whatever it says."""
        kept = known(link=FRONT, published="1 Jul 2020")

        assert is_same(kept, item(path="1.md", link=FRONT, title="U", published="2 Jul 2020"), alias)

    def test_by_fingerprint(self) -> None:
        """One title twice is two articles where the dates say so."""
        first = item(link=FRONT, shared_link=True, published="1 Jul 2020")
        alias = identity.identify(first, source="s").aliases[0]
        kept = known(link=FRONT, published="1 Jul 2020")

        assert is_same(kept, first, alias)
        assert is_same(known(link=FRONT), first, alias)
        assert not is_same(kept, item(link=FRONT, shared_link=True, published="2 Jul 2020"), alias)


class TestApart:
    def test_an_id_that_is_used_again(self) -> None:
        """The link names the item, and what was rejected is none of its aliases."""
        one = item(id="urn:x:1", link="https://news.example/b")
        found = apart(one, source="s", rejected={"id:urn:x:1"})

        assert found.id == mint("https://news.example/b")
        assert found.aliases[0] == "link:https://news.example/b"
        assert "id:urn:x:1" not in found.aliases

    @pytest.mark.parametrize(("guid", "name"), [("urn:x:2", "urn:x:2"), ("2", mint("s\n2"))])
    def test_a_link_that_is_used_again(self, guid: str, name: str) -> None:
        """The id names the item."""
        found = apart(item(id=guid, link=FRONT), source="s", rejected={"link:https://news.example/"})

        assert (found.id, found.aliases[0]) == (name, f"id:{guid}")
        assert "link:https://news.example/" not in found.aliases

    def test_a_guid_that_another_links_to(self) -> None:
        """Only the rejected alias goes."""
        one = item(id="https://blog.example/1", link="https://far.example/x")
        found = apart(one, source="s", rejected={"link:https://blog.example/1"})

        assert found == Identity(
            id="https://blog.example/1", aliases=("id:https://blog.example/1", "link:https://far.example/x")
        )

    def test_nothing_is_left(self) -> None:
        """The fingerprint names it, with the date once the title alone was met."""
        one = item(id="x", link=FRONT, published="2 Jul 2020")
        rejected = {"id:x", "link:https://news.example/"}
        by_title = apart(one, source="s", rejected=rejected)
        by_date = apart(one, source="s", rejected={*rejected, *by_title.aliases})

        assert by_title.id == by_date.id
        assert by_title.aliases != by_date.aliases
        assert [alias[:5] for alias in by_title.aliases + by_date.aliases] == ["text:", "text:"]
        assert is_same(known(published="9 Jul 2020"), one, by_date.aliases[0])

    def test_it_is_the_same_each_time(self) -> None:
        """An item that was told apart is met again by what it was named by."""
        rejected = {"id:urn:x:1", "link:https://news.example/"}
        names = {apart(item(id="urn:x:1", link=FRONT), source="s", rejected=rejected) for _ in range(2)}

        assert len(names) == 1

    @given(
        st.builds(
            RawItem,
            id=st.none() | st.sampled_from(["12", "urn:x:1", "http://n.example/a", "https://n.example/"]) | st.text(),
            link=st.none() | st.sampled_from(["http://n.example/a", "https://n.example/", "https://n.example/a#b"]),
            title=st.none() | st.text(max_size=3),
            content=st.text(max_size=5),
            shared_id=st.booleans(),
            shared_link=st.booleans(),
        )
    )
    def test_any_item(self, one: RawItem) -> None:
        """However often it is rejected, it gets another name or none; no alias comes back but the last."""
        rejected: set[str] = set()
        for _ in range(6):
            try:
                found = apart(one, source="s", rejected=rejected)
            except ValueError:
                return
            assert is_iri(found.id)
            assert len(found.aliases) == len(set(found.aliases))
            assert all(alias.startswith("text:") for alias in rejected.intersection(found.aliases))
            rejected.update(found.aliases[:1])


def test_otherwise() -> None:
    """An id that is taken is replaced by one that depends on nothing but the source and the strongest alias."""
    taken = Identity(id="urn:x:1", aliases=("id:12", "link:https://news.example/a"))

    assert otherwise(taken, source="s") == Identity(id=mint("s\nid:12"), aliases=taken.aliases)
    assert otherwise(taken, source="t").id != otherwise(taken, source="s").id
