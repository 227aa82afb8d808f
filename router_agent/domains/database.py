"""
An MCP server for one SQLite database: query, insert, update and delete records.

    python -m router_agent.domains.database --database records.db

It takes no SQL from its callers: a table, values, and one condition in words or signs, of which
names are looked up and values are bound.
"""

import argparse
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.hints import ADDS, DESTROYS, READS

MOST_ROWS: Final = 100
MOST_CHARACTERS: Final = 2_000
"""Of one value in an answer."""
ANSWER_WITHIN_S: Final = 2.0

_OPERATORS: Final = {
    ">=": "is at least|at least|>=",
    "<=": "is at most|at most|<=",
    "<>": "is not|does not equal|!=|<>",
    ">": "is more than|is greater than|is over|is above|more than|greater than|over|above|>",
    "<": "is less than|is under|is below|less than|under|below|<",
    "contains": "contains|has",
    "=": "is equal to|equals|equal to|is|==|=",
}
"""How a filter may say an operator, the longer words first. What it is compared with must be said."""
_JOINT: Final = re.compile(r"\b(?:and|or)\b|[<>=]", re.IGNORECASE)
"""What no value without quotes has: a second condition begins there, more likely."""
_FILTER: Final = re.compile(
    r"(?P<column>\w+)(?:\s+|(?=[<>=!]))(?:"
    + "|".join(f"(?P<o{number}>{words})" for number, words in enumerate(_OPERATORS.values()))
    + r")(?:(?<=[<>=])|(?=\s))\s*"
    r"(?:(?P<quote>['\"])(?P<quoted>(?:(?!(?P=quote)).)*)(?P=quote)|(?P<plain>[^\s'\"].*))",
    re.IGNORECASE | re.DOTALL,
)

Filter = Annotated[
    str,
    Field(description="Condition on one column, such as 'age > 25' or 'name contains Ada'", max_length=1000),
]
Value = str | int | float | bool | None
Values = Annotated[
    dict[str, Value], Field(description='Column names and values, as JSON: {"name": "Ada"}', min_length=1)
]


class Records(TypedDict):
    """What a query found."""

    table: str
    records: list[dict[str, Any]]
    more: bool
    """Whether there are further ones."""


