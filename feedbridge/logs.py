"""Logs: one line an event, always the same keys; for people on a terminal, as JSON elsewhere."""

import logging
import sys

import structlog

Logger = structlog.typing.FilteringBoundLogger


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
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], repr_native_str=False)
    )
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("alembic", "apscheduler", "httpx", "httpcore", "watchfiles", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def logger() -> Logger:
    """The program's logger."""
    made: Logger = structlog.get_logger("feedbridge")
    return made
