"""
Small MCP servers for everyday domains, made to be run, read and copied: each a module of its own.

Every one runs by itself over standard input and output, works without a network, bounds what
it reads, answers and does, and refuses what lies outside of the folder that it was given.
"""
