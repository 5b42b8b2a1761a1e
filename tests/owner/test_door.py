"""Who may see the owner's pages, and which forms are the owner's."""

import base64
import hmac
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.owner.door import (
    COOKIE,
    COOKIE_SECONDS,
    FORM_SECONDS,
    Forms,
    Knock,
    LoopbackDoor,
    Refusal,
    TokenDoor,
    Welcome,
)

TOKEN = "a-long-token.that_nobody~guesses"
SITE = "https://feeds.example/sub/"


class Clock:
    """Seconds since the epoch, set by hand."""

    seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> TokenDoor:
    return TokenDoor(TOKEN, base_url=SITE, clock=clock)


def knock(
    *, method: str = "GET", query: str = "", peer: str = "203.0.113.9", version: str = "1.1", **headers: Any
) -> Knock:
    """A request; `x_y` names the header X-Y, whose value may be a list of several."""
    said: dict[str, Sequence[str]] = {"host": ["feeds.example"]}
    said |= {name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in headers.items()}
    return Knock(method=method, query=query, peer=peer, version=version, headers=said)


def basic(password: str, user: str = "owner") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def cookie_of(door: TokenDoor) -> str:
    """The pair that a browser sends once the token stood in the address."""
    answer = door.open(knock(query=f"token={TOKEN}"))
    assert isinstance(answer, Welcome)
    assert answer.cookie
    return answer.cookie.partition(";")[0]


def is_open(door: TokenDoor | LoopbackDoor, request: Knock, *, feed: bool = False) -> bool:
    return isinstance(door.open(request, feed=feed), Welcome)


# With a token


@pytest.mark.parametrize("user", ["owner", "", "任何人", "a b"])
def test_the_token_is_a_password_of_anybody(door: TokenDoor, user: str) -> None:
    """Basic authentication, whatever the name; the scheme is read in any case (RFC 9110 section 11.1)."""
    assert door.open(knock(authorization=basic(TOKEN, user))) == Welcome()
    assert is_open(door, knock(authorization=basic(TOKEN, user).replace("Basic", "bASIC")))


def test_the_token_in_the_address_gives_a_cookie(door: TokenDoor) -> None:
    """Which no script reads and no other site sends, which goes over HTTPS alone, and is not the token."""
    answer = door.open(knock(query=f"x=1&token={TOKEN}"))
    assert isinstance(answer, Welcome)
    assert answer.cookie
    pair, *attributes = answer.cookie.split("; ")
    assert attributes == [f"Max-Age={COOKIE_SECONDS}", "HttpOnly", "SameSite=Strict", "Secure"]
    assert TOKEN not in answer.cookie
    assert is_open(door, knock(cookie=pair))
    assert is_open(door, knock(cookie=f"a=b; {pair};c=d"))
    assert is_open(door, knock(cookie=["x=y", pair]))


def test_a_cookie_on_plain_http_is_not_kept_for_https(door: TokenDoor) -> None:
    """Who asks the daemon itself gets one that the browser sends back."""
    answer = door.open(knock(query=f"token={TOKEN}", host="127.0.0.1:8000"))
    assert isinstance(answer, Welcome)
    assert answer.cookie
    assert "Secure" not in answer.cookie


def test_a_cookie_that_another_site_put_before_ours_is_no_harm(door: TokenDoor) -> None:
    """Subdomains can do that; one good one is enough."""
    assert is_open(door, knock(cookie=f"{COOKIE}=1.x; {cookie_of(door)}"))


def test_a_cookie_ends(door: TokenDoor, clock: Clock) -> None:
    """Also where the browser forgets to forget it; nobody can make it last longer."""
    pair = cookie_of(door)
    later = f"{COOKIE}={int(clock.seconds) + 10**9}.{pair.partition('.')[2]}"
    assert not is_open(door, knock(cookie=later))
    clock.seconds += COOKIE_SECONDS - 1
    assert is_open(door, knock(cookie=pair))
    clock.seconds += 1
    assert not is_open(door, knock(cookie=pair))


def test_another_token_ends_all_cookies(door: TokenDoor, clock: Clock) -> None:
    """So a lost one can be locked out."""
    other = TokenDoor("x" * 20, base_url=SITE, clock=clock)
    assert not is_open(other, knock(cookie=cookie_of(door)))
    assert other.feed_token() != door.feed_token()


