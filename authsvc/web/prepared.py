"""Hot queries: written with the ORM, compiled once per process, run as prepared statements.

Building and compiling a query costs the ORM several times what the database needs to answer it. The columns, joins and
conversions stay those of the models, so a changed field changes its queries too. Only for queries whose shape never
depends on the values: no ``IN`` of varying length, no comparison with ``None``.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    Field,
    ForeignKey,
    JSONField,
    Model,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    QuerySet,
)
from django.db.models.query import FlatValuesListIterable, ModelIterable

from authsvc.web.driver import Known, pipelined, run_prepared

Row = TypeVar("Row")
PLAIN_FIELDS = frozenset({CharField, BigIntegerField, ForeignKey})
PLAIN_VALUES: Mapping[type, type] = {
    PositiveIntegerField: int,
    PositiveSmallIntegerField: int,
    BooleanField: bool,
    DateField: date,
    DateTimeField: datetime,
}
MAXIMUM_VALUES = 900  # of one statement, on SQLite
_FIRST_MOMENT = datetime(1901, 1, 1, tzinfo=UTC)


class _Sending(threading.local):
    """The pipeline this thread has open, to which its statements go without another look at the connection."""

    pipeline: Known | None = None


_sending = _Sending()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query as text, where each value goes (a name, or a constant in a tuple), and how to read its rows."""

    statement: str
    places: tuple[str | tuple[Any], ...]
    read: Callable[[Sequence[Any]], Any]
    converters: Any
    compiler: Any


class Prepared(Generic[Row]):
    """A query with named values: ``build`` gets a stand-in for each and returns the query set.

    Values are texts, but for those named in ``moments``, which are aware times.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], *, moments: Sequence[str] = ()) -> None:
        self._build, self._moments = build, frozenset(moments)
        self._names = tuple(inspect.signature(build).parameters)
        self._compiled: dict[str, Compiled] = {}

    def first(self, **values: Any) -> Row | None:
        """Return the first row, or ``None``."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def rows(self, **values: Any) -> list[Row]:
        """Return every row."""
        vendor = connections[DEFAULT_DB_ALIAS].vendor
        compiled = self._compiled.get(vendor)
        if compiled is None:
            compiled = self._compiled[vendor] = self._compile()
        parameters = [
            place[0] if isinstance(place, tuple) else self._adapted(place, values[place]) for place in compiled.places
        ]
        found: Iterable[Any] = fetch(compiled.statement, parameters)
        if compiled.converters:
            found = compiled.compiler.apply_converters(found, compiled.converters)
        return [compiled.read(row) for row in found]

    def queryset(self) -> QuerySet[Any, Row]:
        """Return the query with its stand-ins, for whoever asks the database how it would run."""
        return self._build(**self._stand_ins())

    def _compile(self) -> Compiled:
        queryset, stand_ins = self.queryset(), self._stand_ins()
        compiler = queryset.query.get_compiler(connection=connection)
        statement, parameters = compiler.as_sql()
        meant = {self._adapted(name, value): name for name, value in stand_ins.items()}
        places = tuple(meant.get(value, (value,)) for value in parameters)
        fields = [selected[0] for selected in compiler.select[: compiler.col_count]]
        return Compiled(str(statement), places, _reader(queryset, compiler), compiler.get_converters(fields), compiler)

    def _stand_ins(self) -> dict[str, Any]:
        return {name: self._stand_in(number, name) for number, name in enumerate(self._names)}

    def _stand_in(self, number: int, name: str) -> Any:
        return _FIRST_MOMENT + timedelta(days=number) if name in self._moments else f"\x02{number}"

    def _adapted(self, name: str, value: Any) -> Any:
        return connection.ops.adapt_datetimefield_value(value) if name in self._moments else value


def insert_row(row: Model) -> None:
    """Insert a new row as ``save(force_insert=True)`` does, but without signals; its key must be set."""
    insert_rows([row])


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert new rows of one model with as few statements as the number of values allows; their keys must be set."""
    readers = _readers(type(rows[0]))
    most = MAXIMUM_VALUES // len(readers)
    for first in range(0, len(rows), most):
        some = rows[first : first + most]
        execute(_insertion(type(rows[0]), len(some)), [read(row) for row in some for read in readers])
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@lru_cache(maxsize=128)
def _readers(model: type[Model]) -> list[Callable[[Model], Any]]:
    """Return for each column how its value is read from a row: as it is, where the field would not change it."""
    return [_reader_of(field) for field in model._meta.concrete_fields]


def _reader_of(field: Field[Any, Any]) -> Callable[[Model], Any]:
    if type(field) in PLAIN_FIELDS:
        return attrgetter(field.attname)
    read, ready = attrgetter(field.attname), _ready_values(field)

    def prepared(row: Model) -> Any:
        value = read(row)
        make = ready.get(type(value))
        return field.get_db_prep_save(field.pre_save(row, True), connection) if make is None else make(value)

    return prepared


def _ready_values(field: Field[Any, Any]) -> Mapping[type, Callable[[Any], Any]]:
    """Return for common types of value what the field makes of one for the driver, said shorter."""
    if type(field) is JSONField and field.encoder is None:
        return {dict: json.dumps, list: json.dumps}
    plain = PLAIN_VALUES.get(type(field))
    if isinstance(field, DateField):  # SQLite's driver takes texts
        plain = plain if connection.vendor == "postgresql" and not field.auto_now else None
    return {} if plain is None else {plain: _as_it_is, type(None): _as_it_is}


def _as_it_is(value: Any) -> Any:
    return value


def update_row(row: Model, names: Sequence[str]) -> None:
    """Store the named fields of a row as ``save(update_fields=names)`` does, but without signals."""
    statement, readers = _update(type(row), tuple(names))
    execute(statement, [read(row) for read in readers])


@lru_cache(maxsize=64)
def _update(model: type[Model], names: Sequence[str]) -> tuple[str, list[Callable[[Model], Any]]]:
    quote = connection.ops.quote_name
    columns = ", ".join(f"{quote(str(model._meta.get_field(name).column))} = %s" for name in names)  # type: ignore[union-attr]
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    readers = [_reader_of(model._meta.get_field(name)) for name in (*names, model._meta.pk.attname)]  # type: ignore[arg-type]
    return f"UPDATE {table} SET {columns} WHERE {key} = %s", readers  # noqa: S608 - our names


@lru_cache(maxsize=512)
def _insertion(model: type[Model], count: int) -> str:
    fields, quote = model._meta.concrete_fields, connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * count)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {places}"  # noqa: S608 - our names


def as_moment(moment: datetime) -> Any:
    """Return an aware time as the database's driver takes it in a statement of our own."""
    return connection.ops.adapt_datetimefield_value(moment)


