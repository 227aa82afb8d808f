"""
An MCP server for one SQLite database: query, insert, update and delete records.

    python -m router_agent.domains.database --database records.db

It takes no SQL from its callers: a table, columns and values, of which the values are bound
and the names are looked up.
"""

import argparse
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.hints import ADDS, DESTROYS, READS

MOST_ROWS: Final = 100
MOST_CHARACTERS: Final = 2_000
"""Of one value in an answer."""
ANSWER_WITHIN_S: Final = 2.0

Comparison = Literal["equal to", "not equal to", "more than", "less than", "at least", "at most", "contains"]
_OPERATORS: Final[dict[Comparison, str]] = {
    "equal to": "=",
    "not equal to": "<>",
    "more than": ">",
    "less than": "<",
    "at least": ">=",
    "at most": "<=",
    "contains": "LIKE",
}

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

    def __init__(self, path: Path) -> None:
        """
        Take an existing database.

        Raises:
            FileNotFoundError: there is none.
        """
        self._path = path.resolve(strict=True)

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

    def query(self, table: str, column: str, comparison: Comparison, value: str, limit: int) -> Records:
        """Return records: all, or those that a condition on a column holds of."""
        self._look_up(table)
        where, values = self._condition(table, column, comparison, value) if column or value else ("", ())
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

    def update(
        self, table: str, values: dict[str, Value], column: str, comparison: Comparison, value: str
    ) -> int:
        """Change the records that a condition holds of, and return how many."""
        where, bound = self._condition(table, column, comparison, value)
        self._look_up(table, *values)
        changes = ", ".join(f"{_quoted(name)} = ?" for name in values)
        with self._open() as connection:
            return connection.execute(
                f"UPDATE {_quoted(table)} SET {changes}{where}",  # noqa: S608 - as above
                (*values.values(), *bound),
            ).rowcount

    def delete(self, table: str, column: str, comparison: Comparison, value: str) -> int:
        """Delete the records that a condition holds of, and return how many."""
        where, bound = self._condition(table, column, comparison, value)
        with self._open() as connection:
            return connection.execute(f"DELETE FROM {_quoted(table)}{where}", bound).rowcount  # noqa: S608 - as above

    def _condition(
        self, table: str, column: str, comparison: Comparison, value: str
    ) -> tuple[str, tuple[str, ...]]:
        if not column:
            raise ToolError("A condition needs a column")
        self._look_up(table, column)
        bound = f"%{value}%" if comparison == "contains" else value
        return f" WHERE {_quoted(column)} {_OPERATORS[comparison]} ?", (bound,)

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
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True, timeout=ANSWER_WITHIN_S)
        ends = time.monotonic() + ANSWER_WITHIN_S
        connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        try:
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise ToolError(f"The database refused: {error}") from error
        finally:
            connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return f"{value[:MOST_CHARACTERS]}… ({len(value)} characters)"
    return value


def database_server(database: Database) -> MCPServer:
    """Return the server for one database; its tables and columns, as they are now, are offered as choices."""
    known = database.columns()
    server = MCPServer("database", instructions=f"One SQLite database with the tables {', '.join(known)}.")
    names: Sequence[str] = list(dict.fromkeys(name for columns in known.values() for name in columns))
    table = Field(description="Name of the table", json_schema_extra={"enum": list(known)})
    column = Field(description="Column that is compared", json_schema_extra={"enum": list(names)})
    compared = Field(description="How the column is compared with the value")
    value = Field(description="Value that the column is compared with", max_length=1000)

    @server.tool(annotations=READS)
    def list_tables() -> dict[str, list[str]]:
        """List the tables of the database with their columns."""
        return database.columns()

    @server.tool(annotations=READS)
    def query_records(
        table: Annotated[str, table],
        column: Annotated[str, column] = "",
        comparison: Annotated[Comparison, compared] = "equal to",
        value: Annotated[str, value] = "",
        limit: Annotated[int, Field(description="Most records to return", ge=1, le=MOST_ROWS)] = 20,
    ) -> Records:
        """Query the database for records."""
        return database.query(table, column, comparison, value, limit)

    @server.tool(annotations=ADDS)
    def insert_record(table: Annotated[str, table], values: Values) -> str:
        """Insert a record into the database."""
        return f"Record {database.insert(table, values)} is in {table}"

    @server.tool(annotations=DESTROYS)
    def update_records(
        table: Annotated[str, table],
        values: Values,
        column: Annotated[str, column],
        value: Annotated[str, value],
        comparison: Annotated[Comparison, compared] = "equal to",
    ) -> str:
        """Update records of the database."""
        return f"{database.update(table, values, column, comparison, value)} records of {table} are changed"

    @server.tool(annotations=DESTROYS)
    def delete_records(
        table: Annotated[str, table],
        column: Annotated[str, column],
        value: Annotated[str, value],
        comparison: Annotated[Comparison, compared] = "equal to",
    ) -> str:
        """Delete records of the database."""
        return f"{database.delete(table, column, comparison, value)} records of {table} are deleted"

    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one SQLite database over MCP.")
    parser.add_argument("--database", type=Path, required=True)
    database_server(Database(parser.parse_args().database)).run()
