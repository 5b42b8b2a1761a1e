"""Small charts."""

from lxml import etree

from feedbridge.owner.charts import Bar, chart


def drawn(*bars: Bar, label: str = "x") -> etree._Element:
    return etree.fromstring(chart(bars, label=label))


def heights(root: etree._Element, kind: str) -> list[float]:
    return [float(one.get("height", "")) for one in root.iter("rect") if one.get("class") == kind]


def test_bars_are_as_high_as_their_share() -> None:
    """Parts stand on each other; what went wrong hangs below the line, on a scale of its own."""
    root = drawn(Bar(parts=(("good", 10), ("idle", 30))), Bar(parts=(("good", 20),), below=2), Bar(), Bar(below=1))
    assert heights(root, "good") == [12, 24]
    assert heights(root, "idle") == [36]
    assert heights(root, "bad") == [14, 7]
    tops = [float(one.get("y", "")) for one in root.iter("rect") if one.get("class") in {"good", "idle"}]
    assert tops == [36, 0, 24]


def test_the_least_can_be_seen() -> None:
    """One among a million."""
    root = drawn(Bar(parts=(("good", 1_000_000),)), Bar(parts=(("good", 1),), below=1), Bar(below=1_000_000))
    assert min(heights(root, "good")) == 1
    assert min(heights(root, "bad")) == 3


def test_nothing_is_a_line() -> None:
    """Neither too few bars nor too low ones are a fault."""
    for root in (drawn(), drawn(Bar(), Bar()), drawn(Bar(parts=(("good", 0.0),)))):
        assert heights(root, "good") == []
        assert len(heights(root, "line")) == 1


def test_words_are_escaped() -> None:
    """Whatever somebody is called."""
    root = drawn(Bar(parts=(("good", 1),), note="<&>"), label='"><script>')
    assert root.get("aria-label") == '"><script>'
    assert [one.text for one in root.iter("title")] == ["<&>"]
