"""A topic for each test."""

from tests.one_topic import shared_gateway, topic

__all__ = ["shared_gateway", "topic"]
