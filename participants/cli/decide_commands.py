"""To come."""


def approve() -> None:
    """To come."""


def reject() -> None:
    """To come."""
