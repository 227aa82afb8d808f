"""The encoder that the router ships with, run by llama.cpp."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from router_agent.models.gguf_header import NotGguf, read_header
from router_agent.models.heads import Asked, Heads, Heard
from router_agent.models.layout import INTENT_PIECES, sentence, shown
from router_agent.models.loading import load
from router_agent.models.reading import Reading, ToolPage
from router_agent.models.wordpiece import WordPiece

SHIPPED = "router-encoder.gguf"
BATCH = 512
"""Tokens in one pass. Attention within a pass is square in this, so longer passes cost more than two."""
_SEQUENCES = 64
_KEPT = 20_000
"""Texts of tools, parameters and choices whose vectors are kept."""
_HEARD = 64
"""Intents whose vectors are kept."""
_ASKED = 128
"""Tools for which what the heads need is kept; up to 0.3 MB each."""


class LlamaEncoder:
    """
    Token vectors by llama.cpp, read by the heads that the same file holds.

    It blocks while it computes and is for one thread at a time: its owner sees to that.

    Raises:
        NotGguf: the file is no encoder of this router.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None, *, threads: int = 2) -> None:
        if path is None:
            with as_file(files("router_agent.models") / SHIPPED) as shipped:
                self._open(shipped, threads)
        else:
            self._open(path, threads)
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        self._asked: OrderedDict[ToolPage, Asked] = OrderedDict()

    def _open(self, path: Path, threads: int) -> None:
        header = read_header(path)
        try:
            self._heads = Heads.load(header)
            self._pieces = WordPiece(header["router.vocabulary"])
            self._width = int(header["bert.embedding_length"])
        except KeyError as missing:
            raise NotGguf(f"{path.name} is no router's encoder: it has no {missing}") from missing
        how = llama_cpp.llama_context_default_params()
        how.n_ctx = how.n_batch = how.n_ubatch = BATCH
        how.n_seq_max = _SEQUENCES
        how.embeddings = True
        how.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        how.kv_unified = True
        self._model, self._context = load(path, how, threads)
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)

    def close(self) -> None:
        """Give the model's memory back; it answers no more."""
        if self._context:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._context)
            llama_cpp.llama_model_free(self._model)
            self._context = None

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The mean vector of each text, one a row; texts that were met lately cost nothing."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        rows = [sentence(self._pieces, text) for text in new]
        for text, hidden in zip(new, self._hidden(rows), strict=True):
            self._vectors[text] = hidden.mean(axis=0)
        out = (
            np.stack([self._vectors[text] for text in texts])
            if texts
            else np.zeros((0, self._width), np.float32)
        )
        for text in texts:
            self._vectors.move_to_end(text)
        while len(self._vectors) > _KEPT:
            self._vectors.popitem(last=False)
        return out

    def nearness(self, intent: str, texts: Sequence[str]) -> Sequence[float]:
        """Cosines between an intent and each text."""
        one, others = self._of(intent).unit, self.vectors(texts)
        lengths = np.linalg.norm(others, axis=1)
        return [float(near) for near in others @ one / np.maximum(lengths, 1e-9)]

    def read(self, intent: str, tools: Sequence[ToolPage]) -> Sequence[Reading]:
        """One reading for each tool; what belongs to tools that were met lately costs nothing."""
        heard = self._of(intent)
        self.prepare([tool for tool in tools if tool not in self._asked])
        out: list[Reading] = []
        for tool in tools:
            asked = self._asked_of(tool)
            read = self._heads.slots(heard, asked, intent)
            out.append(Reading(self._heads.relevant(heard, asked), tuple(read)))
        return out

    def _asked_of(self, tool: ToolPage) -> Asked:
        """What the heads need of a tool whose texts were read."""
        asked = self._asked.get(tool)
        if asked is None:
            texts = shown(tool)
            slots = self.vectors([slot for slot, _ in texts])
            choices = [self.vectors(offered) for _, offered in texts]
            asked = self._asked[tool] = self._heads.ask(self.vectors([tool.text])[0], slots, choices)
            if len(self._asked) > _ASKED:
                self._asked.popitem(last=False)
        self._asked.move_to_end(tool)
        return asked

    def prepare(self, tools: Sequence[ToolPage]) -> None:
        """Compute what belongs to tools and not to an intent, ahead of the first that wants them."""
        texts = [tool.text for tool in tools]
        for tool in tools:
            for slot, choices in shown(tool):
                texts += [slot, *choices]
        self.vectors(texts)

    def hear(self, intents: Sequence[str]) -> None:
        """Read several intents in one pass and keep them, for selecting and reading that follow."""
        new = [intent for intent in dict.fromkeys(intents) if intent not in self._heard]
        cut = [self._pieces.pieces(intent, INTENT_PIECES) for intent in new]
        rows = [[self._pieces.cls, *(piece.id for piece in words), self._pieces.sep] for words in cut]
        for intent, words, hidden in zip(new, cut, self._hidden(rows), strict=True):
            self._heard[intent] = self._heads.hear(hidden, words)
        for intent in intents:
            self._heard.move_to_end(intent)
        while len(self._heard) > max(_HEARD, len(intents)):
            self._heard.popitem(last=False)

    def _of(self, intent: str) -> Heard:
        """An intent as it was heard just now, or before."""
        self.hear([intent])
        return self._heard[intent]

    def _hidden(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Token vectors of each row of numbers, in passes of at most `BATCH` tokens."""
        out: list[NDArray[np.float32]] = []
        waiting: list[Sequence[int]] = []
        for row in (*rows, None):
            full = row is not None and (
                sum(map(len, waiting)) + len(row) > BATCH or len(waiting) == _SEQUENCES
            )
            if waiting and (row is None or full):
                out += self._pass(waiting)
                waiting = []
            if row is not None:
                waiting.append(row[:BATCH])
        return out

    def _pass(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        batch, number = self._batch, 0
        for sequence, row in enumerate(rows):
            for place, token in enumerate(row):
                batch.token[number] = token
                batch.pos[number] = place
                batch.n_seq_id[number] = 1
                batch.seq_id[number][0] = sequence
                batch.logits[number] = 1
                number += 1
        batch.n_tokens = number
        if llama_cpp.llama_encode(self._context, batch):
            raise RuntimeError("llama.cpp did not encode")
        found = llama_cpp.llama_get_embeddings(self._context)
        vectors = np.ctypeslib.as_array(found, shape=(number, self._width)).copy()
        ends = np.cumsum([len(row) for row in rows])[:-1]
        return list(np.split(vectors, ends))
