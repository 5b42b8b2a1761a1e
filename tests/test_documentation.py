"""README, settings and commands say the same."""

import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from feedbridge import defaults, reading, settings, visiting
from feedbridge.cli import app
from feedbridge.fetch import client, validators
from feedbridge.model import Image
from feedbridge.policies import parse_policy
from feedbridge.reach import Allowance
from feedbridge.settings import (
    ArchiveSource,
    FeedSource,
    FeedTable,
    HostRule,
    ImageRule,
    OutputStorage,
    Site,
    Source,
    Storage,
    environment_names,
)
from feedbridge.workers import Readers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KINDS: dict[str, type[BaseModel]] = {"archive": ArchiveSource, "feed": FeedSource}
SHARED = {
    key: field
    for key, field in ArchiveSource.model_fields.items()
    if key in FeedSource.model_fields and FeedSource.model_fields[key].default == field.default
}
"""The keys that mean the same in every kind of source."""
TABLES: dict[str, Mapping[str, FieldInfo]] = {
    "### `[site]`": Site.model_fields,
    "#### `[site.storage]`": OutputStorage.model_fields,
    "#### `[[site.host_rule]]`": HostRule.model_fields,
    "### `[[source]]`": SHARED,
    **{
        f'#### `kind = "{kind}"`': {key: field for key, field in table.model_fields.items() if key not in SHARED}
        for kind, table in KINDS.items()
    },
    "### `[[feed]]`": FeedTable.model_fields,
}
COMMANDS: dict[str, Any] = {
    f"{name} {part}" if part else name: found
    for name, command in vars(typer.main.get_command(app))["commands"].items()
    for part, found in vars(command).get("commands", {"": command}).items()
}
"""Of a group, each command by both words."""


