import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import httpcore
import pytest

from feedbridge.errors import FetchError
from feedbridge.fetch import guard
from feedbridge.fetch.guard import (
    MAX_HEAD_BYTES,
    Connection,
    Forbidden,
    Guard,
    LongHead,
    Resolver,
    Unresolved,
    addresses,
    check_for_proxy,
    reason,
)
from feedbridge.reach import Allowance, parse_allowance

if TYPE_CHECKING:
    from tests.fetch.conftest import Server

LOOPBACK = parse_allowance(["127.0.0.0/8", "[::1]"])


def names(**known: Sequence[str]) -> Callable[[str, int], Coroutine[Any, Any, Sequence[str]]]:
    """A resolver that knows a few hosts by their first label."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host.split(".")[0] not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[host.split(".")[0]]

    return resolve


def found(host: str, port: int = 80, *, allow: Allowance = LOOPBACK, **known: Sequence[str]) -> list[str]:
    found = asyncio.run(addresses(host, port, refusal=allow.refusal, resolve=names(**known)))
    return [str(address) for address in found]


async def connect(host: str, port: int, *, allow: Allowance = LOOPBACK, **known: Sequence[str]) -> str:
    """The address that a host was connected at."""
    stream = await Guard(allow.refusal, names(**known)).connect_tcp(host, port)
    place: str = stream.get_extra_info("server_addr")[0]
    await stream.aclose()
    return place


# What is checked


def test_every_address_of_a_name_is_checked() -> None:
    """Of a public name that has a private address among others, only the public ones are left, in their order."""
    assert found("a.example", allow=Allowance(), a=["10.0.0.1", "8.8.4.4", "::1", "8.8.8.8", "8.8.4.4"]) == [
        "8.8.4.4",
        "8.8.8.8",
    ]


def test_a_name_with_private_addresses_alone_is_refused() -> None:
    """The refusal names the host, the address and the mend."""
    with pytest.raises(Forbidden) as raised:
        found("nas.example", allow=Allowance(), nas=["192.168.1.5", "::1"])
    assert str(raised.value) == (
        "nas.example may not be reached: 192.168.1.5 is in a private network; "
        'if that is meant, allow it: allow_private = ["nas.example"]'
    )


def test_the_mend_names_an_odd_port() -> None:
    """Where the port alone is in the way, opening it is enough."""
    with pytest.raises(Forbidden, match=r'port 8080 is neither 80 nor 443; .*allow_private = \["a\.example:8080"\]$'):
        found("a.example", 8080, allow=Allowance(), a=["8.8.8.8"])
    with pytest.raises(Forbidden, match=r'allow_private = \["\[::1\]:8080"\]$'):
        found("::1", 8080, allow=Allowance())


def test_an_address_is_its_own_name() -> None:
    """IP addresses are not looked up."""
    assert found("8.8.8.8") == ["8.8.8.8"]
    assert found("2606:4700::1111", allow=Allowance()) == ["2606:4700::1111"]


def test_a_name_without_address_is_named() -> None:
    """The resolver's reason is passed on, in words."""
    with pytest.raises(Unresolved) as raised:
        found("gone.example")
    assert str(raised.value) == "the name gone.example cannot be resolved (Name or service not known)"
    with pytest.raises(Unresolved, match=r"^the name none\.example has no address$"):
        found("none.example", none=[])
    with pytest.raises(Unresolved, match=r"^the name odd\.example cannot be resolved"):
        found("odd.example", odd=["/run/socket"])


def test_few_addresses_of_a_name_are_tried() -> None:
    """A name with hundreds of addresses does not make hundreds of connections."""
    many = [f"127.0.1.{number}" for number in range(200)]
    assert found("many.example", many=many) == many[:8]


# What is connected to


