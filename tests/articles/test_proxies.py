import base64
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.articles.addresses import MAX_LENGTH, absolute
from feedbridge.articles.proxies import MAX_DEPTH, RECOGNISERS, Unwrapped, unwrap

X = "https://pictures.example.org/2023/a.jpg"
ENCODED = quote(X, safe="")
HEX = X.encode().hex()
BASE64 = base64.urlsafe_b64encode(X.encode()).decode()
BARE64 = BASE64.rstrip("=")
QUERIED = "https://pictures.example.org/a.jpg?b=1&c=2"
QUERIED64 = base64.urlsafe_b64encode(QUERIED.encode()).decode()
HEX40 = "0123456789abcdef0123456789abcdef01234567"
HMAC28 = "1_6x25QaeExcQVmtuNyrr-lOs-0="
DIGEST27 = HMAC28[:-1]
SIGNATURE43 = "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8"
HOSTS = frozenset({"proxy.example.net"})

WRAPPERS = {
    "weserv": [
        (f"https://images.weserv.nl/?url={X}", X),
        (f"https://wsrv.nl/?url={ENCODED}", X),
        (f"https://images.weserv.nl?w=640&url={ENCODED}&fit=cover", X),
        ("https://images.weserv.nl?url=pictures.example.org/a.jpg", "https://pictures.example.org/a.jpg"),
        ("https://images.weserv.nl/?url=ssl:pictures.example.org/a.jpg", "https://pictures.example.org/a.jpg"),
        ("https://images.weserv.nl/?url=ssl%3Apictures.example.org%2Fa.jpg", "https://pictures.example.org/a.jpg"),
        ("https://images.weserv.nl/?url=//pictures.example.org/a.jpg", "https://pictures.example.org/a.jpg"),
        ("https://images.weserv.nl/?url=http://pictures.example.org/a.jpg", "http://pictures.example.org/a.jpg"),
        ("https://images.weserv.nl/?url=pictures.example.org%2Fa%2520b.jpg", "https://pictures.example.org/a%20b.jpg"),
        ("https://images.weserv.nl/?url=pictures.example.org/a%2520b.jpg", "https://pictures.example.org/a%2520b.jpg"),
        (f"https://images.weserv.nl/?url={quote(ENCODED, safe='')}", X),
        (f"https://images.weserv.nl/?url={QUERIED}&w=300", QUERIED),
        (f"https://images.weserv.nl/?url={X}&itok=abc", f"{X}?itok=abc"),
        (f"https://images.weserv.nl/?url={X}?t=1689154743&t=square", f"{X}?t=1689154743"),
        (f"https://images.weserv.nl/?url={X}?v=1&t=1689154743", f"{X}?v=1&t=1689154743"),
        (f"https://images.weserv.nl/?url={X}?v=1&h=c0ffee&q=news&a=1", f"{X}?v=1&h=c0ffee&q=news&a=1"),
        (f"https://images.weserv.nl/?url={X}?v=1&h=300&q=80&a=top-left&output=webp&il&maxage=1d", f"{X}?v=1"),
        ("https://images.weserv.nl/?url=https%3A%2F%2Fpictures.example.org%2F%BD%F1.jpg",
         "https://pictures.example.org/%BD%F1.jpg"),
    ],
    "photon": [
        ("https://i0.wp.com/pictures.example.org/a.jpg?resize=1100%2C620&ssl=1", "https://pictures.example.org/a.jpg"),
        ("https://i3.wp.com/pictures.example.org/a.jpg?w=300", "http://pictures.example.org/a.jpg"),
        ("https://i1.wp.com/pictures.example.org/a.jpg?x=1&amp;is-pending-load=1#038;ssl=1",
         "https://pictures.example.org/a.jpg"),
        ("https://i2.wp.com/pictures.example.org/a.jpg?w=3#broken&ssl=1", "https://pictures.example.org/a.jpg"),
        ("https://i2.wp.com/pictures.example.org/a.php?q=id%3D7%26s%3D2&ssl=1",
         "https://pictures.example.org/a.php?id=7&s=2"),
    ],
    "substack": [
        (f"https://substackcdn.com/image/fetch/$s_!AbC1!,w_1456,c_limit,f_auto/{ENCODED}", X),
        (f"https://cdn.substack.com/image/fetch/w_1100,q_auto:good,fl_progressive:steep/{ENCODED}?x=1", X),
        (f"https://substackcdn.com/image/fetch/{X}", X),
    ],
    "cloudinary": [
        (f"https://res.cloudinary.com/demo/image/fetch/w_300,f_auto/{X}", X),
        (f"https://res.cloudinary.com/demo/image/fetch/s--AbCd--/w_300/v1/{ENCODED}", X),
        (f"https://res.cloudinary.com/demo/image/fetch/w_300/{QUERIED}", QUERIED),
    ],
    "thumbor": [
        (f"https://t.example.net/unsafe/300x200/smart/{X}", X),
        (f"https://t.example.net/{HMAC28}/trim/10x20:30x40/fit-in/-300x-200/left/top/smart/{ENCODED}", X),
        (f"https://t.example.net/unsafe/filters:watermark({X},0,0,50):quality(80)/{QUERIED}", QUERIED),
        (f"https://t.example.net/unsafe/{X.replace('://', ':/')}", X),
        ("https://t.example.net/unsafe/1340x754/https://t.example.net/unsafe/picture/0/96770_link.jpg",
         "https://t.example.net/unsafe/picture/0/96770_link.jpg"),
        (f"https://t.example.net/unsafe/9x9/https://t.example.net/unsafe/{X}", X),
    ],
    "imgproxy": [
        (f"https://i.example.net/{SIGNATURE43}/rs:fit:300:200/plain/{ENCODED}@webp", X),
        (f"https://i.example.net/insecure/plain/{X}", X),
        (f"https://i.example.net/{SIGNATURE43}/rs:fit:300:200/g:sm/{BARE64}.png", X),
        (f"https://i.example.net/AbCd/w:300/{BARE64[:16]}/{BARE64[16:30]}/{BARE64[30:]}", X),
        (f"https://i.example.net/AbCd/fill/300/200/sm/0/{BARE64}.jpg", X),
        (f"https://i.example.net/_/{BASE64}", X),
    ],
    "camo": [
        (f"https://camo.example.net/{HEX40}/{HEX}", X),
        (f"https://camo.example.net/{HEX40}abcdef0123456789abcdef01/{HEX.upper()}", X),
        (f"https://camo.example.net/{HEX40}?url={ENCODED}", X),
        (f"https://camo.example.net/{DIGEST27}/{BARE64}", X),
    ],
    "miniflux": [
        (f"https://reader.example.net/proxy/{SIGNATURE43}=/{BASE64}", X),
        (f"https://reader.example.net/proxy/{SIGNATURE43}%3D/{QUERIED64.replace('=', '%3D')}", QUERIED),
        (f"https://reader.example.net/base/proxy/{BASE64}", X),
    ],
    "rss-funnel": [
        (f"https://funnel.example.net/_image?url={ENCODED}&sig=abc", X),
        (f"https://funnel.example.net/below/_image?sig=abc&url={quote(QUERIED, safe='')}", QUERIED),
    ],
    "duckduckgo": [
        (f"https://external-content.duckduckgo.com/iu/?u={ENCODED}&f=1&nofb=1", X),
        (f"https://proxy.duckduckgo.com/iu/?u={quote(QUERIED, safe='')}", QUERIED),
    ],
    "google gadgets": [
        (f"https://images1-focus-opensocial.googleusercontent.com/gadgets/proxy?container=focus&url={ENCODED}&w=3", X),
        (f"https://images-opensocial.googleusercontent.com/gadgets/proxy?container=focus&url={QUERIED}", QUERIED),
    ],
    "baidu": [
        (f"https://image.baidu.com/search/down?tn=download&url={X}", X),
        (f"https://image.baidu.com/search/down?thumburl={ENCODED}", X),
        (f"https://gimg2.baidu.com/image_search/src={ENCODED}&refer=http%3A%2F%2Fexample.org&app=2002", X),
    ],
    "statically": [
        ("https://cdn.statically.io/img/pictures.example.org/2023/a.jpg", X),
        ("https://cdn.statically.io/img/pictures.example.org/f=auto,w=600/2023/a.jpg?quality=80", X),
    ],
    "pimg.tw": [
        (f"https://imageproxy.pimg.tw/resize?url={ENCODED}", X),
        (f"https://imageproxy.pimg.tw/zoomcrop?width=300&url={quote(QUERIED, safe='')}&height=200", QUERIED),
    ],
    "frameworks": [
        (f"https://site.example.org/_next/image?url={ENCODED}&w=640&q=75", X),
        ("https://site.example.org/_next/image?url=%2Fmedia%2Fa.jpg&w=640&q=75", "https://site.example.org/media/a.jpg"),
        ("http://site.example.org:81/blog/_next/image/?url=/a.jpg&w=6", "http://site.example.org:81/a.jpg"),
        (f"https://site.example.org/_vercel/image?url={ENCODED}", X),
        ("https://site.example.org/.netlify/images?w=6&url=/a%20b.jpg", "https://site.example.org/a%20b.jpg"),
    ],
    "cloudflare": [
        ("https://zone.example.org/cdn-cgi/image/width=80,quality=75/uploads/a.jpg?v=1",
         "https://zone.example.org/uploads/a.jpg?v=1"),
        (f"https://zone.example.org/cdn-cgi/image/w=80/{QUERIED}", QUERIED),
        (f"https://zone.example.org/cdn-cgi/image/w=80%2Ch=6/{ENCODED}", X),
    ],
    "prefixed": [
        (f"https://proxy.example.com/{X}", X),
        (f"https://proxy.example.com/{ENCODED}", X),
        (f"https://proxy.example.com/{X}?v=1", f"{X}?v=1"),
    ],
    "named in the settings": [
        (f"https://proxy.example.net/?url={ENCODED}", X),
        (f"https://proxy.example.net/any/path.php?w=6&src={X}", X),
        ("https://proxy.example.net/?u=pictures.example.org/2023/a.jpg", X),
        ("https://proxy.example.net/thumb.php?src=/uploads/a.jpg", "https://proxy.example.net/uploads/a.jpg"),
    ],
}  # fmt: skip
ROWS = [(wrapper, origin) for examples in WRAPPERS.values() for wrapper, origin in examples]

