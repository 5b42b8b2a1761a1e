import base64
import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedbridge.model import Image
from feedbridge.policies import MAX_LENGTH, Policy, choose, parse_chain, parse_policy

ORIGIN = "https://pictures.example.org/2023/a%20b.jpg?x=1&y=%C3%A9#part"
CHAIN = ("https://images.weserv.nl/?url=i0.wp.com/e/a.jpg", "https://i0.wp.com/e/a.jpg")
BARE = Image(origin=ORIGIN)
WRAPPED = Image(origin=ORIGIN, chain=CHAIN)
INLINE = Image(origin="data:image/png;base64,AAAA")
ENCODED = "https%3A%2F%2Fpictures.example.org%2F2023%2Fa%2520b.jpg%3Fx%3D1%26y%3D%25C3%25A9%23part"
KEEP, FROM_ORIGIN, DROP = (parse_policy(word) for word in ("keep", "origin", "drop"))
WESERV = parse_policy("https://wsrv.nl/?url=${href_ue}")


def test_words() -> None:
    """`keep` shows the outermost wrapper if there is one, `origin` the picture's own address, `drop` nothing."""
    assert [policy.address(WRAPPED) for policy in (KEEP, FROM_ORIGIN, DROP)] == [CHAIN[0], ORIGIN, None]
    assert [policy.address(BARE) for policy in (KEEP, FROM_ORIGIN, DROP)] == [ORIGIN, ORIGIN, None]


def test_a_template_is_filled_with_the_origin() -> None:
    """However a picture came, it goes through the template's proxy once, and through no other."""
    assert WESERV.address(WRAPPED) == WESERV.address(BARE) == f"https://wsrv.nl/?url={ENCODED}"


def test_inline_pictures_stay() -> None:
    """A `data:` image is changed by no policy, and taken away by `drop` alone."""
    assert [policy.address(INLINE) for policy in (KEEP, FROM_ORIGIN, WESERV)] == [INLINE.origin] * 3
    assert DROP.address(INLINE) is None


def test_a_policy_reads_as_in_the_settings() -> None:
    """The text of a policy makes the same policy again."""
    for text in ("keep", "origin", "drop", "https://wsrv.nl/?url=${href_ue}"):
        assert str(parse_policy(f" {text}\n")) == text
        assert parse_policy(text) == Policy(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("href", "https://u:p@Example.ORG:8443/a/b.jpg?c=d#e".replace("Example.ORG", "example.org")),
        ("protocol", "https:"),
        ("host", "example.org:8443"),
        ("hostname", "example.org"),
        ("port", "8443"),
        ("pathname", "/a/b.jpg"),
        ("search", "?c=d"),
        ("hash", "#e"),
        ("origin", "https://example.org:8443"),
        ("username", "u"),
        ("password", "p"),
        ("host_path", "example.org:8443/a/b.jpg?c=d"),
        ("href_ue", "https%3A%2F%2Fu%3Ap%40example.org%3A8443%2Fa%2Fb.jpg%3Fc%3Dd%23e"),
        ("protocol_ue", "https%3A"),
        ("host_ue", "example.org%3A8443"),
        ("hostname_ue", "example.org"),
        ("port_ue", "8443"),
        ("pathname_ue", "%2Fa%2Fb.jpg"),
        ("search_ue", "%3Fc%3Dd"),
        ("hash_ue", "%23e"),
        ("origin_ue", "https%3A%2F%2Fexample.org%3A8443"),
        ("username_ue", "u"),
        ("password_ue", "p"),
        ("host_path_ue", "example.org%3A8443%2Fa%2Fb.jpg%3Fc%3Dd"),
        ("href_b64", "aHR0cHM6Ly91OnBAZXhhbXBsZS5vcmc6ODQ0My9hL2IuanBnP2M9ZCNl"),
        ("href_hex", b"https://u:p@example.org:8443/a/b.jpg?c=d#e".hex()),
    ],
)
def test_names_mean_what_they_mean_in_javascript(name: str, value: str) -> None:
    """The names are those of JavaScript's URL; `_ue` is encodeURIComponent of the same."""
    policy = parse_policy(f"https://proxy.example.net/?a=${{{name}}}")
    image = Image(origin="https://u:p@example.org:8443/a/b.jpg?c=d#e")
    assert policy.address(image) == f"https://proxy.example.net/?a={value}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("href", "http://example.org/"),
        ("host", "example.org"),
        ("port", ""),
        ("pathname", "/"),
        ("search", ""),
        ("hash", ""),
        ("username", ""),
        ("origin", "http://example.org"),
    ],
)
def test_names_of_what_an_address_lacks(name: str, value: str) -> None:
    """As in JavaScript, a default port is left out, an empty path is `/`, and what is missing is empty."""
    policy = parse_policy(f"https://proxy.example.net/?a=${{{name}}}")
    assert policy.address(Image(origin="http://example.org:80")) == f"https://proxy.example.net/?a={value}"


