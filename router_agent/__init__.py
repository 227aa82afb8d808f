"""
Plans with a local model, as one more participant of a topic.

This room will promise `RouterAgent`: it reads an intent in chat, chooses among the
tools that the topic's members offer at that moment, requests what it may and
proposes what it may not. It meets the gateway on the wire, through `participants`.
"""

__all__: list[str] = []
