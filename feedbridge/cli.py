"""The command line: words become one call below, errors become exit codes.

0: fine (bad items are counted and named). 1: a source, the store or the output failed. 2: settings or usage.

Commands import what they need when they run, so that `--help`, `--version` and completion answer at once.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from feedbridge import __version__, defaults
from feedbridge.errors import FeedbridgeError, SettingsError
from feedbridge.terminal import columns, is_lively, printable, put, spell_out

if TYPE_CHECKING:
    from feedbridge.settings import Settings

app = typer.Typer(
    name="feedbridge",
    help="Republishes saved articles and other people's feeds as feeds that any feed reader can subscribe to.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_db = typer.Typer(help="Look after the database that keeps the store.", no_args_is_help=True)
app.add_typer(_db, name="db")
_store = typer.Typer(help="Move the store.", no_args_is_help=True)
app.add_typer(_store, name="store")

_SHOWN = 20
"""Lines of one kind that a summary shows."""

_LINE = 2000
"""Characters of a line, at most."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="FEEDBRIDGE_CONFIG",
        metavar="FILE",
        show_default=False,
        help="The settings file.  [default: config/feedbridge.toml]",
    ),
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="If the store is damaged, put it aside and read the archives anew.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"feedbridge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version and leave."),
    ] = False,
) -> None:
    spell_out()


def _known_names(context: typer.Context, incomplete: str) -> list[str]:
    """The names of sources, for a shell that completes words; none where the settings cannot be read."""
    import tomllib

    path = context.params.get("config") or os.environ.get(f"{defaults.PREFIX}CONFIG") or defaults.SETTINGS
    try:
        sources = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))["source"]
        names = [printable(source["name"]) for source in sources]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [name for name in names if name.startswith(incomplete)]


@app.command()
def build(
    config: Config = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            autocompletion=_known_names,
            help="Take this source as it is, even if most of its files are gone or its site wishes to be left alone.",
        ),
    ] = None,
    rebuild: Rebuild = False,
    as_json: AsJson = False,
) -> None:
    """Refresh every source once, and write what changed."""
    with _errors(as_json):
        from feedbridge import reports, standstill

        began_with = standstill.settings_now(_path(config), os.environ)
        settings = _load(config)
        done = _build(settings, accept=_known_sources(_path(config), settings, accept or []), rebuild=rebuild)
        _note_standstill(_path(config), settings, done, began_with=began_with)
        _print(as_json, reports.build_values(done), lambda: reports.build_lines(done, shown=_SHOWN))
        raise typer.Exit(1 if done.failed else 0)


@app.command()
def run(config: Config = None, rebuild: Rebuild = False) -> None:
    """Run the daemon: keep the feeds fresh, and serve them."""
    with _errors():
        from feedbridge import daemon, logs

        logs.set_up()
        _load(config)
        raise typer.Exit(daemon.run(_path(config), os.environ, rebuild=rebuild))


@app.command()
def worker(config: Config = None) -> None:
    """Refresh and write what daemons hand over, beside other workers."""
    with _errors():
        from feedbridge import logs

        logs.set_up()
        settings = _load(config)
        if settings.site.engine != "procrastinate":
            raise SettingsError(
                f'{_path(config)}: [site]: engine: workers are for "procrastinate"; it says "{settings.site.engine}"'
            )
        from feedbridge.engine import worker

        raise typer.Exit(worker.work(settings))


@app.command()
def serve(config: Config = None) -> None:
    """Serve the published files, and do nothing else."""
    with _errors():
        from feedbridge import daemon, logs

        logs.set_up()
        raise typer.Exit(daemon.serve(_load(config)))


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Say whether the settings are right, without doing anything."""
    with _errors(as_json):
        from feedbridge import inspection, reports

        path = _path(config)
        settings = _load(config)
        problems = [f"{path}: {problem}" for problem in inspection.problems(settings)]
        _print(
            as_json,
            {"settings": str(path), "problems": problems},
            lambda: problems or [reports.check_line(path, settings)],
        )
        raise typer.Exit(1 if problems else 0)


@app.command()
def explain(
    link_or_file: Annotated[str, typer.Argument(metavar="LINK-OR-FILE", help="An article's link, id or file.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what made an article: dates, pictures, feeds."""
    with _errors(as_json):
        from feedbridge import inspection, reports

        found = inspection.explain(_load(config), link_or_file, now=_now())
        _print(as_json, [reports.explanation_values(one) for one in found], lambda: reports.explanation_lines(found))


