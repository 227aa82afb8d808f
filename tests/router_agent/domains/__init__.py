"""Each domain as a server of its own, and all of them behind a router."""