class Database:
    """One database file, asked by names and values only."""

    def __init__(self, path: Path, *, within_s: float = ANSWER_WITHIN_S) -> None:
        """
        Take an existing database; what takes longer than `within_s` seconds is ended.

        Raises:
            FileNotFoundError: there is none.
        """
        self._path, self._within_s = path.resolve(strict=True), within_s

    def columns(self) -> dict[str, list[str]]:
        """Return the columns of each table."""
        with self._open() as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
            )
            return {
                table: [
                    column
                    for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table])
                ]
                for (table,) in names.fetchall()
            }

    def records(self, table: str, limit: int, condition: str = "") -> Records:
        """Return at most `limit` records: all, or those that a condition holds of."""
        self._look_up(table)
        where, values = self._where(table, condition) if condition else ("", ())
        with self._open() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                f"SELECT * FROM {_quoted(table)}{where} LIMIT ?",  # noqa: S608 - names looked up, values bound
                (*values, limit + 1),
            ).fetchall()
        records = [{name: _short(row[name]) for name in row.keys()} for row in rows[:limit]]  # noqa: SIM118 - a Row
        return {"table": table, "records": records, "more": len(rows) > limit}

    def insert(self, table: str, values: dict[str, Value]) -> int:
        """Add one record and return its row id."""
        self._look_up(table, *values)
        names = ", ".join(map(_quoted, values))
        marks = ", ".join("?" * len(values))
        with self._open() as connection:
            done = connection.execute(
                f"INSERT INTO {_quoted(table)} ({names}) VALUES ({marks})",  # noqa: S608 - as above
                tuple(values.values()),
            )
            return done.lastrowid or 0

    def update(self, table: str, values: dict[str, Value], condition: str) -> int:
        """Change the records that a condition holds of, and return how many."""
        where, bound = self._where(table, condition)
        self._look_up(table, *values)
        changes = ", ".join(f"{_quoted(name)} = ?" for name in values)
        with self._open() as connection:
            return connection.execute(
                f"UPDATE {_quoted(table)} SET {changes}{where}",  # noqa: S608 - as above
                (*values.values(), *bound),
            ).rowcount

    def delete(self, table: str, condition: str) -> int:
        """Delete the records that a condition holds of, and return how many."""
        where, bound = self._where(table, condition)
        with self._open() as connection:
            return connection.execute(f"DELETE FROM {_quoted(table)}{where}", bound).rowcount  # noqa: S608 - as above

    def _where(self, table: str, condition: str) -> tuple[str, tuple[str | float | None, ...]]:
        said = _FILTER.fullmatch(condition.strip())
        if said is None:
            raise ToolError(f"'{condition[:100]}' is no condition; write one such as 'age > 25'")
        self._look_up(table, said["column"])
        column, plain = _quoted(said["column"]), said["plain"]
        if plain is not None and (_JOINT.search(plain) or _FILTER.fullmatch(f"x {plain}")):
            # Taken as one value, "name is not Bo and age > 40" would hold of every record.
            raise ToolError(f"'{condition[:100]}' is more than one condition; or put the value into quotes")
        value = said["quoted"] if plain is None else plain
        operator = next(one for number, one in enumerate(_OPERATORS) if said[f"o{number}"])
        if operator == "contains":
            return f" WHERE instr(lower({column}), lower(?)) > 0", (value,)
        # For SQLite every number is less than any text: words are compared with texts alone, so that
        # "age is less than twenty" holds of none.
        compared = (
            f"CASE typeof({column}) WHEN 'text' THEN {column} {operator} ? ELSE {column} {operator} ? END"
        )
        return f" WHERE {compared}", (value, _number(value))

    def _look_up(self, table: str, *columns: str) -> None:
        known = self.columns()
        if table not in known:
            raise ToolError(f"There is no table '{table[:100]}'; there are {', '.join(known)}")
        for column in columns:
            if column not in known[table]:
                raise ToolError(f"{table} has no '{column[:100]}'; it has {', '.join(known[table])}")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction; what takes too long is ended."""
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True, timeout=self._within_s)
        ends = time.monotonic() + self._within_s
        connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        try:
            with connection:
                yield connection
        except (sqlite3.Error, OverflowError) as error:
            raise ToolError(f"The database refused: {error}") from error
        finally:
            connection.close()


def _number(value: str) -> float | None:
    """Return the number that a text says, else None, with which no comparison in SQL holds."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return f"{value[:MOST_CHARACTERS]}… ({len(value)} characters)"
    return value


def database_server(database: Database) -> MCPServer:
    """Return the server for one database; its tables, as they are now, are offered as choices."""
    known = database.columns()
    server = MCPServer("database", instructions=f"One SQLite database with the tables {', '.join(known)}.")
    table = Field(description="Name of the table", json_schema_extra={"enum": list(known)})

    @server.tool(annotations=READS)
    def list_tables() -> dict[str, list[str]]:
        """List the tables of the database with their columns."""
        return database.columns()

    @server.tool(annotations=READS)
    def query_records(
        table: Annotated[str, table],
        filter: Filter = "",
        limit: Annotated[int, Field(description="Most records to return", ge=1, le=MOST_ROWS)] = 20,
    ) -> Records:
        """Query the database for records."""
        return database.records(table, limit, filter)

    @server.tool(annotations=ADDS)
    def insert_record(table: Annotated[str, table], values: Values) -> str:
        """Insert a record into the database."""
        return f"Record {database.insert(table, values)} is in {table}"

    @server.tool(annotations=DESTROYS)
    def update_records(table: Annotated[str, table], values: Values, filter: Filter) -> str:
        """Update records of the database."""
        return f"{database.update(table, values, filter)} records of {table} are changed"

    @server.tool(annotations=DESTROYS)
    def delete_records(table: Annotated[str, table], filter: Filter) -> str:
        """Delete records of the database."""
        return f"{database.delete(table, filter)} records of {table} are deleted"

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one SQLite database over MCP.")
    parser.add_argument("--database", type=Path, required=True)
    database_server(Database(parser.parse_args().database)).run()
