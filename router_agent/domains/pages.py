"""
An MCP server for a web that is a folder: `pages/news.example/ai.html` is `https://news.example/ai`.

    python -m router_agent.domains.pages --folder pages
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from typing_extensions import TypedDict

from router_agent.domains.finding import Text, best_of
from router_agent.domains.folder import Folder
from router_agent.domains.hints import READS

MOST_PAGES: Final = 500
MOST_CHARACTERS: Final = 20_000
"""Of one page's text; what follows is cut, and said to be."""


class Page(TypedDict):
    """One page as text."""

    url: str
    title: str
    text: str


class Hit(TypedDict):
    """One page that was found."""

    url: str
    title: str
    snippet: str


class _Reader(HTMLParser):
    """Keeps a page's title and the text that a person would see."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.text = "", ""
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its base says so
        if tag in {"title", "script", "style"}:
            self._within.append(tag)
        elif tag in {"p", "br", "li", "h1", "h2", "h3", "tr"}:
            self.text += "\n"

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if self._within[-1:] == ["title"]:
            self.title += data
        elif not self._within:
            self.text += data


class PageSet:
    """The pages of a folder, by their addresses."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def texts(self) -> list[Text]:
        """Return the pages as texts that can be searched; what is no page, or too large, is left out."""
        found = []
        for path in islice(self._folder.files(suffix=".html"), MOST_PAGES):
            with suppress(ToolError):
                page = self.page(self._folder.name_of(path))
                found.append(Text(page["url"], page["title"], page["text"]))
        return found

    def page(self, url: str) -> Page:
        """
        Return one page.

        Raises:
            ToolError: the set has no such page; nothing is fetched from anywhere else.
        """
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
        except ValueError as error:
            raise ToolError(f"'{url[:200]}' is no address") from error
        path = parts.path.strip("/") or "index"
        address = f"https://{parts.netloc}/{path.removesuffix('.html')}"
        reader = _Reader()
        try:
            reader.feed(self._folder.read(f"{address.removeprefix('https://')}.html"))
            reader.close()  # it keeps back what could be the beginning of a reference, such as "R&D"
        except ToolError as error:
            raise ToolError(
                f"'{url[:200]}' is not among the pages of this server, and it asks no others"
            ) from error
        text = "\n".join(" ".join(line.split()) for line in reader.text.splitlines() if line.strip())
        if len(text) > MOST_CHARACTERS:
            text = f"{text[:MOST_CHARACTERS]}… ({len(text)} characters)"
        return {"url": address, "title": " ".join(reader.title.split()), "text": text}


def pages_server(pages: PageSet) -> MCPServer:
    """Return the server for one set of pages."""
    server = MCPServer("web", instructions="A web of a few pages, kept in a folder: nothing else is asked.")

    @server.tool(annotations=READS)
    def search_web(
        query: Annotated[str, Field(description="What to search for", min_length=1, max_length=400)],
        num_results: Annotated[int, Field(description="How many results to return", ge=1, le=20)] = 5,
    ) -> list[Hit]:
        """Search the web for pages about something."""
        found = best_of(pages.texts(), query, num_results)
        return [{"url": one.key, "title": one.title, "snippet": one.snippet} for one in found]

    @server.tool(annotations=READS)
    def fetch_page(
        url: Annotated[str, Field(description="URL of the page, such as 'https://news.example/ai'")],
    ) -> Page:
        """Fetch a page of the web."""
        return pages.page(url)

    return server


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Serve a folder of pages over MCP, as a small web.")
    arguments.add_argument("--folder", type=Path, required=True)
    pages_server(PageSet(Folder(arguments.parse_args().folder))).run()