NO_WRAPPERS = [
    X,
    "https://images.weserv.nl/",
    "https://images.weserv.nl/?url=",
    "https://images.weserv.nl/?w=300",
    "https://images.weserv.nl/?url=word",
    "https://images.weserv.nl/?url=http://[::1",
    "https://images.weserv.nl/?url=https://example.org:99999/a.jpg",
    "https://images.weserv.nl/?url=ftp://example.org/a.jpg",
    "https://images.weserv.nl/?url=data:image/png;base64,AAAA",
    "https://images.weserv.nl/docs/?url=example.org/a.jpg",
    f"https://notweserv.example.org/?url={ENCODED}",
    "https://i0.wp.com/a.jpg",
    "https://i0.wp.com/nohost/a.jpg",
    "https://i9.wp.com/example.org/a.jpg",
    "https://s0.wp.com/example.org/a.jpg",
    "https://substackcdn.com/image/upload/a.jpg",
    f"https://substackcdn.com/video/{ENCODED}",
    "https://res.cloudinary.com/demo/image/upload/w_300/a.jpg",
    "https://res.cloudinary.com/demo/image/fetch/w_300/a.jpg",
    "https://t.example.net/unsafe/picture/9/a.jpg",
    f"https://t.example.net/{HMAC28}/300x200/picture/9/a.jpg",
    f"https://t.example.net/{HMAC28[1:]}/300x200/{X}",
    f"https://t.example.net/unsafe/page/{X}",
    f"https://i.example.net/{SIGNATURE43}/w:300/enc/{BASE64}",
    f"https://i.example.net/{SIGNATURE43}/w:300/plain/s3%3A%2F%2Fbucket%2Fa.jpg",
    f"https://i.example.net/{SIGNATURE43}/w:300/aHR0cHM6Ly9!!!!",
    "https://i.example.net/insecure/aHR0c",
    f"https://i.example.net/screenshots/{BASE64}",
    f"https://camo.example.net/{HEX40}/68747470",
    f"https://camo.example.net/{HEX40}/{HEX}0",
    f"https://camo.example.net/{HEX40}/a.jpg",
    f"https://camo.example.net/{HEX40}?size=3",
    f"https://camo.example.net/{HEX40[1:]}/{HEX}",
    "https://reader.example.net/proxy/aHR0cHM6Ly9",
    "https://reader.example.net/proxy/a.jpg",
    "https://funnel.example.net/_image?sig=abc",
    "https://external-content.duckduckgo.com/ip3/example.org.ico",
    "https://external-content.duckduckgo.com/iu/?u=",
    "https://images-opensocial.googleusercontent.com/gadgets/proxy?container=focus",
    "https://image.baidu.com/search/detail?word=a",
    "https://gimg2.baidu.com/image_search/src=",
    "https://cdn.statically.io/gh/user/repo/main/a.jpg",
    "https://cdn.statically.io/img/pictures.example.org",
    "https://imageproxy.pimg.tw/resize?width=3",
    "https://site.example.org/_next/image?w=640",
    "https://site.example.org/_next/static/media/a.jpg",
    "https://site.example.org/_next/image?url=word",
    "https://zone.example.org/cdn-cgi/image/a.jpg",
    "https://zone.example.org/cdn-cgi/image/w=80/",
    "https://web.archive.org/web/2020im_/https://pictures.example.org/a.jpg",
    "https://shots.example.net/https%3A%2F%2Fexample.org%2F/opengraph/",
    "https://site.example.org/thumb.php?src=https://pictures.example.org/a.jpg",
    "https://site.example.org/resize?url=https://pictures.example.org/a.jpg",
    "https://proxy.example.net/?url=word",
    "https://lh3.googleusercontent.com/proxy/https%3A%2F%2Fpictures.example.org%2Fa.jpg",
    f"https://encrypted-tbn0.gstatic.com/_next/image?url={ENCODED}",
    f"https://imagedelivery.net/cdn-cgi/image/w=80/{X}",
    "https://gdb.voanews.com/cdc4cedc_w900_r1_s.jpg",
    "https://ichef.bbci.co.uk/news/640/cpsprodpb/604B/production/_97415642_numbers.png",
    "https://cdn-images-1.medium.com/max/1024/1*pxqCC-yDgkwNYnbtJFpg8g.png",
]


