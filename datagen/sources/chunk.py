"""Cuts documents into chunks: passages of bounded length that know where they come from."""

from __future__ import annotations

import bisect
from typing import Any

from datagen.core.hashing import digest
from datagen.core.record import AnyRecord, Chunk, Document
from datagen.core.stage import Map, Shard
from datagen.sources import chunk_chat
from datagen.sources.blocks import blocks
from datagen.sources.chunk_cut import back
from datagen.sources.chunk_pack import Packer, Piece
from datagen.sources.config import ChatConfig, ChunkConfig
from datagen.sources.tokens import TokenCounter, counter


class Chunker(Map):
    """Documents to chunks.

    Sections stay together: a section that fits goes whole, with its neighbours under the same
    heading while there is room; one that does not is split at its subsections, then between blocks;
    a list, table, code block or paragraph is split only if it is larger than a chunk. A heading goes
    with what stands below it.

    Args:
        config: how long chunks are.
        chat: how chats are cut into conversations.

    Raises:
        UsageError: the tokenizer cannot be loaded.
    """

    name = "chunk"
    version = 1
    produces = "chunk"

    def __init__(self, config: ChunkConfig, chat: ChatConfig = ChatConfig()) -> None:
        self.config = config
        self.chat = chat
        counter(config.tokenizer)  # fail before anything is read, not in a worker

    def fingerprint(self) -> dict[str, Any]:
        """Lengths and how tokens are counted."""
        config = self.config
        chat = {"chat": chunk_chat.fingerprint(self.chat)} if self.chat.me.strip() else {}
        return {
            **chat,
            "tokens": config.tokens,
            "min_tokens": config.min_tokens,
            "overlap": config.overlap,
            "counter": counter(config.tokenizer).name,
        }

    def run(self, shard: Shard) -> list[AnyRecord]:
        """The chunks of each readable document, in order; records that are no documents stay."""
        out: list[AnyRecord] = []
        for record in shard:
            if not isinstance(record, Document):
                out.append(record)
            elif record.verdict is None and record.turns:
                out += chunk_chat.conversations(record, self.chat, counter(self.config.tokenizer))
            elif record.verdict is None:
                out += chunks(record, self.config)
        return out


def chunks(document: Document, config: ChunkConfig = ChunkConfig()) -> list[Chunk]:
    """Cut one document.

    Returns:
        Chunks by ascending start, each with ``document.text[start:end] == text``. Every character
        that is not white space is in one; without ``overlap`` in exactly one. None has more than
        ``config.tokens`` tokens, but for a single code point that has more by itself.

    Raises:
        UsageError: the tokenizer cannot be loaded.
    """
    text = document.text
    tokens = counter(config.tokenizer)
    overlap = min(config.overlap, config.tokens // 2)
    packer = Packer(text, tokens, config.tokens - overlap, min(config.min_tokens, config.tokens // 2))
    pieces = packer.pack(blocks(text, document.format))
    out: list[Chunk] = []
    least = 0
    for piece in pieces:
        start, length = piece.start, piece.tokens
        if overlap and out and not piece.headed:
            start, length = _overlapped(tokens, text, piece, max(piece.least, least), overlap, config.tokens)
        least = start + 1
        out.append(_chunk(document, start, piece, length))
    return out


def _overlapped(tokens: TokenCounter, text: str, piece: Piece, least: int, overlap: int, limit: int) -> tuple[int, int]:
    """Start and tokens of a piece with up to ``overlap`` tokens of what stands before it."""
    while overlap:
        start = back(tokens, text, least, piece.start, overlap)
        length = tokens.count(text[start : piece.end])
        if length <= limit:
            return start, length
        overlap //= 2  # a tokenizer may count a little more for the whole than for its parts
    return piece.start, piece.tokens


def _chunk(document: Document, start: int, piece: Piece, tokens: int) -> Chunk:
    return Chunk.model_construct(
        id=digest([document.path, document.sha256, start, piece.end]),
        path=document.path,
        sha256=document.sha256,
        split=document.split,
        title=document.title,
        format=document.format,
        start=start,
        end=piece.end,
        heading=piece.path,
        page=bisect.bisect_right(document.pages, start) or 1 if document.pages else None,
        text=document.text[start : piece.end],
        tokens=tokens,
    )
