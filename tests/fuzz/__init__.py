"""Fuzzing of what reads bytes from strangers: envelopes, patterns, tokens."""