@pytest.mark.parametrize(("wrapper", "origin"), ROWS)
def test_finds_the_origin(wrapper: str, origin: str) -> None:
    """Every grammar of the table gives the address that it wraps, and nothing of its own."""
    found = unwrap(wrapper, hosts=HOSTS)
    assert found.origin == origin
    assert found.chain
    assert not unwrap(origin, hosts=HOSTS).chain


def test_every_recogniser_has_its_examples() -> None:
    """Each recogniser of the table, and the hosts that settings name, has two examples or more."""
    assert len(WRAPPERS) == len(RECOGNISERS) + 1
    assert all(len(examples) >= 2 for examples in WRAPPERS.values())


@pytest.mark.parametrize("address", NO_WRAPPERS)
def test_leaves_other_addresses_alone(address: str) -> None:
    """Stores of a proxy's own, resizers of the publisher, broken insides and lookalikes are origins."""
    assert unwrap(address, hosts=HOSTS) == Unwrapped(absolute(address, None) or "")


@pytest.mark.parametrize(
    "address",
    ["", "a.jpg", "data:image/png;base64,AAAA", "cid:1", "blob:https://e.org/1", "http://[::1", "https://e.org:99999/"],
)
def test_unusable_addresses_come_back(address: str) -> None:
    """What is no absolute http(s) address is never touched."""
    assert unwrap(address) == Unwrapped(address)


