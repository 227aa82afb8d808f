"""To come."""


def bridge() -> None:
    """To come."""