HOSTILE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "wrong password": {"authorization": basic("wrong")},
    "empty password": {"authorization": basic("")},
    "part of it": {"authorization": basic(TOKEN[:-1])},
    "more than it": {"authorization": basic(TOKEN + "x")},
    "with a line end": {"authorization": basic(TOKEN + "\n")},
    "in other letters": {"authorization": basic(TOKEN.upper())},
    "as the name": {"authorization": basic("", user=TOKEN)},
    "without a name": {"authorization": "Basic " + base64.b64encode(TOKEN.encode()).decode()},
    "not encoded": {"authorization": f"Basic owner:{TOKEN}"},
    "with rubbish between": {"authorization": basic(TOKEN).replace("Basic ", "Basic \u00e9")},
    "as a bearer": {"authorization": f"Bearer {TOKEN}"},
    "as a digest": {"authorization": f'Digest username="owner", response="{TOKEN}"'},
    "without a scheme": {"authorization": TOKEN},
    "twice": {"authorization": [basic(TOKEN), basic(TOKEN)]},
    "to a proxy": {"proxy_authorization": basic(TOKEN)},
    "in a header of its own": {"x_token": TOKEN, "token": TOKEN, "x_api_key": TOKEN},
    "huge": {"authorization": basic(TOKEN * 1000)},
    "the right one after a huge one": {"authorization": basic("x" * 1000 + TOKEN)},
    "no text": {"authorization": "Basic " + base64.b64encode(b"owner:\xff\xfe").decode()},
    "the token as a cookie": {"cookie": f"{COOKIE}={TOKEN}"},
    "an empty cookie": {"cookie": f"{COOKIE}="},
    "a cookie without an end": {"cookie": f"{COOKIE}=.x"},
    "a cookie with words for a number": {"cookie": f"{COOKIE}=never.x"},
    "another cookie": {"cookie": f"token={TOKEN}"},
    "wrong in the address": {"query": "token=wrong"},
    "none in the address": {"query": "token="},
    "twice in the address": {"query": f"token={TOKEN}&token={TOKEN}"},
    "by another name": {"query": f"Token={TOKEN}&key={TOKEN}"},
    "encoded twice": {"query": "token=" + "".join(f"%25{ord(letter):x}" for letter in TOKEN)},
    "among very many": {"query": "&".join(["a=1"] * 100 + [f"token={TOKEN}"])},
    "in the address of a form": {"query": f"token={TOKEN}", "method": "POST"},
    "from this machine": {"peer": "127.0.0.1", "host": "localhost"},
    "as if from this machine": {"x_forwarded_for": "127.0.0.1", "forwarded": "for=127.0.0.1"},
}


@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_else_is_tried_stays_outside(door: TokenDoor, how: str) -> None:
    """And is asked for the password; for the feed as for the pages."""
    options = HOSTILE[how]
    for feed in (False, True):
        answer = door.open(knock(**options), feed=feed)
        assert answer == Refusal(status=401, text="these pages are the owner's; they take the token", prompt=True)


@given(authorization=st.text(max_size=60), cookie=st.text(max_size=60), query=st.text(max_size=60))
def test_nothing_makes_the_door_fall(authorization: str, cookie: str, query: str) -> None:
    """Neither open, nor in ruins."""
    door = TokenDoor(TOKEN, base_url=SITE, clock=Clock())
    for scheme in ("", "Basic "):
        request = knock(authorization=scheme + authorization, cookie=f"{COOKIE}={cookie}", query=f"token={query}")
        assert not is_open(door, request)


def test_the_feeds_own_token_opens_the_feed_alone(door: TokenDoor) -> None:
    """So it may be given to a reader on somebody else's machine; the token itself opens the feed, too."""
    query = f"token={door.feed_token()}"
    assert door.open(knock(query=query), feed=True) == Welcome()
    assert not is_open(door, knock(query=query))
    assert not is_open(door, knock(authorization=basic(door.feed_token())), feed=True)
    assert door.open(knock(query=f"token={TOKEN}"), feed=True) == Welcome()  # a reader has no use for a cookie
    assert is_open(door, knock(authorization=basic(TOKEN)), feed=True)


