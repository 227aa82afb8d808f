"""`python -m gateway`: one node, or several sharing a port."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from gateway.errors import BrokerUnavailable, SettingsError
from gateway.http.app import create_app
from gateway.logs import configure_logs
from gateway.serving import Server, Workers, shown
from gateway.settings import Settings
from gateway.transport import HttpTransport, WebSocketTransport

EX_CONFIG: Final = 78
EX_UNAVAILABLE: Final = 69
EX_INTERRUPTED: Final = 130
_FACTORY: Final = "gateway.http.app:from_environment"

log = structlog.get_logger("gateway")


def main(arguments: list[str] | None = None) -> int:
    """Run a gateway; return the exit status (78: a setting is wrong, 69: the store does not answer)."""
    flags = vars(_parser().parse_args(arguments))
    try:
        settings = Settings.read(os.environ, flags).with_secret()
        configure_logs(settings.log_format, settings.log_level)
        config = _config(settings, lambda: Settings.read(os.environ, flags))
        if settings.workers == 1:
            return _run_one(config)
        # Workers read for themselves what does not stand in a flag, so that they can read it anew.
        given = {name for name, value in flags.items() if value is not None}
        os.environ.update(settings.environment(given))
        return _run_many(config, settings)
    except SettingsError as error:
        sys.stderr.write(f"gateway: refuses to start: {error}\n")
        return EX_CONFIG


def _run_one(config: uvicorn.Config) -> int:
    server = Server(config)
    try:
        server.run()
    except SystemExit as ending:
        _check_address(ending, config)
        return _exit_status(config.app)
    if server.was_interrupted:
        return EX_INTERRUPTED
    return 0 if server.started else EX_UNAVAILABLE


def _check_address(ending: SystemExit, config: uvicorn.Config) -> None:
    """
    See whether uvicorn gave up because it could not listen.

    Raises:
        SettingsError: it did; the cause names the port, or the host.
    """
    match ending.__context__:
        case OSError(errno=errno.EADDRINUSE):
            why = f"{config.port} is in use on {config.host}; end what listens there, or take another port"
            raise SettingsError("MCPX_PORT", why) from ending
        case OSError(errno=errno.EACCES):
            raise SettingsError("MCPX_PORT", f"{config.port} may not be bound by this user") from ending
        case OSError() as error:
            raise SettingsError("MCPX_HOST", f"{config.host}: {error.strerror or error}") from ending


def _exit_status(app: Any) -> int:
    match getattr(app.state, "failure", None):
        case SettingsError():
            return EX_CONFIG
        case BrokerUnavailable():
            return EX_UNAVAILABLE
        case _:
            return 1


def _run_many(config: uvicorn.Config, settings: Settings) -> int:
    try:
        listener = config.bind_socket()
    except SystemExit as ending:
        _check_address(ending, config)
        raise
    host, port = listener.getsockname()[:2]
    log.info(
        "gateway.started",
        host=host,
        port=port,
        workers=settings.workers,
        next=f"http://{shown(host)}:{port}/",
    )
    workers = Workers(config, sockets=[listener])
    workers.run()
    return EX_UNAVAILABLE if any(each.exitcode == STARTUP_FAILURE for each in workers.processes) else 0


def _config(settings: Settings, reread: Callable[[], Settings]) -> uvicorn.Config:
    # Also where workers make their own: what is wrong shows here, once.
    app = create_app(settings, reread=reread)
    return uvicorn.Config(
        app if settings.workers == 1 else _FACTORY,
        factory=settings.workers > 1,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=HttpTransport,
        ws=WebSocketTransport,
        ws_max_size=settings.max_envelope_bytes,
        ws_ping_interval=settings.ping_interval_s,
        ws_ping_timeout=settings.ping_timeout_s,
        ws_per_message_deflate=settings.deflate,
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway",
        description="A gateway for MCPx topics. Every setting is also an environment variable, MCPX_NAME.",
        epilog="Examples: python -m gateway --port 8080; --redis redis://127.0.0.1 --workers 2",
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default 8080)")
    parser.add_argument(
        "--redis", dest="redis_url", metavar="URL", help="share topics with other nodes over Redis"
    )
    parser.add_argument("--workers", type=int, help="processes that share the port; needs --redis")
    parser.add_argument(
        "--settings", dest="settings_file", type=Path, metavar="FILE", help="lines of MCPX_NAME=VALUE"
    )
    parser.add_argument("--state-dir", type=Path, help="where key, audit log and rights are kept")
    parser.add_argument(
        "--metrics-port", type=int, help="serve /metrics there instead of to loopback peers here"
    )
    parser.add_argument(
        "--log-format", choices=("auto", "console", "json"), help="how logs are written to stderr"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
