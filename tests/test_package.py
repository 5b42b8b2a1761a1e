"""The package as it is built and shared."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import feedbridge

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "feedbridge"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "config" / "constraints.txt").read_text(encoding="utf-8").splitlines()
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("deb", "debian", "org"),
    )
]
_NOT_SHARED = {"public", "var", "dist", "build", "__pycache__", ".git", ".venv"}


def shared_files() -> Iterator[Path]:
    """The files of the repository, without what tools and builds leave in it."""
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.is_dir() and not path.is_symlink():
                if path.name not in _NOT_SHARED and not path.name.endswith(("_cache", ".egg-info", ".hypothesis")):
                    pending.append(path)
            elif path.is_file():
                yield path


def canonical(name: str) -> str:
    """A project's name as all spell it alike."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_said_once_more_and_the_same() -> None:
    """`feedbridge --version` is what was installed."""
    assert PROJECT["version"] == feedbridge.__version__


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers of those who import it look for this file."""
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """In its first line."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said, f"{path.relative_to(ROOT)} has no docstring"


def test_every_dependency_is_pinned() -> None:
    """So that the tests run with the versions they ran with before."""
    pinned = {canonical(line.partition("==")[0]) for line in CONSTRAINTS}
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    names = {canonical(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in wanted}
    assert names - pinned == set(), "config/constraints.txt lacks these"


def test_constraints_are_versions_and_nothing_else() -> None:
    """No address, no option, no file, no project twice."""
    wrong = [line for line in CONSTRAINTS if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line)]
    assert wrong == []
    names = [canonical(line.partition("==")[0]) for line in CONSTRAINTS]
    assert sorted(set(names)) == sorted(names)


def test_no_file_names_a_registry() -> None:
    """Where packages come from is for whoever installs them to say."""
    found = [
        f"{path.relative_to(ROOT)} names {host}"
        for path in shared_files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_walk_over_the_files_sees_them() -> None:
    """Or else the test above would find nothing in nothing."""
    seen = {str(path.relative_to(ROOT)) for path in shared_files()}
    assert {"README.md", "pyproject.toml", "feedbridge/cli.py", "config/constraints.txt", ".gitignore"} <= seen
    assert not any(path.startswith((".git/", ".venv/", ".mypy_cache/")) for path in seen)


def test_what_the_package_reads_is_in_it() -> None:
    """Files beside the code that it needs when it runs."""
    for name in ("starter.toml", "pages/templates/base.html", "pages/templates/style.css", "store/migrations/env.py"):
        assert (PACKAGE / name).is_file()
