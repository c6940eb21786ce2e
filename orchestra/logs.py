"""One line for each log entry: JSON where a machine reads it, coloured key=value where a person does."""

import logging

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger


def _without_request(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """Django hands over the whole request object; its id says enough."""
    entry.pop("request", None)
    return entry


# Local variables stay out of tracebacks: they may hold passwords and keys.
_TRACEBACK = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
_MACHINE: list[Processor] = [_TRACEBACK, structlog.processors.JSONRenderer()]
_PERSON: list[Processor] = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    _without_request,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def formatter(*, machine: bool) -> logging.Formatter:
    """What the LOGGING setting uses; entries carry the id of the request that they were made in."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_COMMON,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_MACHINE if machine else _PERSON),
        ],
    )
