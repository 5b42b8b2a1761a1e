"""Logs: one line an event, always the same keys; for people on a terminal, as JSON elsewhere."""

import json
import logging
import re
import sys

import structlog

from feedbridge.terminal import printable

Logger = structlog.typing.FilteringBoundLogger

_FIRST = ("timestamp", "level", "event")
_PLAIN = re.compile(r"[^\s\"=\\]+")


def set_up(*, as_json: bool | None = None) -> None:
    """Send all logs, our own and those of libraries, to standard error.

    Args:
        as_json: A JSON object a line; None means so where standard error is no terminal.
    """
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = _as_json if as_json else _as_words
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _in_order, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("alembic", "apscheduler", "httpx", "httpcore", "procrastinate", "watchfiles", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of lost connections, which are errors of the store


def _in_order(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: event[key] for key in dict.fromkeys((*_FIRST, *event)) if key in event}


def _as_json(_logger: object, _name: str, event: structlog.typing.EventDict) -> str:
    return _on_one_line(_quoted(event))


def _as_words(_logger: object, _name: str, event: structlog.typing.EventDict) -> str:
    """`key=value` and a space between; a text that could be mistaken for more than one word stands in quotes."""
    return _on_one_line(" ".join(f"{key}={_word(value)}" for key, value in event.items()))


def _word(value: object) -> str:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _on_one_line(line: str) -> str:
    """Foreign text, quoted by now, neither ends the line nor moves the cursor."""
    return printable(line, len(line))


def logger() -> Logger:
    """The program's logger."""
    made: Logger = structlog.get_logger("feedbridge")
    return made
