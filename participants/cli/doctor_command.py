"""To come."""

SETTINGS: dict[str, object] = {}


def doctor() -> None:
    """To come."""