def section(heading: str) -> str:
    """What stands in the README below a heading that begins so, up to the next of its level."""
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}.*\n((?:(?!#{{1,{len(level)}}} ).*\n)*)", README, re.MULTILINE)
    assert found, f"README.md has no heading {heading!r}"
    return found[1]


def rows(heading: str) -> dict[str, str]:
    """The table of keys of a section: what stands in the column of defaults, by key; inner sections have their own."""
    found: dict[str, str] = {}
    before, _, _ = section(heading).partition("\n####")
    for line in before.splitlines():
        if line.startswith("| `"):
            keys, default = line.split("|")[1:3]
            found |= dict.fromkeys(re.findall(r"`(\w+)`", keys), default.strip())
    return found


def as_toml(value: object) -> str:
    """A default as one would write it in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f'"{_as_duration(value)}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_toml, value))}]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _as_duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    size, unit = next(
        (size, unit) for size, unit in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0
    )
    return f"{seconds // size}{unit}"


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every key of every table."""
    for heading, table in TABLES.items():
        for key, field in table.items():
            yield heading, key, field


@pytest.mark.parametrize(
    ("heading", "key", "field"), [pytest.param(*one, id=f"{one[0].strip('# ')} {one[1]}") for one in fields()]
)
def test_every_setting_is_explained_with_its_default(heading: str, key: str, field: FieldInfo) -> None:
    """Each key has its row in the table of its section; what every kind of source has, in the one of all."""
    explained = rows(heading)
    assert key in explained, f"README.md: {heading} has no row for `{key}`"
    if field.is_required():
        expected = "required"
    elif field.get_default(call_default_factory=True) in (None, (), {}, Allowance(), Storage(), OutputStorage()):
        assert explained[key], f"README.md: {heading} does not say what holds when `{key}` is left out"
        return
    else:
        expected = f"`{as_toml(field.default)}`"
    assert explained[key] == expected, f"README.md: {heading} gives `{key}` another default than the settings have"


@pytest.mark.parametrize("heading", TABLES)
def test_no_setting_is_explained_that_is_none(heading: str) -> None:
    """Nor one that moved to another table."""
    strangers = set(rows(heading)) - set(TABLES[heading])
    assert not strangers, f"README.md explains keys that {heading} does not have"


def test_every_kind_of_source_has_its_table() -> None:
    """And is named where kinds are explained."""
    assert {get_args(table.model_fields["kind"].annotation)[0] for table in get_args(Source)} == set(KINDS)
    for kind in KINDS:
        assert f'`"{kind}"`: ' in section("### `[[source]]`"), f"README.md does not say what kind {kind} is"


def test_rules_by_host_are_explained() -> None:
    """They are tables within the others."""
    text = section("### Pictures")
    for key in ImageRule.model_fields:
        assert f"`{key}`" in text, f"README.md: ### Pictures does not explain `{key}` of a rule by host"


def test_the_limits_of_a_feed_are_those_that_hold() -> None:
    """The numbers of the section on other people's feeds."""
    text = " ".join(section("## Other people's feeds").split())
    bounds = {key: FeedSource.model_fields[key].default for key in ("timeout", "max_bytes", "max_decoded_bytes")}
    seconds = inspect.signature(Readers).parameters["deadline"].default.total_seconds()
    for words in (
        f"{bounds['timeout'].total_seconds():.0f} seconds for a whole answer",
        f"{bounds['max_bytes'] >> 20} MiB as it comes and {bounds['max_decoded_bytes'] >> 20} MiB unpacked",
        f"{reading.MAX_ENTRIES:,} entries and {reading.MAX_CONTENT >> 20} MiB of text each",
        f"{seconds:.0f} seconds and {reading.MAX_MEMORY >> 20} MiB of memory to read a feed",
        f"at most {_IN_WORDS[client.MAX_REDIRECTS]} in a row",
        f"after {_IN_WORDS[visiting.MOVED_TIMES]} times on end",
        f"more than {_IN_WORDS[validators.LONGEST_WAIT.days]} days",
    ):
        assert words in text, f"README.md: ## Other people's feeds does not say {words!r}"
    assert timedelta(days=1) == visiting.MOVED_FOR


_IN_WORDS = {3: "three", 5: "five", 7: "seven"}


def test_the_examples_of_settings_are_right(tmp_path: Path) -> None:
    """Each block is taken, by itself or within what it belongs to."""
    blocks = re.findall(r"```toml\n([^`]+)```\n", README)
    assert len(blocks) >= 4
    archive = '[[source]]\nname = "x"\nkind = "archive"\npath = "."\n'
    feed = '[[source]]\nname = "x"\nkind = "feed"\nurl = "https://x.example/"\n'
    for block in blocks:
        path = tmp_path / "feeds.toml"
        whole = block if "[[source]]" in block else f"{block}{archive}" if "[[site" in block else f"{feed}{block}"
        path.write_text(whole, encoding="utf-8")
        assert settings.load(path, {"HARBOUR_LOGIN": "you:password", "HARBOUR_KEY": "k"}).source


def test_every_name_of_a_template_is_explained_and_exists() -> None:
    """Each name in the README can be used, and the message that lists all of them lists no others."""
    text = section("### Pictures")
    named = set(re.findall(r"\$\{(\w+)\}", text))
    for name in named:
        assert parse_policy(f"https://x.example/?u=${{{name}}}").address(Image(origin="https://p.example/a.jpg"))
    with pytest.raises(ValueError) as caught:
        parse_policy("https://x.example/${nonsense-}")
    known = str(caught.value).partition("none of ")[2].partition(";")[0].split(", ")
    assert {name for name in known if not name.endswith("_ue")} <= named, "README.md: ### Pictures lacks a name"


def test_every_variable_is_listed() -> None:
    """Those that override `[site]`, and the one that names the settings file."""
    text = section("### `[site]`")
    for name in environment_names():
        assert f"`{name}`" in text, f"README.md: ### `[site]` does not list {name}"
    assert "`FEEDBRIDGE_CONFIG`" in section("## Commands")
    assert f"`{defaults.SETTINGS}`" in section("## Commands")


def test_no_variable_is_listed_that_is_none() -> None:
    """`TESTS_MUST_RUN` is for the tests alone."""
    listed = set(re.findall(r"FEEDBRIDGE_[A-Z_]+", README))
    assert listed == {*environment_names(), "FEEDBRIDGE_CONFIG", "TESTS_MUST_RUN"} & listed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_with_its_options(name: str) -> None:
    """Options that most commands have stand in the section's first paragraph."""
    before, _, _ = section("## Commands").partition("\n### ")
    text = before + section(f"### `feedbridge {name}`")
    for parameter in COMMANDS[name].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            named = re.search(rf"`{re.escape(option)}(?: [A-Z]+)?`", text)
            assert named, f"README.md: ### `feedbridge {name}` does not explain {option}"


def test_every_option_of_the_program_itself_is_explained() -> None:
    """Such as `--version`."""
    for parameter in vars(typer.main.get_command(app))["params"]:
        assert f"`feedbridge {parameter.opts[0]}`" in section("## Commands"), f"README.md lacks {parameter.opts[0]}"


def test_no_command_is_explained_that_is_none() -> None:
    """Neither as a heading nor in an example."""
    explained = set(re.findall(r"^### `feedbridge ([\w ]+)`", README, re.MULTILINE))
    assert explained == set(COMMANDS)
    shown = re.findall(r"^ *\$ feedbridge (.+)", README, re.MULTILINE)
    for words in shown:
        assert any(f"{words} ".startswith(f"{name} ") for name in COMMANDS), f"README.md shows {words!r}, which is none"


@pytest.mark.parametrize("code", ["0", "1", "2"])
def test_every_exit_code_is_explained(code: str) -> None:
    """Scripts depend on them."""
    before, _, _ = section("## Commands").partition("\n### ")
    _, found, explained = before.partition("Exit codes")
    assert found, "README.md: ## Commands does not explain the exit codes"
    assert f"`{code}`" in explained, f"README.md: ## Commands does not explain exit code {code}"


@pytest.mark.parametrize("mark", ["run", "test"])
def test_the_commands_to_run_and_to_test_can_be_found(mark: str) -> None:
    """One block of one command each, which installs exactly the versions that are pinned."""
    blocks = re.findall(rf"<!-- {mark} command -->\n```sh\n([^`]+)```\n", README)
    assert len(blocks) == 1, f"README.md has not one <!-- {mark} command --> before a block of sh"
    assert "-c config/constraints.txt" in blocks[0]
    assert len(blocks[0].splitlines()) == 1


def test_the_files_that_the_readme_links_are_there() -> None:
    """Links within the repository lead somewhere."""
    prose = "\n".join(line for line in README.splitlines() if not line.startswith("    "))
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", prose):
        assert (ROOT / target).exists(), f"README.md links {target}, which is not there"


@pytest.mark.parametrize(
    "recipe",
    re.findall(r"```toml\n(.*?)```", README.partition("## Recipes")[2].partition("\n## ")[0], re.DOTALL),
    ids=["mirror", "podcast", "many"],
)
def test_every_recipe_is_accepted(tmp_path: Path, recipe: str) -> None:
    """As it stands, in a file of its own."""
    path = tmp_path / "feedbridge.toml"
    path.write_text(recipe, encoding="utf-8")
    assert settings.load(path, {}).source


@pytest.mark.parametrize("path", sorted((ROOT / "feedbridge").glob("[!_]*.py")), ids=lambda path: path.name)
def test_every_module_of_the_first_level_is_on_the_map(path: Path) -> None:
    """So that the next person finds the way."""
    assert path.name in section("## How it is built"), f"README.md: the map lacks {path.name}"
