"""Statements whose SQL is kept, over one row or many at once, the same on SQLite and PostgreSQL.

``bulk_update`` builds one CASE per row and field; these join a VALUES list and cost a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

Row = tuple[Any, ...]
# Their values go to the drivers as they are. Preparing each by its field took half of a stage's write.
_PLAIN = (models.CharField, models.TextField, models.BooleanField, models.IntegerField, models.FloatField)


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], *, where: str, keys: int = 1
) -> None:
    """Update many rows in one statement; the first ``keys`` columns find a row.

    ``where`` is SQL over the table's own columns and holds the expected old state.
    """
    sql = _update_sql(connection.vendor, model, tuple(columns), len(rows), where, keys)
    with connection.cursor() as cursor:
        cursor.execute(sql, _parameters(model, columns, rows))


def update_row(model: type[models.Model], pk: int, **values: Any) -> bool:
    """Update one row; False when it is not there."""
    sql = _update_one_sql(connection.vendor, model, tuple(values))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_parameters(model, tuple(values), [tuple(values.values())]), pk])
        return bool(cursor.rowcount)


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], *, constants: dict[str, Any]
) -> None:
    """Insert many rows in one statement, ``constants`` in each; rows that exist already stay as they are."""
    sql = _insert_sql(connection.vendor, model, tuple(columns), len(rows), tuple(constants))
    parameters = _parameters(model, columns, rows)
    parameters += _parameters(model, tuple(constants), [tuple(constants.values())])
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@lru_cache(maxsize=256)
def _update_sql(
    vendor: str, model: type[models.Model], columns: tuple[str, ...], count: int, where: str, keys: int
) -> str:
    table = model._meta.db_table
    sets = ", ".join(f"{_column(model, name)} = v.{_quote(name)}" for name in columns[keys:])
    match = " AND ".join(f"{table}.{_column(model, name)} = v.{_quote(name)}" for name in columns[:keys])
    values = _values_sql(vendor, model, columns, count)
    return f"{values} UPDATE {table} SET {sets} FROM v WHERE {match} AND {where}"


@lru_cache(maxsize=64)
def _update_one_sql(vendor: str, model: type[models.Model], columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{_column(model, name)} = %s" for name in columns)
    return f"UPDATE {model._meta.db_table} SET {sets} WHERE {_column(model, 'id')} = %s"


@lru_cache(maxsize=256)
def _insert_sql(
    vendor: str, model: type[models.Model], columns: tuple[str, ...], count: int, constants: tuple[str, ...]
) -> str:
    names = ", ".join(_column(model, name) for name in (*columns, *constants))
    picked = ", ".join([f"v.{_quote(name)}" for name in columns] + ["%s"] * len(constants))
    return (
        f"{_values_sql(vendor, model, columns, count)} INSERT INTO {model._meta.db_table} ({names}) "
        # SQLite reads ON CONFLICT as part of a join without this.
        f"SELECT {picked} FROM v WHERE true ON CONFLICT DO NOTHING"
    )


def _values_sql(vendor: str, model: type[models.Model], columns: Sequence[str], count: int) -> str:
    one = "(" + ", ".join(_placeholder(vendor, model, name) for name in columns) + ")"
    return f"WITH v({', '.join(map(_quote, columns))}) AS (VALUES {', '.join([one] * count)})"


def _placeholder(vendor: str, model: type[models.Model], name: str) -> str:
    if vendor != "postgresql":
        return "%s"
    field = _field(model, name)
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return f"%s::{target.cast_db_type(connection)}"  # type: ignore[attr-defined]  # the stubs lack it


def _parameters(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    database = connections[DEFAULT_DB_ALIAS]
    fields = [_field(model, name) for name in columns]
    prepare = [None if isinstance(field, _PLAIN) else field.get_db_prep_save for field in fields]
    return [
        value if ready is None else ready(value.pk if isinstance(value, models.Model) else value, database)
        for row in rows
        for ready, value in zip(prepare, row, strict=True)
    ]


def _column(model: type[models.Model], name: str) -> str:
    return _quote(str(_field(model, name).column))


def _quote(name: str) -> str:
    # ``index`` is a word of SQL.
    return connection.ops.quote_name(name)


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field), name
    return field
