"""To come."""

SETTINGS: dict[str, object] = {}


def join() -> None:
    """To come."""
