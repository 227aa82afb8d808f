"""Every threat of docs/threats.md has its module here, or waits for what it threatens."""
