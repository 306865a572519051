"""Queries whose SQL is built once: what the ORM does for each call anew took most of a small read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection, models

LARGEST = 2**31 - 1
Make = Callable[..., "models.QuerySet[Any, tuple[Any, ...]]"]


class _Compiled(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]  # in the parameters, of which argument
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]


def read(make: Make, *keys: int) -> list[tuple[Any, ...]]:
    """Return the rows of ``make(*keys)``, a ``values_list``, as it would itself.

    ``make`` is a function of a module that builds the same query for any keys: ids of rows, each of which it
    uses. Raises ``ValueError`` if it leaves one out.
    """
    compiled = _compiled(connection.vendor, make, len(keys))
    parameters = list(compiled.parameters)
    for place, key in compiled.places:
        parameters[place] = keys[key]
    with connection.cursor() as cursor:
        cursor.execute(compiled.sql, parameters)
        rows = cursor.fetchall()
    return list(_converted(rows, compiled)) if compiled.converters else rows


@lru_cache(maxsize=256)
def _compiled(vendor: str, make: Make, count: int) -> _Compiled:
    # Where these come out of the ORM, the keys go in. They fit every column that holds ids.
    marks = [LARGEST - number for number in range(count)]
    compiler = make(*marks).query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    columns = [column for column, *_ in compiler.select]
    places = tuple((place, marks.index(value)) for place, value in enumerate(parameters) if value in marks)
    if {key for _, key in places} != set(range(count)):
        raise ValueError(f"a key is not in the query: {sql}")
    converters = tuple(
        (place, functions, column) for place, (functions, column) in compiler.get_converters(columns).items()
    )
    return _Compiled(sql, tuple(parameters), places, converters)


def _converted(rows: Sequence[tuple[Any, ...]], compiled: _Compiled) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for place, functions, column in compiled.converters:
            for function in functions:
                values[place] = function(values[place], column, connection)
        yield tuple(values)