def fetch(statement: str, parameters: Sequence[Any]) -> list[Sequence[Any]]:
    """Return every row of a statement that reads; raises ``DatabaseError`` as Django does.

    Outside a transaction a connection that turns out to be gone is opened again, once.
    """
    try:
        return _fetched(statement, parameters)
    except (OperationalError, InterfaceError):
        here = connections[DEFAULT_DB_ALIAS]
        if here.in_atomic_block or not _is_gone(here):
            raise
        here.close()
        return _fetched(statement, parameters)


def execute(statement: str, parameters: Sequence[Any]) -> None:
    """Run a statement that changes something."""
    pipeline = _sending.pipeline
    if pipeline is not None:
        pipeline.send(statement, parameters)
        return
    here = connections[DEFAULT_DB_ALIAS]
    ready = _ready_connection(here)
    if ready is None:
        with here.cursor() as cursor:
            cursor.execute(statement, parameters)
        return
    with here.wrap_database_errors:
        run_prepared(ready, statement, parameters)


@contextmanager
def sent_together(*, and_commit: bool = False) -> Iterator[None]:
    """Send the statements of this module together and wait once, or where rows are read; PostgreSQL only.

    Inside a transaction, and for this module's statements alone: the ORM must not use the connection meanwhile. With
    ``and_commit`` the outermost transaction is over, and durable, when this ends.
    """
    here = connections[DEFAULT_DB_ALIAS]
    ready = _ready_connection(here)
    if ready is None:
        yield
        return
    with here.wrap_database_errors, pipelined(ready) as pipeline:
        _sending.pipeline = pipeline
        try:
            yield
        finally:
            _sending.pipeline = None
        if and_commit:
            pipeline.send_words(b"COMMIT")


def _fetched(statement: str, parameters: Sequence[Any]) -> list[Any]:
    pipeline = _sending.pipeline
    if pipeline is not None:
        return pipeline.fetch(statement, parameters)
    here = connections[DEFAULT_DB_ALIAS]
    ready = _ready_connection(here)
    if ready is None:
        with here.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    with here.wrap_database_errors:
        return run_prepared(ready, statement, parameters)


def _is_gone(here: BaseDatabaseWrapper) -> bool:
    """True when the server ended this connection, as at its restart; SQLite has no such thing."""
    return bool(getattr(here.connection, "closed", False))


def _ready_connection(here: BaseDatabaseWrapper) -> Any:
    """Return a driver's connection that may prepare, or ``None``: on SQLite, or when somebody watches the statements,
    or with an isolation level that only the driver's own cursors would set.
    """
    if here.vendor != "postgresql" or here.execute_wrappers or here.queries_logged:
        return None
    here.close_if_health_check_failed()
    here.ensure_connection()
    if here.needs_rollback:
        here.validate_no_broken_transaction()
    return here.connection if here.connection.isolation_level is None else None


def _reader(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """Return how a row becomes what the query set yields: an instance with its relations, a tuple, or one value."""
    if queryset._iterable_class is FlatValuesListIterable:
        return lambda row: row[0]
    if queryset._iterable_class is not ModelIterable:
        width = compiler.col_count
        return lambda row: tuple(row[:width])
    read = _instances(compiler.select, compiler.klass_info)
    annotated = dict(compiler.annotation_col_map or {})

    def read_annotated(row: Sequence[Any]) -> Any:
        found = read(row)
        for name, column in annotated.items():
            setattr(found, name, row[column])
        return found

    return read_annotated if annotated else read


def _instances(select: Sequence[Any], information: Mapping[str, Any]) -> Callable[[Sequence[Any]], Any]:
    """Return how a row becomes an instance with what ``select_related`` joined; an absent relation is ``None``."""
    model, columns = information["model"], information["select_fields"]
    names = [select[column][0].target.attname for column in columns]
    key = columns[names.index(model._meta.pk.attname)]
    related = [
        (each["local_setter"], each["remote_setter"], _instances(select, each))
        for each in information.get("related_klass_infos", ())
    ]

    def read(row: Sequence[Any]) -> Any:
        if row[key] is None:
            return None
        found = model.from_db(connection.alias, names, [row[column] for column in columns])
        for set_here, set_there, read_related in related:
            other = read_related(row)
            set_here(found, other)
            if other is not None:
                set_there(other, found)
        return found

    return read