@app.command()
def preview(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source's name.", autocompletion=_known_names)],
    config: Config = None,
    limit: Annotated[int, typer.Option(min=1, help="Files to read, the newest first; or entries.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what a source would yield; nothing is kept."""
    with _errors(as_json):
        from feedbridge import inspection, reports

        settings = _load(config)
        _known_sources(_path(config), settings, [source])
        kind = next(one.kind for one in settings.source if one.name == source)
        found = list(inspection.preview(settings, source, now=_now(), limit=limit))
        _print(
            as_json,
            [reports.preview_values(one, kind=kind) for one in found],
            lambda: reports.preview_lines(found, kind=kind),
        )


@app.command()
def images(
    policy: Annotated[
        list[str] | None, typer.Option(metavar="POLICY", help="Try this policy; given several times, the chain.")
    ] = None,
    check: Annotated[int, typer.Option(min=0, help="Ask each host of the tried policy for so many pictures.")] = 0,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Sign served pictures with a new key from now on.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show where pictures come from, and what a policy would make of them."""
    with _errors(as_json):
        from feedbridge import reports, survey
        from feedbridge.errors import SettingsError
        from feedbridge.policies import parse_chain

        settings = _load(config)
        try:
            chain = parse_chain([_text(one) for one in policy]) if policy else None
        except ValueError as error:
            raise SettingsError(f"--policy: {error}") from error
        if new_key:
            survey.replace_key(settings, now=_now())
            _complain("the next build, or the daemon within ten minutes, writes the feeds with the new key")
        found = survey.survey(settings, policy=chain, check=check)
        _print(as_json, reports.survey_values(found), lambda: reports.survey_lines(found, shown=_SHOWN))


@app.command()
def remove(
    link: Annotated[str, typer.Argument(metavar="LINK", help="The article's link or id.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take an article down for good."""
    with _errors(as_json):
        from feedbridge import pipeline, reports

        done = pipeline.remove(_load(config), _text(link), now=_now())
        _print(as_json, reports.removal_values(done), lambda: reports.removal_lines(done, shown=_SHOWN))
        raise typer.Exit(1 if done.published.errors else 0)


@app.command()
def renormalise(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", show_default=False, help="Left out: all.", autocompletion=_known_names),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read every article anew by this version's rules; ids stay."""
    with _errors(as_json):
        from feedbridge import reports

        settings = _load(config)
        names = _known_sources(_path(config), settings, sources or [source.name for source in settings.source])
        done = _build(settings, reread=names)
        _print(as_json, reports.build_values(done), lambda: reports.build_lines(done, shown=_SHOWN))
        raise typer.Exit(1 if done.failed else 0)


@app.command()
def status(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            show_default=False,
            help="All that is known of these.",
            autocompletion=_known_names,
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show how the sources and feeds stand."""
    with _errors(as_json):
        from feedbridge import inspection, reports

        now, settings = _now(), _load(config)
        names = _known_sources(_path(config), settings, sources or [])
        found = inspection.status(settings, now=now)
        if names:
            found = replace(found, sources=tuple(one for one in found.sources if one.summary.name in names), feeds=())
        if as_json:
            _say_json(reports.status_values(found))
        elif names:
            _say(*reports.status_lines(found, shown=_SHOWN))
        else:
            from feedbridge.overview import overview

            width, coloured = columns(sys.stdout), is_lively(sys.stdout, os.environ)
            put(overview(found, now=now, width=width, coloured=coloured))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; an older copy there is replaced.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy the store, whether or not a daemon is writing to it."""
    with _errors(as_json):
        from feedbridge import inspection, reports

        settings = _load(config)
        inspection.back_up(settings, file)
        _print(as_json, reports.backup_values(settings, file), lambda: [reports.backup_line(file)])


@app.command()
def init(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL-OR-FOLDER]",
            show_default=False,
            help="A feed, a page that leads to feeds, or a folder of saved articles.  Left out: an example.",
        ),
    ] = None,
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file that is there.")] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host or network that may be reached though it is not on the public web."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented settings file to start from."""
    with _errors(as_json):
        from feedbridge import reports, starter

        path = _path(config)
        if (path.exists() or path.is_symlink()) and not force:  # before anybody is asked
            raise starter.in_the_way(path)
        start, base_url = None, ""
        if what is not None:
            from feedbridge import discovery, settings

            site = settings.site_by_environment(os.environ)
            base_url = site.base_url
            start = discovery.look_at(what, settings=path, site=site, allow_private=allow_private or [], now=_now())
        starter.write(path, start, force=force)
        _print(
            as_json,
            reports.start_values(path, start, base_url=base_url),
            lambda: reports.start_lines(path, start, base_url=base_url, shown=_SHOWN),
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    with _errors():
        from feedbridge import settings

        _say_json(settings.schema())


@_db.command()
def upgrade(config: Config = None, as_json: AsJson = False) -> None:
    """Bring the store to the newest schema; a new store is made."""
    with _errors(as_json):
        from feedbridge import reports
        from feedbridge.store.database import REVISIONS, Store

        settings = _load(config)
        with Store(settings.site.store, write=True) as store:
            name, before, after = store.name, store.found, REVISIONS[-1]
            if settings.site.engine != "local":
                from feedbridge.engine.jobs import Jobs

                Jobs(store, settings).bring_up_to_date()
        _print(
            as_json,
            {"store": name, "from": before, "to": after},
            lambda: [reports.upgrade_line(name, before=before, after=after)],
        )


@_store.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FILE", help="The store as it is: a file of SQLite.")],
    target: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Where it is to be: postgresql+psycopg://USER@HOST/DATABASE.")
    ],
    as_json: AsJson = False,
) -> None:
    """Copy a store from its file into an empty database of PostgreSQL; one that was broken off goes on."""
    with _errors(as_json):
        from feedbridge import reports
        from feedbridge.store.copying import copy_store
        from feedbridge.tally import Step
        from feedbridge.terminal import Display

        display = Display(sys.stderr, os.environ)
        try:
            done = copy_store(
                source, target, lambda table, done, of: display(Step(unit="rows", source=table, done=done, of=of))
            )
        finally:
            display.close()
        _print(as_json, done._asdict(), lambda: reports.copy_lines(done))


def _path(config: Path | None) -> Path:
    return config or defaults.SETTINGS


def _load(config: Path | None) -> "Settings":
    from feedbridge import settings

    for name in settings.strangers(os.environ):
        names = ", ".join(settings.environment_names())
        _complain(f"{name} is no setting and is not looked at; there is: {names}")
    return settings.load(_path(config), os.environ)


def _known_sources(path: Path, settings: "Settings", names: list[str]) -> list[str]:
    known = [source.name for source in settings.source]
    for name in names:
        if name not in known:
            raise SettingsError(f'{path}: there is no source "{name}"; there is: {", ".join(known)}')
    return names


def _build(settings: "Settings", **wishes: Any) -> Any:
    from feedbridge import pipeline
    from feedbridge.children import collect_seldom
    from feedbridge.terminal import Display

    collect_seldom()
    display = Display(sys.stderr, os.environ)
    try:
        return pipeline.build(settings, now=_now(), progress=display, **wishes)
    finally:
        display.close()


def _note_standstill(path: Path, settings: "Settings", done: Any, *, began_with: str | None) -> None:
    """Let the next build end at once, if nothing moves until then."""
    from feedbridge import reports, standstill
    from feedbridge.settings import strangers

    if done.rest is None or strangers(os.environ) or not settings.site.store_is_file:
        return
    lines = [printable(line, _LINE) for line in reports.build_lines(done.rest.build, shown=_SHOWN)]
    standstill.note(
        done.rest.seen,
        began_with=began_with,
        settings=path,
        environ=os.environ,
        store=settings.site.store_path,
        values=reports.build_values(done.rest.build),
        lines=lines,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _text(argument: str) -> str:
    """An argument as text that the store can be asked for; "?" stands for bytes that are no UTF-8."""
    return argument.encode(errors="replace").decode()


def _print(as_json: bool, values: Any, lines: Callable[[], list[str]]) -> None:
    if as_json:
        _say_json(values)
    else:
        _say(*lines())


def _say_json(values: Any) -> None:
    """Print JSON in ASCII, which is the same in every locale and moves no cursor."""
    put(json.dumps(values, indent=2, default=str))


def _say(*lines: str) -> None:
    put("\n".join(printable(line, _LINE) for line in lines))


def _complain(line: str) -> None:
    typer.echo(f"feedbridge: {printable(line, _LINE)}", err=True)


@contextmanager
def _errors(as_json: bool = False) -> Iterator[None]:
    """Say an error in its own words, as JSON also where JSON is read, and leave with its code."""
    try:
        yield
    except FeedbridgeError as error:
        lines = str(error).split("\n")
        for line in lines:
            _complain(line)
        if as_json:
            with suppress(FeedbridgeError):  # that standard output cannot be written may be what is told
                _say_json({"errors": lines})
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from error
