"""
An MCP server for the files of one folder: list, read, write, delete.

    python -m router_agent.domains.files --folder notes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, Final

from mcp.server.mcpserver import MCPServer
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.folder import Folder
from router_agent.domains.hints import DESTROYS, READS

MOST_LISTED: Final = 200


class Listing(TypedDict):
    """What a folder holds."""

    files: list[str]
    more: int
    """How many were left out."""


def files_server(folder: Folder) -> MCPServer:
    """Return the server for one folder."""
    server = MCPServer("files", instructions="Text files in one folder; paths are relative to it.")

    @server.tool(annotations=READS)
    def list_files(
        folder_path: Annotated[str, Field(description="Path of the folder, such as 'plans'")] = ".",
    ) -> Listing:
        """List the files in a folder."""
        names = [folder.name_of(path) for path in folder.files(folder_path)]
        return {"files": names[:MOST_LISTED], "more": max(0, len(names) - MOST_LISTED)}

    @server.tool(annotations=READS)
    def read_file(path: Annotated[str, Field(description="Path of the file, such as 'todo.md'")]) -> str:
        """Read a file."""
        return folder.read(path)

    @server.tool(annotations=DESTROYS)
    def write_file(
        path: Annotated[str, Field(description="Path of the file, such as 'ideas.md'")],
        content: Annotated[str, Field(description="The whole text that the file is to have")],
    ) -> str:
        """Write a text into a file, over what it had."""
        return f"{len(content)} characters are in {folder.name_of(folder.write(path, content))}"

    @server.tool(annotations=DESTROYS)
    def delete_file(path: Annotated[str, Field(description="Path of the file")]) -> str:
        """Delete a file."""
        folder.delete(path)
        return f"{path} is deleted"

    return server


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Serve the files of one folder over MCP.")
    arguments.add_argument("--folder", type=Path, required=True)
    files_server(Folder(arguments.parse_args().folder)).run()
