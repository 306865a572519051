"""Statements over many rows at once, the same on SQLite and PostgreSQL.

``bulk_update`` builds one CASE per row and field; these join a VALUES list and cost a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

Row = tuple[Any, ...]


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], *, where: str, keys: int = 1
) -> int:
    """Update many rows in one statement; the first ``keys`` columns find a row. Return how many changed.

    ``where`` is SQL over the table's own columns and holds the expected old state.
    """
    table = model._meta.db_table
    values, parameters = _values(model, columns, rows)
    sets = ", ".join(f"{_column(model, name)} = v.{_quote(name)}" for name in columns[keys:])
    match = " AND ".join(f"{table}.{_column(model, name)} = v.{_quote(name)}" for name in columns[:keys])
    with connection.cursor() as cursor:
        cursor.execute(f"{values} UPDATE {table} SET {sets} FROM v WHERE {match} AND {where}", parameters)
        return int(cursor.rowcount)


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], *, constants: dict[str, Any]
) -> None:
    """Insert many rows in one statement, ``constants`` in each; rows that exist already stay as they are."""
    table = model._meta.db_table
    values, parameters = _values(model, columns, rows)
    names = [_column(model, name) for name in (*columns, *constants)]
    picked = [f"v.{_quote(name)}" for name in columns] + ["%s"] * len(constants)
    prepared = [_preparer(model, name)(value) for name, value in constants.items()]
    sql = (
        f"{values} INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(picked)} FROM v "
        # SQLite reads ON CONFLICT as part of a join without this.
        "WHERE true ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *prepared])


def _values(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[Any]]:
    one = "(" + ", ".join(_placeholder(model, name) for name in columns) + ")"
    prepare = [_preparer(model, name) for name in columns]
    parameters = [ready(value) for row in rows for ready, value in zip(prepare, row, strict=True)]
    return f"WITH v({', '.join(map(_quote, columns))}) AS (VALUES {', '.join([one] * len(rows))})", parameters


def _placeholder(model: type[models.Model], name: str) -> str:
    if connection.vendor != "postgresql":
        return "%s"
    field = _field(model, name)
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return f"%s::{target.cast_db_type(connection)}"  # type: ignore[attr-defined]  # the stubs lack it


def _preparer(model: type[models.Model], name: str) -> Callable[[Any], Any]:
    field, database = _field(model, name), connections[DEFAULT_DB_ALIAS]

    def prepare(value: Any) -> Any:
        return field.get_db_prep_save(value.pk if isinstance(value, models.Model) else value, database)

    return prepare


def _column(model: type[models.Model], name: str) -> str:
    return _quote(str(_field(model, name).column))


def _quote(name: str) -> str:
    # ``index`` is a word of SQL.
    return connection.ops.quote_name(name)


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field), name
    return field
