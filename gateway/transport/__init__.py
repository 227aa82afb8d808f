"""Frames under uvicorn: what its own protocol classes lack. Knows nothing of MCPx."""

from gateway.transport.http import HttpTransport
from gateway.transport.websocket import EXTENSION, WebSocketTransport

__all__ = ["EXTENSION", "HttpTransport", "WebSocketTransport"]
