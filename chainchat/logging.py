"""Log lines for people, or one JSON object a line for machines."""

import logging
import logging.config
import re
from typing import Any

import orjson

# What a key looks like in the wire formats that we speak; never let one reach a log.
_SECRET = re.compile(r"(?:sk|xai|cc)-[A-Za-z0-9_-]{12,}|AIza[A-Za-z0-9_-]{20,}|(?<=Bearer )\S+")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class HideSecrets(logging.Filter):
    """Replace what looks like a key in a record's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place and keep it."""
        text = record.getMessage()
        clean = _SECRET.sub("[secret]", text)
        if clean != text:
            record.msg, record.args = clean, ()
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(options: dict[str, Any]) -> None:
    """Send everything to stderr: stdout belongs to commands."""
    plain = {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"secrets": {"()": HideSecrets}},
            "formatters": {"plain": plain, "json": {"()": JSONFormatter}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "json" if options.get("json") else "plain",
                    "filters": ["secrets"],
                }
            },
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {"chains": {"level": options.get("level", "INFO")}},
        }
    )
