import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.reach import Allowance, host_of, parse_allowance, refuse_url

MEND = 'give a host, "host:port" or a network such as "10.0.0.0/8"'
PUBLIC = Allowance()


def refusal(allow: Allowance, address: str, port: int = 80, host: str = "feeds.example") -> str | None:
    return allow.refusal(host, port, ipaddress.ip_address(address))


# What is public


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "100.128.0.1", "2606:4700::1111", "2a00::1"]
)
def test_public_addresses_are_open(address: str) -> None:
    """The public web is reached at its two ports without any setting."""
    assert refusal(PUBLIC, address, 80) is None
    assert refusal(PUBLIC, address, 443) is None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::808:808",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3ffe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "4000::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    """Whatever is not a plain public address is refused by name, also where a public one is wrapped inside."""
    words = refusal(PUBLIC, address)
    assert words is not None
    assert words.startswith(f"{ipaddress.ip_address(address)} is ")


@given(st.ip_addresses())
def test_nothing_is_open_that_python_calls_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The list is never laxer than the standard library's."""
    if PUBLIC.refusal("feeds.example", 443, address) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 3128, 6379, 8080, 65535])
def test_other_ports_are_refused(port: int) -> None:
    """A public address is no reason to talk to a mail server."""
    assert refusal(PUBLIC, "8.8.8.8", port) == f"port {port} is neither 80 nor 443"


def test_reasons_are_words() -> None:
    """What is refused is said so that it can be understood."""
    assert refusal(PUBLIC, "127.0.0.1") == "127.0.0.1 is this machine itself (loopback)"
    assert refusal(PUBLIC, "169.254.169.254") == "169.254.169.254 is link-local, where clouds keep their metadata"
    assert refusal(PUBLIC, "192.168.0.7") == "192.168.0.7 is in a private network"


# What the owner opens


def test_a_host_is_open_with_all_its_ports_wherever_it_is() -> None:
    """A listed name may be anywhere; other names at the same place may not."""
    allow = parse_allowance(["NAS.local."])
    assert refusal(allow, "10.0.0.5", 80, "nas.local") is None
    assert refusal(allow, "10.0.0.5", 8080, "nas.local.") is None
    assert refusal(allow, "fd00::5", 443, "Nas.Local") is None
    assert refusal(allow, "10.0.0.5", 80, "other.local") is not None
    assert refusal(allow, "10.0.0.5", 80, "evil.nas.local") is not None


def test_a_port_is_open_alone() -> None:
    """host:port opens that port and no other, at a public host too."""
    allow = parse_allowance(["nas.local:8080", "feeds.example:8443", "127.0.0.1:9000"])
    assert refusal(allow, "10.0.0.5", 8080, "nas.local") is None
    assert refusal(allow, "10.0.0.5", 80, "nas.local") is not None
    assert refusal(allow, "8.8.8.8", 8443) is None
    assert refusal(allow, "8.8.8.8", 443) is None
    assert refusal(allow, "8.8.8.8", 8444) is not None
    assert refusal(allow, "127.0.0.1", 9000, "any.example") is None
    assert refusal(allow, "127.0.0.1", 80, "127.0.0.1") is not None


def test_a_network_is_open_with_all_its_ports() -> None:
    """Networks and single addresses open what lies in them, whatever its name."""
    allow = parse_allowance(["10.0.0.0/8", "127.0.0.1", "[::1]", "fd00::/8"])
    assert refusal(allow, "10.200.0.1", 5000) is None
    assert refusal(allow, "127.0.0.1", 1) is None
    assert refusal(allow, "::1", 8000) is None
    assert refusal(allow, "fd12::1", 8000) is None
    assert refusal(allow, "127.0.0.2") is not None
    assert refusal(allow, "11.0.0.1", 5000) is not None
    assert refusal(allow, "::2") is not None