def test_the_seed_picture() -> None:
    """The seed's lead picture has its own host as origin and weserv, canonically spelled, as chain."""
    name = "gdb.voanews.com/cdc4cedc-e24f-422d-83be-fc77c0e2fe42_r1_s_w900.jpg"
    assert unwrap(f"https://images.weserv.nl?url={name}") == Unwrapped(
        f"https://{name}", (f"https://images.weserv.nl/?url={name}",)
    )


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("http://wsrv.nl?url=e.example/a.jpg", "https://wsrv.nl/?url=e.example/a.jpg"),
        (
            "https://images.weserv.nl/?w=300&url=ssl:e.example/a.jpg&output=webp",
            "https://images.weserv.nl/?url=ssl:e.example/a.jpg&w=300&output=webp",
        ),
        (
            "https://images.weserv.nl/?utm=1&url=e.example/a.jpg?b=1&w=300&c=2",
            "https://images.weserv.nl/?url=e.example/a.jpg?b=1&c=2&w=300",
        ),
        ("https://i0.wp.com/e.example/a.jpg?w=3&amp;ssl=1", "https://i0.wp.com/e.example/a.jpg?w=3&ssl=1"),
    ],
)
def test_wrappers_are_spelled_canonically(address: str, canonical: str) -> None:
    """Weserv: the value as it was, then its own parameters; others as they were. It means the same picture."""
    found = unwrap(address)
    assert found.chain == (canonical,)
    assert unwrap(canonical) == found