def test_the_checked_address_is_connected_to(server: "Server") -> None:
    """There is one look-up for a connection: a name that changes its answer afterwards changes nothing."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def resolve(host: str, port: int) -> Sequence[str]:
        return next(answers)

    async def work() -> None:
        door = Guard(LOOPBACK.refusal, resolve)
        stream = await door.connect_tcp("a.example", server.port)
        await stream.aclose()
        with pytest.raises(Forbidden):
            await door.connect_tcp("a.example", server.port)

    asyncio.run(work())
    assert server.settled().connections == 1


def test_a_forbidden_address_is_never_connected_to(server: "Server") -> None:
    """Not even when it is the only one that would answer."""
    with pytest.raises(FetchError, match=r"no connection to a\.example at 127\.0\.0\.2"):
        asyncio.run(
            connect("a.example", server.port, allow=parse_allowance(["127.0.0.2"]), a=["127.0.0.1", "127.0.0.2"])
        )
    assert server.settled().connections == 0


def test_the_next_address_stands_in_for_one_that_is_dead(server: "Server") -> None:
    """The first address that answers is taken."""
    assert asyncio.run(connect("a.example", server.port, a=["127.0.0.2", "::1", "127.0.0.1"])) == "127.0.0.1"


def test_the_next_address_stands_in_for_one_that_is_silent(server: "Server", monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that does not answer at all is waited for only while patience lasts."""
    monkeypatch.setattr(guard, "_PATIENCE_SECONDS", 0.2)
    with socket.socket() as full:  # its queue holds one connection, so a further one is never answered
        full.bind(("127.0.0.2", server.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.2", server.port))
            began = time.monotonic()
            place = asyncio.run(connect("a.example", server.port, a=["127.0.0.2", "127.0.0.1"]))
            assert place == "127.0.0.1"
            assert 0.15 < time.monotonic() - began < 1.5
        finally:
            for one in waiting:
                one.close()


def test_ipv6_is_connected_to(serve: "Callable[..., Server]") -> None:
    """Names with an IPv6 address, and the address itself."""
    server = serve("::1")
    assert asyncio.run(connect("a.example", server.port, a=["::1"])) == "::1"
    assert asyncio.run(connect("::1", server.port)) == "::1"


def test_no_answer_is_told_in_words() -> None:
    """Host, address, port and the system's reason are in the error."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        with pytest.raises(FetchError) as raised:
            asyncio.run(connect("a.example", port, a=["127.0.0.1"]))
    assert str(raised.value) == f"no connection to a.example at 127.0.0.1, port {port} (Connection refused)"


def test_unix_sockets_are_refused() -> None:
    """They are never the web."""
    with pytest.raises(Forbidden, match=r"/run/docker\.sock is a Unix socket: it may not be reached"):
        asyncio.run(Guard(LOOPBACK.refusal, names()).connect_unix_socket("/run/docker.sock"))


# Behind a proxy


@pytest.mark.parametrize(
    ("host", "known"),
    [("127.0.0.1", []), ("::1", []), ("in.example", ["10.0.0.1"]), ("localhost", []), ("nas", []), ("a.internal", [])],
)
def test_a_proxy_is_not_asked_for_local_hosts(host: str, known: Sequence[str]) -> None:
    """Private addresses, names that resolve to them, and names of local machines: no proxy hears of them."""
    with pytest.raises(Forbidden, match="may not be reached"):
        asyncio.run(check_for_proxy(host, 80, allow=Allowance(), resolve=names(**{"in": known} if known else {})))


def test_a_proxy_is_left_what_only_it_may_know() -> None:
    """Public names pass, and those that are not known here; allowed ones pass wherever they are."""

    async def work() -> None:
        await check_for_proxy("a.example", 443, allow=Allowance(), resolve=names(a=["8.8.8.8"]))
        await check_for_proxy("hidden.onion", 80, allow=Allowance(), resolve=names())
        await check_for_proxy("nas.local", 81, allow=parse_allowance(["nas.local"]), resolve=names())

    asyncio.run(work())


# Looking up


def test_the_systems_resolver_is_asked() -> None:
    """localhost is on every machine."""
    assert "127.0.0.1" in asyncio.run(Resolver()("localhost", 80))
    with pytest.raises((OSError, UnicodeError)):
        asyncio.run(Resolver()("x" * 70 + ".invalid", 80))


def test_stuck_look_ups_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """While names hang others are resolved; who gave up waiting leaves a slot taken until the system answers."""
    released = threading.Event()

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if host == "stuck.example":
            released.wait(10)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def work() -> None:
        resolve = Resolver(at_once=3)
        stuck = [asyncio.create_task(resolve("stuck.example", 80)) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in range(5):
            assert await asyncio.wait_for(resolve("a.example", 80), 2) == ["127.0.0.1"]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        third = asyncio.create_task(resolve("stuck.example", 80))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolve("a.example", 80), 0.2)
        released.set()
        assert await asyncio.wait_for(resolve("a.example", 80), 2) == ["127.0.0.1"]
        assert await third == ["127.0.0.1"]

    try:
        asyncio.run(work())
    finally:
        released.set()


def test_a_look_up_that_cannot_begin_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system is short of threads, names cannot be resolved for now; later they can."""

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> None:
        resolve = Resolver(at_once=1)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(OSError, match="the system gives us no further thread"):
                await resolve("localhost", 80)
        assert "127.0.0.1" in await asyncio.wait_for(resolve("localhost", 80), 5)

    asyncio.run(work())


# Connections


class _Endless(httpcore.AsyncNetworkStream):
    """Says the same for ever."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"x" * max_bytes

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass


def test_headers_end() -> None:
    """What comes before a body is bounded; a further request begins anew, and a body is not bounded here."""

    async def head(connection: Connection) -> int:
        pieces: list[bytes] = []

        async def read_on() -> None:
            while True:
                pieces.append(await connection.read(65536))

        with pytest.raises(LongHead, match="more than 64 KiB of headers came"):
            await read_on()
        return len(b"".join(pieces))

    async def work() -> None:
        connection = Connection(_Endless())
        assert await head(connection) == MAX_HEAD_BYTES
        await connection.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await head(connection) == MAX_HEAD_BYTES
        connection.expect_body()
        assert sum([len(await connection.read(65536)) for _ in range(10)]) == 655360
        assert connection.last_read == b"x" * 65536

    asyncio.run(work())


def test_reasons_of_failed_connections_are_words() -> None:
    """The deepest cause that has words is told, and where there is none, something is."""
    refused = httpcore.ConnectError("All connection attempts failed")
    refused.__cause__ = OSError(111, "Connect call failed ('127.0.0.1', 9)")
    assert reason(refused) == os.strerror(111)
    assert reason(httpcore.ConnectError()) == "broken off"
    assert reason(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)")) == "TLS failed"
