import base64
import hashlib
import hmac
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedbridge.errors import SettingsError, StoreError
from feedbridge.pictures.keys import Keys

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESS = "https://pictures.example/a.jpg?size=2&b=%E5%9B%BE"


def parts(path: str) -> tuple[str, str]:
    """Signature and address as they stand in a path."""
    _, signature, encoded = path.split("/")
    return signature, encoded


def check(keys: Keys, path: str, now: datetime = NOON) -> str | None:
    return keys.verify(*parts(path), now=now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image-keys"


@pytest.fixture
def keys(path: Path) -> Keys:
    return Keys(path)


def test_the_key_is_made_once(path: Path) -> None:
    """Of 32 bytes, for nobody else to read; the next start signs with the same."""
    first = Keys(path).sign(ADDRESS)
    assert path.stat().st_mode & 0o777 == 0o600
    (line,) = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(base64.urlsafe_b64decode(line + "=")) == 32
    assert Keys(path).sign(ADDRESS) == first
    assert list(path.parent.iterdir()) == [path]


def test_two_sites_have_different_keys(tmp_path: Path) -> None:
    """A key is made by chance."""
    assert Keys(tmp_path / "a").sign(ADDRESS) != Keys(tmp_path / "b").sign(ADDRESS)


def test_a_signature_is_hmac_sha_256_of_the_address(keys: Keys, path: Path) -> None:
    """By the key in the file, in base64url without padding."""
    secret = base64.urlsafe_b64decode(path.read_text().splitlines()[-1] + "=")
    digest = hmac.new(secret, ADDRESS.encode(), hashlib.sha256).digest()
    signature, encoded = parts(keys.sign(ADDRESS))
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert base64.urlsafe_b64decode(encoded + "==").decode() == ADDRESS


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_what_was_signed_comes_back(tmp_path_factory: pytest.TempPathFactory, address: str) -> None:
    """Whatever the address is; the path is of safe characters alone."""
    keys = Keys(tmp_path_factory.getbasetemp() / "round-trip-keys")
    signed = keys.sign(address)
    assert re.fullmatch(r"img/[A-Za-z0-9_-]{43}/[A-Za-z0-9_-]+", signed)
    assert check(keys, signed) == address


def test_another_address_is_not_signed(keys: Keys) -> None:
    """A signature is good for one address alone."""
    signature, _ = parts(keys.sign(ADDRESS))
    _, other = parts(keys.sign("http://169.254.169.254/"))
    assert keys.verify(signature, other, now=NOON) is None


def test_every_changed_character_counts(keys: Keys) -> None:
    """No character of signature or address can be another one, left out or doubled: one picture has one path."""
    signature, encoded = parts(keys.sign(ADDRESS))
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at, sign in enumerate(signature + encoded):
        others = [other for other in signs if other != sign]
        is_end = at in (0, 42, 43, 42 + len(encoded))
        for other in ["", sign * 2, *(others if is_end else [others[at % 63]])]:
            changed = (signature + encoded)[:at] + other + (signature + encoded)[at + 1 :]
            cut = 42 + len(other) if at < 43 else 43
            assert keys.verify(changed[:cut], changed[cut:], now=NOON) is None


@pytest.mark.parametrize("padding", ["=", "==", "\n", " ", "%3D", "/", ".", "é", "\ud800", "\0"])
def test_other_spellings_are_refused(keys: Keys, padding: str) -> None:
    """Nothing may stand behind either part."""
    signature, encoded = parts(keys.sign(ADDRESS))
    assert keys.verify(signature + padding, encoded, now=NOON) is None
    assert keys.verify(signature, encoded + padding, now=NOON) is None
    assert keys.verify(signature[:-1] + padding, encoded, now=NOON) is None


def test_long_addresses_are_not_signed(keys: Keys) -> None:
    """Nor read, however long the request is."""
    longest = "https://a.example/" + "a" * (8192 - 18)
    assert check(keys, keys.sign(longest)) == longest
    with pytest.raises(ValueError, match="longer than 8,192 bytes"):
        keys.sign(longest + "a")
    assert keys.verify("A" * 43, "A" * 10_000_000, now=NOON) is None


def test_old_links_stay_good_for_a_while(keys: Keys, path: Path) -> None:
    """A new key signs; what the old one signed is good until its time is over, and so after a new start."""
    old = keys.sign(ADDRESS)
    keys.rotate(now=NOON, keep_for=timedelta(days=30))
    new = keys.sign(ADDRESS)
    assert new != old
    for each in (keys, Keys(path)):
        assert check(each, old, NOON + timedelta(days=30, seconds=-1)) == ADDRESS
        assert check(each, old, NOON + timedelta(days=30)) is None
        assert check(each, new, NOON + timedelta(days=3000)) == ADDRESS
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_that_are_over_leave_the_file(keys: Keys, path: Path) -> None:
    """At the next change; one whose time is not over keeps it."""
    for day in range(4):
        keys.rotate(now=NOON + timedelta(days=day), keep_for=timedelta(days=2))
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert [line.partition(" ")[2][:10] for line in lines] == ["", "2026-11-25", "2026-11-24"]


def test_a_key_that_others_know_is_put_out_at_once(keys: Keys) -> None:
    """Kept for no time, neither it nor earlier ones are good any longer."""
    first = keys.sign(ADDRESS)
    keys.rotate(now=NOON, keep_for=timedelta(days=30))
    second = keys.sign(ADDRESS)
    keys.rotate(now=NOON, keep_for=timedelta())
    assert check(keys, first) is check(keys, second) is None
    assert check(keys, keys.sign(ADDRESS)) == ADDRESS


def test_another_process_sees_the_change(keys: Keys, path: Path) -> None:
    """Who has read the keys already signs with the new one and takes it, without a new start."""
    serving = Keys(path)
    old = serving.sign(ADDRESS)
    keys.rotate(now=NOON, keep_for=timedelta(days=1))
    assert serving.sign(ADDRESS) == keys.sign(ADDRESS)
    assert check(serving, old) == check(serving, keys.sign(ADDRESS)) == ADDRESS


def test_links_outlive_a_lost_file(keys: Keys, path: Path) -> None:
    """A running server goes on with the keys that it has."""
    signed = keys.sign(ADDRESS)
    path.unlink()
    assert check(keys, signed) == ADDRESS
    path.write_text("")
    assert check(keys, signed) == ADDRESS


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(path: Path, mode: int) -> None:
    """The error names the mend."""
    Keys(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=rf"others on this machine may read it.*run `chmod 600 {path}`"):
        Keys(path)


@pytest.mark.parametrize(
    "content", ["rubbish\n", "QUJD\n", "A" * 43 + " 2026-11-20T12:00:00+00:00\n", "# only\n", "\xe9\n"]
)
def test_a_file_of_something_else_is_refused(path: Path, content: str) -> None:
    """It is not overwritten: it may be somebody's."""
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="does not hold the keys that it should"):
        Keys(path)
    assert path.read_text(encoding="latin-1") == content


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    """Where it cannot be, it is named, with the reason."""
    Keys(tmp_path / "a" / "b" / "image-keys")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/image-keys: the keys of pictures cannot be kept \("):
        Keys(tmp_path / "file" / "image-keys")


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """The key is not put where somebody else would have it."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        Keys(path)
    assert not (tmp_path / "elsewhere").exists()


def test_what_a_killed_run_left_is_swept_away(path: Path) -> None:
    """An empty file becomes a key, and a half-written one beside is gone."""
    path.touch(0o600)
    beside = path.with_name("image-keys.feedbridge-tmp")
    beside.write_text("half")
    keys = Keys(path)
    assert check(keys, keys.sign(ADDRESS)) == ADDRESS
    assert list(path.parent.iterdir()) == [path]


_RACE = """
import sys, time
from pathlib import Path
from feedbridge.pictures.keys import Keys
while time.time() < float(sys.argv[2]): pass
print(Keys(Path(sys.argv[1])).sign("https://a.example/"))
"""


def test_processes_that_start_together_make_one_key(path: Path) -> None:
    """All of them sign with it."""
    words = [sys.executable, "-c", _RACE, str(path), str(time.time() + 1.0)]
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    signed = {process.communicate(timeout=30)[0] for process in processes}
    assert signed == {Keys(path).sign("https://a.example/") + "\n"}


def test_a_failed_change_leaves_the_keys(keys: Keys, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full disk what was signed stays good, and no half-written file is left."""
    signed = keys.sign(ADDRESS)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        keys.rotate(now=NOON, keep_for=timedelta(days=1))
    assert keys.sign(ADDRESS) == signed
    assert list(path.parent.iterdir()) == [path]