def test_wrappers_in_wrappers() -> None:
    """The chain holds each wrapper as a whole address, the outermost first."""
    assert unwrap("https://images.weserv.nl/?url=i0.wp.com/e.example/a.jpg?w=300&ssl=1") == Unwrapped(
        "https://e.example/a.jpg",
        (
            "https://images.weserv.nl/?url=i0.wp.com/e.example/a.jpg?w=300&ssl=1",
            "https://i0.wp.com/e.example/a.jpg?w=300&ssl=1",
        ),
    )
    substack = f"cdn.substack.com/image/fetch/w_1100,f_auto/{ENCODED}"
    assert unwrap(f"https://i0.wp.com/{substack}?ssl=1") == Unwrapped(
        X, (f"https://i0.wp.com/{substack}?ssl=1", f"https://{substack}")
    )


@pytest.mark.parametrize(("wrapper", "origin"), ROWS)
def test_every_wrapper_may_be_wrapped(wrapper: str, origin: str) -> None:
    """A wrapped wrapper leads to the same origin, with a chain that is longer by one."""
    outer = f"https://external-content.duckduckgo.com/iu/?u={quote(absolute(wrapper, None) or '', safe='')}"
    inner = unwrap(wrapper, hosts=HOSTS)
    found = unwrap(outer, hosts=HOSTS)
    assert found == Unwrapped(origin, (outer, *inner.chain))


def test_a_terminal_inside_is_the_origin() -> None:
    """Unwrapping stops at a store of the proxy's own, and at a wrapper whose inside is broken."""
    store = "https://encrypted-tbn0.gstatic.com/images?q=tbn:ANd9"
    assert unwrap(f"https://wsrv.nl/?url={quote(store, safe='')}").origin == store
    broken = "https://i0.wp.com/nohost/a.jpg"
    assert unwrap(f"https://wsrv.nl/?url={broken}") == Unwrapped(broken, (f"https://wsrv.nl/?url={broken}",))


def _wrapped(times: int) -> str:
    address = X
    for _ in range(times):
        address = f"https://wsrv.nl/?url={quote(address, safe='')}"
    return address


