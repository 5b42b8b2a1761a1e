"""Which address each picture is shown at: the first of its chain that works, as far as is known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from feedbridge.model import EntryImage, Image
from feedbridge.pictures.keys import Keys
from feedbridge.policies import DEFAULT, MIRROR, SERVE, Chain, Policy
from feedbridge.store import pictures
from feedbridge.store.pictures import Picture, Wanted

ChainOf = Callable[[Image], Chain]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A policy of a chain, as it is for one picture.

    Attributes:
        address: The address that it gives the picture; None: it is not shown, or there is no copy yet.
        comes_from: The address that the picture comes from then, or None.
        note: What is known of it, in words.
        chosen: It is the one that is published.
    """

    policy: str
    address: str | None
    comes_from: str | None
    note: str
    chosen: bool


class Album:
    """Chooses the addresses of the pictures of one document at a time.

    Args:
        base_url: Where readers find the published files.
        keys: That sign what is served; None where nothing is, or where they are only looked at.
    """

    def __init__(self, *, base_url: str, keys: Keys | None) -> None:
        self._base_url = base_url
        self._keys = keys
        self._known: Mapping[str, Picture] = {}
        self._failing: Mapping[str, str] = {}
        self.wanted: dict[str, Wanted] = {}
        """What the pictures that were asked for need, by address."""
        self.lacks_copies = False
        """Whether a copy is still to be looked for."""

    def begin(self, connection: Connection, images: Iterable[tuple[Image, Chain]]) -> None:
        """Begin a document that shows these pictures."""
        addresses = {
            address
            for image, chain in images
            if _needs_looking(image, chain)
            for policy in chain
            if (address := policy.address(image))
        }
        self._known = pictures.known(connection, addresses) if addresses else {}
        self._failing = pictures.failing_hosts(connection) if addresses else {}
        self.wanted = {}
        self.lacks_copies = False

    def measured(self, image: Image, shown: EntryImage) -> EntryImage:
        """Complete what is told of a picture by what is known of it: of its copy all, else its type and shape."""
        picture = self._known.get(image.origin)
        if picture is None or not picture.is_found:
            return shown
        is_copy = picture.copy is not None and shown.href == f"{self._base_url}{picture.copy}"
        if not is_copy and shown.href != image.origin:
            return shown
        return EntryImage(
            href=shown.href,
            type=picture.media_type,
            length=picture.size if is_copy else None,
            width=picture.width,
            height=picture.height,
        )

    def address(self, image: Image, chain: Chain) -> str | None:
        """The address that a picture is shown at, or None if it is not to be shown."""
        if not _needs_looking(image, chain):
            return self._spelled(chain[0], image)
        for policy in chain:
            address = policy.address(image)
            if address is None:
                return None
            is_last = policy is chain[-1]
            if policy.text == MIRROR:
                self._want_copy(image, address, chain)
                if copy := self._copy(address):
                    return copy
                if is_last:
                    return self._spelled(DEFAULT[0], image)
                continue
            if not is_last:
                self._want(address, Wanted(check=True))
            if is_last or self._trouble(address) is None:
                return self._spelled(policy, image)
        return None

    def choices(self, image: Image, chain: Chain) -> Iterator[Choice]:
        """Every policy of a picture's chain, and why it is or is not the one that is published."""
        published = self.address(image, chain)
        found = False
        for policy in (*chain, *(DEFAULT if chain[-1].text == MIRROR else ())):
            comes_from = policy.address(image)
            shown = self._copy(comes_from or "") if policy.text == MIRROR else self._spelled(policy, image)
            chosen = not found and shown == published and (policy.text != MIRROR or shown is not None)
            found = found or chosen
            yield Choice(
                policy=policy.text,
                address=shown,
                comes_from=comes_from,
                note=self._note(policy, comes_from, is_checked=policy is not chain[-1] or policy.text == MIRROR),
                chosen=chosen,
            )

    def _note(self, policy: Policy, address: str | None, *, is_checked: bool) -> str:
        if address is None:
            return "left out"
        if address.startswith("data:"):
            return "stands in the article itself"
        picture = self._known.get(address)
        if policy.text == MIRROR and picture is not None and picture.copy is not None:
            return "there is a copy"
        if trouble := self._trouble(address):
            return trouble
        if picture is None or picture.checked_at is None:
            unknown = "not looked for yet" if is_checked else "taken without a look, as the last"
            return "no copy yet" if policy.text == MIRROR else unknown
        return f"found on {picture.checked_at:%Y-%m-%d %H:%M}Z"

    def _copy(self, address: str) -> str | None:
        picture = self._known.get(address)
        return f"{self._base_url}{picture.copy}" if picture and picture.copy else None

    def _trouble(self, address: str) -> str | None:
        """Why an address is not used, or None."""
        host = pictures.host_of(address)
        if host in self._failing:
            return f"{host} fails: {self._failing[host]}"
        picture = self._known.get(address)
        return picture.reason if picture else None

    def _spelled(self, policy: Policy, image: Image) -> str | None:
        address = policy.address(image)
        if policy.text != SERVE or address is None or not address.startswith(("http://", "https://")):
            return address
        if self._keys is None:
            return f"{self._base_url}img/…"
        try:
            return f"{self._base_url}{self._keys.sign(address)}"
        except ValueError:
            return address

    def _want_copy(self, image: Image, address: str, chain: Chain) -> None:
        elsewhere = [*image.chain, *(policy.address(image) for policy in chain if "${" in policy.text)]
        also = tuple(dict.fromkeys(other for other in elsewhere if other and other != address))
        self._want(address, Wanted(copy=True, also=also))
        picture = self._known.get(address)
        is_unknown = picture is None or (picture.copy is None and picture.reason is None)
        if is_unknown and self._trouble(address) is None:
            self.lacks_copies = True

    def _want(self, address: str, wanted: Wanted) -> None:
        before = self.wanted.get(address, Wanted())
        self.wanted[address] = Wanted(
            check=before.check or wanted.check, copy=before.copy or wanted.copy, also=before.also or wanted.also
        )


def _needs_looking(image: Image, chain: Chain) -> bool:
    """Whether it matters what is known of a picture."""
    return (len(chain) > 1 or chain[0].text == MIRROR) and image.origin.startswith(("http://", "https://"))
