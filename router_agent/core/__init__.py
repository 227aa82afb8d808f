"""The router's rules, pure: an intent and a catalogue in, a route out."""

__all__: list[str] = []
