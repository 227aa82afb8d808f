"""Thin shells around the node: WebSocket, admin REST, documents, operations and the chat page."""