@pytest.mark.parametrize(
    ("network", "private", "public"),
    [
        ("64:ff9b::/96", "64:ff9b::7f00:1", "64:ff9b::808:808"),
        ("2002::/16", "2002:a00:1::1", "2002:808:808::1"),
        ("::ffff:0:0/96", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
        ("2001::/32", "2001:0:0a00:0001:8000:63bf:f7f7:f7f7", "2001:0:4136:e378:8000:63bf:f7f7:f7f7"),
        ("::/96", "::a00:1", "::808:808"),
    ],
)
def test_what_is_wrapped_is_checked_when_the_wrapper_is_open(network: str, private: str, public: str) -> None:
    """Opening NAT64 and the like opens the public addresses inside, and the private ones only where they are named."""
    allow = parse_allowance([network])
    assert refusal(allow, public) is None
    assert refusal(allow, private) == refusal(PUBLIC, "10.0.0.1" if "7f00" not in private else "127.0.0.1")
    assert refusal(parse_allowance([network, "10.0.0.0/8", "127.0.0.0/8"]), private) is None
    assert refusal(parse_allowance(["10.0.0.0/8", "127.0.0.0/8"]), private) is not None


def test_names_that_only_a_proxy_knows() -> None:
    """A name that is not known here is left to a proxy, unless it is one of a local machine."""
    assert PUBLIC.unseen_refusal("hidden.onion", 80) is None
    for host in ("localhost", "localhost.", "a.localhost", "nas", "nas.local", "vault.internal", "metadata.internal."):
        assert PUBLIC.unseen_refusal(host, 80) == f"{host} is the name of a local machine"
    for host in ("0x7f.1", "127.0.0.0x1", "10.1"):
        assert PUBLIC.unseen_refusal(host, 80) == f"{host} is an oddly written IP address"
    assert PUBLIC.unseen_refusal("hidden.onion", 8080) == "port 8080 is neither 80 nor 443"
    assert parse_allowance(["nas"]).unseen_refusal("nas", 8080) is None


# The setting


def test_allowances_are_equal_by_what_they_allow() -> None:
    """They are keys: the order of the entries and their spelling do not matter."""
    one = parse_allowance(["nas.local", "10.0.0.0/8", "[::1]:80"])
    assert one == parse_allowance(["10.0.0.0/8", "[0:0::1]:80", "NAS.LOCAL"])
    assert len({one, parse_allowance(["[::1]:80", "nas.local", "10.0.0.0/8"])}) == 1
    assert parse_allowance([]) == PUBLIC


def test_international_names_are_spelled_in_ascii() -> None:
    """A name means what it means in an address."""
    assert parse_allowance(["bücher.example:81"]).hosts == {("xn--bcher-kva.example", 81)}


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "http://nas.local",
        "nas.local/feed",
        "nas.local:",
        "nas.local:0",
        "nas.local:65536",
        "nas.local:http",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/8:80",
        "0x7f.1",
        "127.1",
        "2130706433",
        "*.local",
        "nas..local",
        ".local",
        "a b",
        "user@nas.local",
        "[::1",
        "::1]:80",
        "[127.0.0.1]",
        "[nas.local]:80",
        "fe80::1%eth0",
        "x" * 64,
        "x." * 130 + "y",
        "nas.local:８０",
    ],
)
def test_bad_entries_are_refused_with_the_mend(entry: str) -> None:
    """The sentence says what would be right."""
    with pytest.raises(ValueError) as raised:
        parse_allowance(["nas.local", entry])
    assert str(raised.value) == MEND


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_setting_is_read_or_refused(values: list[str]) -> None:
    """Whatever is written there, the answer is an allowance or the mend."""
    reason = MEND
    try:
        assert hash(parse_allowance(values)) is not None
    except ValueError as error:
        reason = str(error)
    assert reason == MEND


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://feeds.example/",
        "https://feeds.example:8443/a?b#c",
        "HTTPS://user:secret@Feeds.Example./",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]:80/",
        "http://bücher.example/ü",
        "http://my_host.example",
    ],
)
def test_plain_addresses_are_not_refused(url: str) -> None:
    """Nothing speaks against an ordinary address; whether it may be connected to is asked later."""
    assert refuse_url(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http and https are fetched"),
        ("ftp://feeds.example/", "only http and https are fetched"),
        ("gopher://feeds.example/", "only http and https are fetched"),
        ("//feeds.example/", "only http and https are fetched"),
        ("feed.xml", "only http and https are fetched"),
        ("", "only http and https are fetched"),
        ("http://", "it names no host"),
        ("http:///feed", "it names no host"),
        ("http://user@/", "it names no host"),
        ("http://feeds.example:0/", "it has port 0"),
        ("http://feeds.example:99999/", "it is no valid address"),
        ("http://feeds.example:x/", "it is no valid address"),
        ("http://[::1/", "it is no valid address"),
        ("http://feeds.example/a b", "it has spaces, backslashes or control characters in it"),
        ("http://feeds.example\\@evil.example/", "it has spaces, backslashes or control characters in it"),
        ("http://feeds.example/\r\nX: y", "it has spaces, backslashes or control characters in it"),
        ("http://feeds.example/" + "a" * 8192, "it is longer than 8,192 characters"),
    ],
)
def test_odd_addresses_are_refused(url: str, words: str) -> None:
    """What is no plain web address is not fetched, and the reason is said."""
    assert refuse_url(url) == words


@pytest.mark.parametrize(
    "host",
    [
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "a..b",
        "[::1%25lo]",
        "１２７.0.0.1",
        "feeds.example%00.evil.example",
        "feeds!example",
    ],
)
def test_hosts_in_odd_spellings_are_refused(host: str) -> None:
    """A host that not everybody reads in the same way is not fetched from."""
    assert refuse_url(f"http://{host}/") is not None


@given(st.text(max_size=60) | st.text(max_size=40).map("http://{}".format))
def test_any_address_is_judged(url: str) -> None:
    """Whatever the address, the answer is a sentence or none."""
    assert refuse_url(url) is None or refuse_url(url)


def test_hosts_of_addresses() -> None:
    """In lower case, without user name, brackets and port."""
    assert host_of("https://you@News.Example:8443/a") == "news.example"
    assert host_of("http://[::1]:80/") == "::1"
    assert host_of("mailto:a@b") == ""
