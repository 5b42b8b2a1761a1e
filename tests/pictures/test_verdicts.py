"""What follows for a host and a picture from looking for it."""

from datetime import UTC, datetime, timedelta

import pytest

from feedbridge.pictures.verdicts import FIRST_PAUSE, LONGEST_PAUSE, PROBE_PAUSE, STRIKES, Outcome, judge, next_look
from feedbridge.store.pictures import Host

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVERY = timedelta(minutes=10)
FOUND = Outcome()
NOT_THERE = Outcome(reason="404 Not Found")
IN_TROUBLE = Outcome(reason="502 Bad Gateway", is_of_host=True)


def judged(host: Host | None, outcome: Outcome, *, was_found: bool = False, others: bool = False) -> Host:
    return judge(host, outcome, name="p.example", now=NOW, every=EVERY, was_found=was_found, others=others)


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_a_host_that_answers_works(failures: int) -> None:
    """Whatever came before, a picture that is found says that its host works, and when it is to be asked again."""
    before = Host(host="p.example", due_at=NOW, checked_at=NOW, failures=failures, reason="x" if failures > 2 else None)
    assert judged(before, FOUND) == Host(host="p.example", due_at=NOW + EVERY, checked_at=NOW)


@pytest.mark.parametrize(("was_found", "others"), [(True, True), (True, False), (False, False)])
def test_trouble_of_a_host_is_believed_at_once(was_found: bool, others: bool) -> None:
    """A host that fails for a picture that it had, or that had none yet, is given up with the first question."""
    verdict = judged(None, IN_TROUBLE, was_found=was_found, others=others)
    assert verdict.reason == "502 Bad Gateway"
    assert verdict.due_at == NOW + PROBE_PAUSE


def test_trouble_with_an_unknown_picture_is_looked_into_first() -> None:
    """A host that fails for one new picture, and had others, is asked for one of those before it is given up."""
    verdict = judged(None, IN_TROUBLE, others=True)
    assert (verdict.reason, verdict.failures) == (None, 1)
    assert judged(verdict, IN_TROUBLE, was_found=True, others=True).reason == "502 Bad Gateway"
    assert judged(verdict, FOUND, was_found=True, others=True).failures == 0


def test_a_missing_picture_is_no_fault_of_its_host() -> None:
    """A picture that was never there says nothing of a host that has others."""
    before = Host(host="p.example", due_at=NOW, checked_at=NOW)
    assert judged(before, NOT_THERE, others=True) == before
    assert judged(None, NOT_THERE, others=True).failures == 0


def test_pictures_that_go_missing_are() -> None:
    """A host that no longer has two of the pictures that it had is given up: it answers, but with something else."""
    once = judged(None, NOT_THERE, was_found=True, others=True)
    assert once.reason is None
    assert judged(once, NOT_THERE, was_found=True, others=True).reason == "404 Not Found"


def test_a_host_that_never_had_any_is_given_up() -> None:
    """So it is with one at which nothing was ever found."""
    host = None
    for _ in range(STRIKES - 1):
        host = judged(host, NOT_THERE)
        assert host.reason is None
    assert judged(host, NOT_THERE).reason == "404 Not Found"


def test_a_failing_host_is_asked_less_and_less() -> None:
    """A minute later first, at last as often as one that works."""
    host, pauses = None, []
    for _ in range(8):
        host = judged(host, IN_TROUBLE)
        pauses.append((host.due_at - NOW) / timedelta(minutes=1))
    assert pauses == [1, 2, 4, 8, 10, 10, 10, 10]


def test_a_wish_to_be_left_alone_is_heeded() -> None:
    """Retry-After counts where it is longer."""
    wish = Outcome(reason="429", is_of_host=True, pause=timedelta(hours=3))
    assert judged(None, wish).due_at == NOW + timedelta(hours=3)


def test_a_missing_picture_is_looked_for_less_and_less() -> None:
    """After an hour first, at last once a week."""
    pauses = [next_look(failures, now=NOW) - NOW for failures in (1, 2, 3, 50, 10_000)]
    assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4, LONGEST_PAUSE, LONGEST_PAUSE]