def test_encodes_exactly_as_encode_uri_component() -> None:
    """Letters, digits and -_.!~*'() stay; all else is encoded, `%` too."""
    image = Image(origin="https://e.org/Aa0-_.!~*'();,/?:@&=+$%20")
    expected = "https%3A%2F%2Fe.org%2FAa0-_.!~*'()%3B%2C%2F%3F%3A%40%26%3D%2B%24%2520"
    assert WESERV.address(image) == f"https://wsrv.nl/?url={expected}"


def test_base64_has_no_padding() -> None:
    """`href_b64` is base64url, unpadded (RFC 4648 section 5), and can be decoded."""
    policy = parse_policy("https://proxy.example.net/_/${href_b64}")
    for length in range(1, 5):
        origin = f"https://e.org/?{'~' * length}"
        digits = (policy.address(Image(origin=origin)) or "").rpartition("/")[2]
        assert re.fullmatch(r"[A-Za-z0-9_-]+", digits)
        assert base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4)).decode() == origin


def test_several_names_in_one_template() -> None:
    """Names may stand anywhere, more than once, in the host too."""
    policy = parse_policy("https://${hostname}.cdn.example.net${pathname}?from=${hostname}")
    image = Image(origin="https://e.org/a.jpg?x=1")
    assert policy.address(image) == "https://e.org.cdn.example.net/a.jpg?from=e.org"


def test_values_are_not_filled_again() -> None:
    """What looks like a name in a picture's address is not one."""
    origin = "https://e.org/$%7Bhref%7D?a=$"
    assert (
        parse_policy("https://p.example/?u=${href}").address(Image(origin=origin)) == f"https://p.example/?u={origin}"
    )


def test_a_picture_goes_through_a_template_once() -> None:
    """An origin that lies behind the template's own proxy is not put behind it again."""
    policy = parse_policy("https://proxy.example.net/p?key=1&u=${href_ue}")
    once = policy.address(BARE) or ""
    assert policy.address(Image(origin=once)) == once
    other = "https://proxy.example.net/logo.png"
    assert policy.address(Image(origin=other)) != other
    anywhere = parse_policy("https://${hostname}.cdn.example.net${pathname}")
    assert anywhere.address(Image(origin="https://e.org/a.jpg")) == "https://e.org.cdn.example.net/a.jpg"


