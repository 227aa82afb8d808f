"""To come."""

SETTINGS: dict[str, object] = {}


def send() -> None:
    """To come."""