def test_depth_is_bounded() -> None:
    """Four wrappers are undone; an address that is wrapped more often is left as it is."""
    assert unwrap(_wrapped(MAX_DEPTH)).origin == X
    assert len(unwrap(_wrapped(MAX_DEPTH)).chain) == MAX_DEPTH
    assert unwrap(_wrapped(MAX_DEPTH + 1)) == Unwrapped(_wrapped(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "address",
    [
        "https://site.example.org/_next/image?url=%2F_next%2Fimage",
        "https://site.example.org/cdn-cgi/image/w=1/cdn-cgi/image/w=1/a.jpg",
        "https://wsrv.nl/?url=wsrv.nl/?url=wsrv.nl/?url=",
        "https://proxy.example.net/?url=/?url=/?url=/",
    ],
)
def test_ends_on_addresses_that_name_themselves(address: str) -> None:
    """A wrapper of itself comes to an end, and its origin is final."""
    origin = unwrap(address, hosts=HOSTS).origin
    assert unwrap(origin, hosts=HOSTS) == Unwrapped(origin)


def test_hosts_must_be_named_exactly() -> None:
    """`url=` counts on the very hosts that the settings name, not beside or below them."""
    for host in ("example.net", "a.proxy.example.net", "proxy.example.network"):
        assert not unwrap(f"https://{host}/?url={ENCODED}", hosts=HOSTS).chain


PIECES = st.sampled_from(
    [
        *(wrapper for wrapper, _ in ROWS),
        *NO_WRAPPERS,
        *"/?&=#%:@.",
        "url=",
        "u=",
        "ssl:",
        "https://",
        "https%3A%2F%2F",
        "https%253A%252F%252F",
        "http:/",
        "unsafe/",
        "plain/",
        "proxy/",
        "aHR0cHM6Ly9",
        "https://wsrv.nl/?url=",
        "https://i0.wp.com/",
        "/cdn-cgi/image/w=1/",
        "&amp;",
        "#038;",
        "a.example",
        "é",
        "[",
    ]
)
URI = re.compile(r"https?://[!-~]+")


@given(st.one_of(st.text(), st.lists(PIECES, max_size=6).map("".join)), st.sampled_from([HOSTS, frozenset[str]()]))
@example("https://wsrv.nl/?url=https://[", HOSTS)
def test_never_raises_and_is_final(address: str, hosts: frozenset[str]) -> None:
    """Any text is taken; a usable address has a usable origin and chain, and the origin is its own origin."""
    found = unwrap(address, hosts=hosts)
    if found.chain or found.origin != address:
        assert all(URI.fullmatch(each) and absolute(each, None) for each in (found.origin, *found.chain))
        assert len(found.chain) <= MAX_DEPTH
    assert unwrap(found.origin, hosts=hosts).origin == found.origin


@pytest.mark.parametrize(
    "address",
    [
        "https://wsrv.nl/?url=" * 5_000,
        "https://wsrv.nl/?" + "&" * 8_000 + "url=a.example/",
        "https://t.example.net/unsafe/" + "1x1/" * 2_000,
        "https://t.example.net/unsafe/filters:" + "(" * 8_000,
        "https://t.example.net/unsafe/filters:" + "a(b)" * 2_000,
        "https://i.example.net/a/" + "a:b/" * 2_000,
        "https://i.example.net/a" + "/plain/" * 1_100,
        "https://i.example.net/_/aHR0c" + "A/" * 4_000,
        f"https://camo.example.net/{HEX40}/" + "68747470" * 1_000,
        "https://reader.example.net" + "/proxy/aHR0c" * 650,
        "https://cdn.statically.io/img/a.example/" + "f=a," * 2_000,
        "https://substackcdn.com/image/fetch" + "/http" * 1_600,
        "https://wsrv.nl/?url=https%" + "25" * 4_000,
        "https://wsrv.nl/?url=" + "%2F" * 2_700,
        X + "a" * 100_000,
        "https://e.example/?" + "&amp;#038;" * 10_000,
    ],
)
def test_long_addresses_take_no_long_time(address: str) -> None:
    """However an address is made, it is dealt with in a moment."""
    started = time.process_time()
    unwrap(address[:MAX_LENGTH], hosts=HOSTS)
    unwrap(address, hosts=HOSTS)
    assert time.process_time() - started < 30
