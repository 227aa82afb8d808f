"""Frames under uvicorn: what its own protocol classes lack. Knows nothing of MCPx."""

from gateway.transport.deflate import Deflater
from gateway.transport.frames import FramedConnection, Inlet, MakeInlet, Receiver, frame_head, frames_of
from gateway.transport.http_protocol import HttpTransport
from gateway.transport.websocket_protocol import EXTENSION, WebSocketTransport

__all__ = [
    "EXTENSION",
    "Deflater",
    "FramedConnection",
    "HttpTransport",
    "Inlet",
    "MakeInlet",
    "Receiver",
    "WebSocketTransport",
    "frame_head",
    "frames_of",
]
