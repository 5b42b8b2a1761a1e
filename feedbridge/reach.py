"""Which addresses may be reached: public ones at ports 80 and 443, and what the owner opens with `allow_private`."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_LENGTH = 8192
"""Characters; longer addresses are not fetched."""

WEB_PORTS = (80, 443)

_MEND = 'give a host, "host:port" or a network such as "10.0.0.0/8"'
_MAX_HOST_LENGTH = 253
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_PORT = re.compile(r"[0-9]{1,5}")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\ud800-\udfff]")
_LOCAL_ENDINGS = ("localhost", "local", "internal", "localdomain", "home.arpa")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What the owner opens for one source; `parse_allowance` makes them. Without entries: the public web alone.

    Attributes:
        hosts: Names in lower case and ASCII, each with its one port, or None for all of them.
        networks: Likewise; a single address is a network of one.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: frozenset[tuple[Network, int | None]] = frozenset()

    def refusal(self, host: str, port: int, address: Address) -> str | None:
        """Why a host must not be connected to at one of its addresses, in words; None if it may be.

        An address that carries another one (NAT64, 6to4, Teredo, IPv4-mapped) is open only by its own network's
        name, and then what it carries must be open as well.

        Args:
            host: The name as the address (URL) has it; an IP address is its own name.
            port: That is connected to.
            address: What the name was resolved to.
        """
        if self._opens_host(host, port):
            return None
        if self._opens_address(address, port):
            carried = (inner for inner in _carried(address) if not self._opens_address(inner, port))
            return next((reason for inner in carried if (reason := _kind(inner))), None)
        return _kind(address) or _port_refusal(port)

    def unseen_refusal(self, host: str, port: int) -> str | None:
        """The same for a name that cannot be resolved here and is left to a proxy: local names are not."""
        if self._opens_host(host, port):
            return None
        name = _lowered(host)
        if "." not in name or name.endswith(tuple(f".{ending}" for ending in _LOCAL_ENDINGS)):
            return f"{host} is the name of a local machine"
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return f"{host} is an oddly written IP address"
        return _port_refusal(port)

    def _opens_host(self, host: str, port: int) -> bool:
        name = _lowered(host)
        return (name, None) in self.hosts or (name, port) in self.hosts

    def _opens_address(self, address: Address, port: int) -> bool:
        return any(address in network and opened in (None, port) for network, opened in self.networks)


def parse_allowance(values: Sequence[str]) -> Allowance:
    """Read the setting `allow_private`.

    Each entry is a host name, an IP address or a network, open with all its ports; or a host or address with the one
    port that is open: `nas.local`, `nas.local:8080`, `10.0.0.0/8`, `127.0.0.1`, `[::1]:8000`.

    Raises:
        ValueError: An entry is none of these; the sentence says what would be right.
    """
    hosts: set[tuple[str, int | None]] = set()
    networks: set[tuple[Network, int | None]] = set()
    for value in values:
        text = value.strip()
        network = _network(text)
        if network is not None:
            networks.add((network, None))
            continue
        name, port = _host_and_port(text)
        address = _network(name)
        if address is not None:
            networks.add((address, port))
        else:
            hosts.add((_name(name), port))
    return Allowance(hosts=frozenset(hosts), networks=frozenset(networks))


def host_of(url: str) -> str:
    """The host of an address (URL), in lower case; empty where it names none."""
    return urlsplit(url).hostname or ""


def refuse_url(url: str) -> str | None:
    """Why an address (URL) is not fetched whatever it resolves to, in words; None if nothing speaks against it.

    http and https are fetched, from a host that everybody reads in the same way: an IP address in its usual spelling
    or a name of letters, digits, hyphens and dots.
    """
    if len(url) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH:,} characters"
    if _UNFIT.search(url):
        return "it has spaces, backslashes or control characters in it"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it is no valid address"
    if parts.scheme not in {"http", "https"}:
        return "only http and https are fetched"
    if not host:
        return "it names no host"
    if port == 0:
        return "it has port 0"
    return None if _network(f"[{host}]" if ":" in host else host) else _host_refusal(host)


def _host_refusal(host: str) -> str | None:
    try:
        _name(host)
    except ValueError:
        return "its host is neither a valid name nor an IP address in its usual spelling"
    return None


# The setting


def _network(text: str) -> Network | None:
    """A network, or an address as a network of one; IPv6 in brackets or without."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "%" in text or (bare != text and ":" not in bare):
        return None
    try:
        return ipaddress.ip_network(bare)
    except ValueError:
        return None


def _host_and_port(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, None
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536 or "/" in host or (":" in host and host[:1] != "["):
        raise ValueError(_MEND)
    return host, int(port)


def _name(text: str) -> str:
    """A host's name in lower case and ASCII, without the dot at the end."""
    try:
        name = _lowered(text if text.isascii() else text.encode("idna").decode("ascii"))
    except UnicodeError:
        raise ValueError(_MEND) from None
    if not _HOST.fullmatch(name) or len(name) > _MAX_HOST_LENGTH or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError(_MEND)
    return name


def _lowered(host: str) -> str:
    return host.lower().removesuffix(".")


# What an address is


def _port_refusal(port: int) -> str | None:
    return None if port in WEB_PORTS else f"port {port} is neither 80 nor 443"


def _kind(address: Address) -> str | None:
    """What an address is if not a public one, in words."""
    networks = _NOT_PUBLIC_4 if address.version == 4 else _NOT_PUBLIC_6
    words = next((words for network, words in networks if address in network), None)
    if words is None and (not address.is_global or (address.version == 6 and address not in _GLOBAL_UNICAST)):
        words = "reserved"
    return words and f"{address} is {words}"


def _carried(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for, where its network has a rule for that."""
    if not isinstance(address, ipaddress.IPv6Address):
        return ()
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return tuple(inner for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if inner)


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")

# RFC 6890 and the registries that it founded, and one address that is public by number alone
_NOT_PUBLIC_4 = [
    (ipaddress.IPv4Network(network), words)
    for network, words in (
        ("127.0.0.0/8", "this machine itself (loopback)"),
        ("10.0.0.0/8", "in a private network"),
        ("172.16.0.0/12", "in a private network"),
        ("192.168.0.0/16", "in a private network"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("0.0.0.0/8", "this machine itself"),
        ("100.64.0.0/10", "in a provider's private network"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay for 6to4"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("168.63.129.16/32", "a cloud's own service for its machines"),
        ("224.0.0.0/4", "for multicast"),
        ("240.0.0.0/4", "reserved"),
    )
]
_NOT_PUBLIC_6 = [
    (ipaddress.IPv6Network(network), words)
    for network, words in (
        ("::1/128", "this machine itself (loopback)"),
        ("::/96", "reserved"),
        ("::ffff:0:0/96", "an IPv4 address in disguise (IPv4-mapped)"),
        ("64:ff9b::/96", "an IPv4 address in disguise (NAT64)"),
        ("64:ff9b:1::/48", "an IPv4 address in disguise (NAT64)"),
        ("2002::/16", "an IPv4 address in disguise (6to4)"),
        ("2001::/32", "an IPv4 address in disguise (Teredo)"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("3ffe::/16", "reserved"),
        ("100::/64", "for discarding"),
        ("fc00::/7", "in a private network"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "in a private network"),
        ("ff00::/8", "for multicast"),
    )
]
