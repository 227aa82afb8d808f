"""Cuts text into the pieces that an uncased BERT reads, and knows where each came from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+|[^\s]", re.UNICODE)
_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a text: its number in the vocabulary, and `text[start:end]` behind it."""

    id: int
    start: int
    end: int


class WordPiece:
    """
    Greedy longest-match pieces of lower-case words without accents.

    Done here and not by llama.cpp, because a pointer needs each piece's place in the text,
    and because training and running must cut alike.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: number for number, piece in enumerate(vocabulary)}
        self.unknown = self._ids["[UNK]"]
        self.cls, self.sep = self._ids["[CLS]"], self._ids["[SEP]"]
        self._cut = lru_cache(maxsize=65_536)(self._cut_word)

    def pieces(self, text: str, most: int | None = None) -> list[Piece]:
        """The pieces of a text in order, the first `most` of them."""
        if text.isascii():
            plain, origin = text.lower(), None
        else:
            plain, origin = _plain(text)
        out: list[Piece] = []
        for word in _WORD.finditer(plain):
            at = word.start()
            for number, length in self._cut(word.group()):
                first, last = at, at + length - 1
                if origin is not None:
                    first, last = origin[first], origin[last]
                out.append(Piece(number, first, last + 1))
                at += length
            if most is not None and len(out) >= most:
                return out[:most]
        return out

    def ids(self, text: str, most: int | None = None) -> list[int]:
        """The numbers of a text's pieces alone."""
        return [piece.id for piece in self.pieces(text, most)]

    def _cut_word(self, word: str) -> tuple[tuple[int, int], ...]:
        if len(word) > _LONGEST_WORD:  # an id or a key: in blocks, so that a pointer can still cover it
            blocks = [word[at : at + 16] for at in range(0, len(word), 16)]
            return tuple(piece for block in blocks for piece in self._cut_word(block))
        out: list[tuple[int, int]] = []
        at = 0
        while at < len(word):
            for end in range(len(word), at, -1):
                number = self._ids.get(word[at:end] if at == 0 else "##" + word[at:end])
                if number is not None:
                    break
            else:
                number, end = self.unknown, at + 1
            out.append((number, end - at))
            at = end
        return tuple(out)


def _plain(text: str) -> tuple[str, list[int]]:
    """Lower case without accents, and for each character the place it came from."""
    letters: list[str] = []
    origin: list[int] = []
    for place, letter in enumerate(text):
        for part in unicodedata.normalize("NFD", letter.lower()):
            if unicodedata.category(part) != "Mn":
                letters.append(part)
                origin.append(place)
    return "".join(letters), origin
