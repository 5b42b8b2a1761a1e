import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.articles.addresses import absolute
from feedbridge.articles.identity import Identity, canonical_link, identify, mint, spellings

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
        assert identify(source="s", link="https://news.example/a", upstream_id=upstream_id) == Identity(
            id=upstream_id, aliases=(f"id:{upstream_id}", "link:https://news.example/a")
        )

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
        with pytest.raises(ValueError, match="an item needs a link, an id or a path"):
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
