"""
The matching rules once more, as plainly and as slowly as they can be said.

Written from the protocol page alone, to disagree with `capabilities` where one
of the two is wrong: it walks over the two texts character by character, tries
every way for every `*`, and knows neither parts nor pieces.
"""

from __future__ import annotations

from random import Random
from typing import Final


def slow_grants(pattern: str, kind: str) -> bool:
    """Whether a pattern that was accepted grants a kind."""
    if _reaches(pattern, kind):
        return True
    for implied, source in (("mcp/withdraw:", "mcp/proposal:"), ("mcp/reject:", "mcp/request:")):
        if kind.startswith(implied):
            return _reaches(pattern, source + kind[len(implied) :])
    return False


def _reaches(pattern: str, kind: str) -> bool:
    if kind == "chat":
        return pattern == "chat"
    names_method_alone = pattern.count(":") == 1 and pattern[-1] != "*"
    if names_method_alone and kind.count(":") > 1:
        second_colon = kind.index(":", kind.index(":") + 1)
        kind = kind[:second_colon]
    return _walk(pattern, 0, kind, 0)


def _walk(pattern: str, p: int, kind: str, k: int) -> bool:
    if p == len(pattern):
        return k == len(kind)
    if pattern[p] != "*":
        return k < len(kind) and pattern[p] == kind[k] and _walk(pattern, p + 1, kind, k + 1)
    if p == len(pattern) - 1:
        return True
    if _walk(pattern, p + 1, kind, k):
        return True
    return k < len(kind) and kind[k] != ":" and _walk(pattern, p, kind, k + 1)


def slow_could_be_reserved(pattern: str) -> bool:
    """Whether a family that the pattern matches is reserved, in any case of letters."""
    family = pattern.split(":", maxsplit=1)[0].lower()
    return any(_could_be(family, word) for word in ("system", "presence"))


def _could_be(family: str, word: str) -> bool:
    """Whether some text is matched by `family` and is `word`, or begins with it and a slash."""
    if not word:
        return not family.strip("*") or _could_begin_with_slash(family)
    if not family:
        return False
    if family[0] == "*":
        return _could_be(family[1:], word) or _could_be(family, word[1:])
    return family[0] == word[0] and _could_be(family[1:], word[1:])


def _could_begin_with_slash(family: str) -> bool:
    return family[0] in "*/"


# Random pairs, drawn so that about half of them match.

_FAMILIES: Final = (
    "mcp/request", "mcp/request", "mcp/proposal", "mcp/response", "mcp/withdraw", "mcp/reject",
    "chat", "cat", "mcp", "mcp/requests", "Mcp/request", "x-acme/a", "x",
)  # fmt: skip  # a list of words, not a line for each
_METHODS: Final = (
    "tools/call", "tools/list", "resources/read", "resources/templates/list", "list", "a", "call",
)  # fmt: skip  # a list of words, not a line for each
_CONTEXTS: Final = (
    "x", "read_file", "x/list", "file:///a/list", "a:b", ":", "::", "*", "a*b", "tools/call", "c:",
)  # fmt: skip  # a list of words, not a line for each
_LETTERS: Final = "acmpqrstxlM/*_:-."


def random_kind(random: Random) -> str:
    """Return the wire form of a kind, seldom of a shape that nobody has in mind."""
    kind = random.choice(_FAMILIES)
    shape = random.random()
    if shape < 0.9:
        kind += ":" + random.choice(_METHODS)
    if shape < 0.6:
        kind += ":" + random.choice(_CONTEXTS)
    return _with_slip(random, kind) if random.random() < 0.2 else kind


def random_pattern(random: Random, kind: str) -> str:
    """Return a text that a person could write to grant `kind`, or by a slip something else."""
    text = kind
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 1, 3, 6, 20, 40)))
        text = text[:start] + "*" + text[end:]
    if random.random() < 0.2:
        text = text.rsplit(":", 1)[0]
    if random.random() < 0.1:
        text = text.replace("mcp/withdraw", "mcp/proposal").replace("mcp/reject", "mcp/request")
    return _with_slip(random, text) if random.random() < 0.1 else text


def _with_slip(random: Random, text: str) -> str:
    if not text:
        return random.choice(_LETTERS)
    at = random.randrange(len(text))
    return text[:at] + random.choice(_LETTERS) + text[at + random.randrange(2) :]
