"""The chat page: its rules in Node, the page itself in Chromium."""
