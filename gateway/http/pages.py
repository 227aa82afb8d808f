"""The chat page and its assets: from the package, under a strict policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

_PAGES: Final = Path(__file__).parent / "pages"

CONTENT_SECURITY_POLICY: Final = "; ".join(  # noqa: FLY002  # one directive a line
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-cache",
}


def _whole(scope: Scope) -> Scope:
    """Ask for all of a file: a part may always be refused (RFC 9110 14.2), and none here is worth it."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}


class _Page(FileResponse):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(_whole(scope), receive, send)


class _Assets(StaticFiles):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(_whole(scope), receive, send)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # handed on as it came
        response.headers.update(SECURITY_HEADERS)
        return response


async def _index(_: Request) -> Response:
    return _Page(_PAGES / "index.html", headers=SECURITY_HEADERS)


def page_routes() -> list[Route | Mount]:
    """`/` is the chat page, `/assets/…` what it is made of."""
    return [Route("/", _index), Mount("/assets", _Assets(directory=_PAGES))]