@pytest.mark.parametrize(
    ("template", "origin"),
    [
        ("https://p.example/#${href}", "https://e.org/a#b"),
        ("https://p.example/${href}", "https://[::1]/a.jpg"),
        ("https://${hostname}.p.example/", "https://[::1]/a.jpg"),
        ("https://p.example:1${port}/${host_path}", "https://e.org:65535/a.jpg"),
        ("https://p.example/?u=${href_ue}", "https://e.org/" + "%" * MAX_LENGTH),
        ("https://p.example/?u=${href}", "https://e.org/a b"),
        ("https://p.example/?u=${href}", 'https://e.org/"onload="'),
        ("https://p.example/?u=${port}", "https://e.org:99999/a"),
        ("https://p.example/?u=${href}", "http://[::1"),
    ],
)
def test_the_origin_stands_in_for_a_broken_result(template: str, origin: str) -> None:
    """Where a template makes no valid address of a picture, the picture keeps its own."""
    assert parse_policy(template).address(Image(origin=origin)) == origin


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'give "keep", "origin", "drop", "serve", "mirror" or a template with ${href_ue}'),
        ("orgin", 'did you mean "origin"?'),
        ("Keep", 'did you mean "keep"?'),
        ("server", 'did you mean "serve"?'),
        ("copy", 'give "keep", "origin", "drop", "serve", "mirror" or a template with ${href_ue}'),
        ("https://wsrv.nl/?url=", 'name the picture with "${href_ue}"'),
        ("https://wsrv.nl/?url=${href_ue", 'between "${" and "}"'),
        ("https://wsrv.nl/?url=${href}&x=${", 'between "${" and "}"'),
        ("https://wsrv.nl/?url=$href_ue", 'between "${" and "}"'),
        ("https://wsrv.nl/?url={href_ue}", 'between "${" and "}"'),
        ("https://wsrv.nl/?url=${hrefue}", 'did you mean "href_ue"?'),
        ("https://wsrv.nl/?url=${HREF}", "${HREF} is none of href, protocol, host"),
        ("https://wsrv.nl/?url=${}", "${} is none of href"),
        ("https://wsrv.nl/?url=${${href}}", "${"),
        ("/proxy?url=${href_ue}", 'begin the template with "http://" or "https://"'),
        ("ftp://p.example/${href_ue}", 'begin the template with "http://" or "https://"'),
        ("javascript:${href}", 'begin the template with "http://" or "https://"'),
        ("${href}?w=300", 'begin the template with "http://" or "https://"'),
        ("https://p.example/a b/${href_ue}", "no valid address"),
        ("https://p.example/路/${href_ue}", "no valid address"),
        ('https://p.example/"${href_ue}', "no valid address"),
        ("https://p.example:99999/${href_ue}", "no valid address"),
        ("https://[::1/${href_ue}", "no valid address"),
        ("https:///${href_ue}", "no valid address"),
    ],
)
def test_refuses_what_is_no_policy(text: str, sentence: str) -> None:
    """A mistake is refused when the settings are read, with a sentence that names the mend."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_policy(text)


@pytest.mark.parametrize(
    ("host", "policy"),
    [
        ("example.org", DROP),
        ("a.b.example.org", DROP),
        ("EXAMPLE.org:8080", DROP),
        ("example.org.", DROP),
        ("notexample.org", KEEP),
        ("example.org.example", KEEP),
        ("example.net", KEEP),
        ("cdn.example.net", FROM_ORIGIN),
        ("xn--bcher-kva.example", WESERV),
        ("user@example.org", DROP),
    ],
)
def test_chooses_by_host(host: str, policy: Policy) -> None:
    """A host means itself and what is below it, `*.` only what is below; else the default holds."""
    rules = [("Example.org", (DROP,)), ("*.example.net", (FROM_ORIGIN,)), ("bücher.example", (WESERV,))]
    assert choose(Image(origin=f"https://{host}/a.jpg"), rules, (KEEP,)) == (policy,)


def test_the_first_rule_wins() -> None:
    """Rules are asked in order, about the host of the origin, whatever wrapped it."""
    named = [("cdn.example.org", DROP), ("example.org", WESERV), ("cdn.example.org", KEEP), ("weserv.nl", DROP)]
    rules = [(host, (policy,)) for host, policy in named]
    assert choose(Image(origin="https://cdn.example.org/a"), rules, (KEEP,)) == (DROP,)
    assert choose(Image(origin="https://example.org/a", chain=CHAIN), rules, (KEEP,)) == (WESERV,)
    assert choose(WRAPPED, rules, (KEEP,)) == (WESERV,)
    assert choose(INLINE, [("", (DROP,)), ("*.", (DROP,))], (KEEP,)) == (KEEP,)
    assert choose(Image(origin="http://[::1"), rules, (KEEP,)) == (KEEP,)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], "give one policy, or a list of up to 8"),
        (["keep"] * 9, "give one policy, or a list of up to 8"),
        (["origin", " origin "], '"origin" stands there twice'),
        (["drop", "keep"], "put it last"),
        (["origin", "kepe"], 'did you mean "keep"?'),
    ],
)
def test_refuses_what_is_no_chain(texts: list[str], sentence: str) -> None:
    """So is a list in which something can never be tried."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_chain(texts)


def test_a_chain_keeps_its_order() -> None:
    """The first that works is used, so the order is the owner's."""
    assert parse_chain(["mirror", " https://wsrv.nl/?url=${href_ue}", "drop"]) == (Policy("mirror"), WESERV, DROP)


@pytest.mark.parametrize("word", ["serve", "mirror"])
def test_what_we_fetch_ourselves_comes_from_its_origin(word: str) -> None:
    """Not through the proxies that its source had it from."""
    assert parse_policy(word).address(WRAPPED) == WRAPPED.origin


TEMPLATE_TEXT = st.text(alphabet="htps:/$ {}refu_a.?=é[]", max_size=40)


@given(st.one_of(TEMPLATE_TEXT, TEMPLATE_TEXT.map("https://p.example/${href_ue}".__add__)), st.text())
@example("https://p.example/${href_ue}", "http://[::1")
def test_only_a_value_error_refuses(text: str, origin: str) -> None:
    """Any text is a policy or refused by a ValueError; a policy gives some address for any picture."""
    try:
        policy = parse_policy(text)
    except ValueError:
        return
    assert policy.text == text.strip()
    assert (policy.address(Image(origin=origin)) is None) == (policy == DROP)


@given(st.text(alphabet="aZ0-_.!~*'();,/?:@&=+$%2"))
def test_what_is_encoded_can_be_decoded(path: str) -> None:
    """The proxy gets back the very address that was put in."""
    image = Image(origin=f"https://e.org/{path.rstrip('?')}")
    assert unquote((WESERV.address(image) or "").removeprefix("https://wsrv.nl/?url=")) == image.origin