def test_how_long_it_takes_tells_nothing(door: TokenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given is compared as a digest, of one length, by the function that is made for it."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watch(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    for password in ("", "x", TOKEN[:-1] + "x", TOKEN, "x" * 900):
        door.open(knock(authorization=basic(password), query=f"token={password or 'y'}"))
    assert len(compared) >= 9
    assert set(compared) == {(32, 32)}


# On the machine itself


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"]
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.1.2.3"])
def test_who_is_on_the_machine_comes_in(host: str, peer: str) -> None:
    """By whichever name the machine has for itself."""
    assert is_open(LoopbackDoor(), knock(host=host, peer=peer))


FROM_HERE: dict[str, Any] = {"host": "localhost:8000", "peer": "127.0.0.1"}
ELSEWHERE: dict[str, dict[str, Any]] = {
    "from the network": {"peer": "192.168.1.7"},
    "from the world": {"peer": "203.0.113.9"},
    "from the world, mapped": {"peer": "::ffff:203.0.113.9"},
    "from nowhere": {"peer": ""},
    "by a stranger's name": {"host": "evil.example:8000"},
    "by a name that begins so": {"host": "localhost.evil.example"},
    "by a name that ends so": {"host": "evil-localhost"},
    "by a number that begins so": {"host": "127.0.0.1.evil.example"},
    "by a number in other clothes": {"host": "2130706433"},
    "by any number": {"host": "0.0.0.0:8000"},
    "by two names": {"host": ["localhost", "evil.example"]},
    "by no name": {"host": []},
    "by an empty name": {"host": ""},
    "by a name with a user": {"host": "localhost@evil.example"},
    "through a proxy": {"x_forwarded_for": "127.0.0.1"},
    "through a proxy that says less": {"x_forwarded_proto": "https"},
    "through nginx": {"x_real_ip": "127.0.0.1"},
    "through a modern proxy": {"forwarded": "for=127.0.0.1"},
    "through an honest proxy": {"via": "1.1 proxy"},
    "through a proxy that says nothing": {"version": "1.0"},
}


@pytest.mark.parametrize("how", ELSEWHERE)
def test_who_is_elsewhere_stays_outside(how: str) -> None:
    """Also by a name that was made to lead here, or through a proxy, which is on this machine for all of us."""
    answer = LoopbackDoor().open(knock(**{**FROM_HERE, **ELSEWHERE[how]}))
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.prompt) == (403, False)


# Forms


@pytest.fixture
def forms(clock: Clock) -> Forms:
    return Forms(base_url=SITE, clock=clock)


def test_a_form_of_ours_is_taken(forms: Forms) -> None:
    """With what browsers say, from whichever address the pages have, and without, where no browser is at work."""
    token = forms.token("refresh voa")
    for headers in (
        {},
        {"origin": "https://feeds.example", "sec_fetch_site": "same-origin"},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
        {"origin": "https://feeds.example", "host": "127.0.0.1:8000"},  # a proxy that tells another name
    ):
        assert forms.is_good(knock(method="POST", **headers), "refresh voa", token)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://feeds.example.evil.example"},
        {"origin": "https://feeds.example:444"},
        {"origin": ["https://feeds.example", "https://evil.example"]},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://feeds.example", "sec_fetch_site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_not(forms: Forms, headers: dict[str, Any]) -> None:
    """Even with the right token."""
    assert not forms.is_good(knock(method="POST", **headers), "refresh voa", forms.token("refresh voa"))


def test_a_form_is_for_one_deed_for_a_while(forms: Forms, clock: Clock) -> None:
    """Nor does it outlive the process that made it."""
    token = forms.token("refresh voa")
    request = knock(method="POST")
    assert not forms.is_good(request, "refresh rfa", token)
    assert not Forms(base_url=SITE, clock=clock).is_good(request, "refresh voa", token)
    for wrong in ("", ".", "1", token[:-1], token + "x", f"9{token}", "x" * 100_000, "never.x", f"{10**400}.x"):
        assert not forms.is_good(request, "refresh voa", wrong)
    clock.seconds += FORM_SECONDS - 1
    assert forms.is_good(request, "refresh voa", token)
    clock.seconds += 1
    assert not forms.is_good(request, "refresh voa", token)
