"""Markdown to blocks: the block tokens of markdown-it-py, whose line maps become character spans."""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING, Any

from datagen.sources.blocks import LINE_END, MAX_TITLE, Block, Kind, line_starts, paragraphs, trimmed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

_LEAVES: dict[str, Kind] = {
    "paragraph_open": "prose",
    "heading_open": "prose",  # a heading inside a list or a quotation opens no section
    "table_open": "lines",
    "html_block": "lines",
    "hr": "lines",
    "fence": "code",
    "code_block": "code",
}
_CONTAINERS = frozenset({"bullet_list_open", "ordered_list_open", "list_item_open", "blockquote_open"})
# A line whose first characters rule out that it begins or ends any block but a paragraph.
_PLAIN = re.compile(
    r"[^\s#>\-+*_`~<|:=0-9]|\*{1,2}[^\s*]|_{1,2}[^\s_]|`{1,2}[^\s`]|[0-9]+[^\s0-9.)]|[0-9]{1,9}[.)][^\s]|[-+][^\s\-|:+]"
)
_BULLET = re.compile(r"[-+*] [^\s*\-_+|:=]")


def markdown(text: str) -> list[Block]:
    """The top-level blocks of Markdown (CommonMark with tables), headings among them."""
    source = LINE_END.sub("\n", text) if "\r" in text else text
    try:
        tokens = _tokens(source)
    except Exception:  # hostile text can trip any parser; its paragraphs can still be told apart
        logging.getLogger(__name__).debug("markdown-it failed", exc_info=True)
        return paragraphs(text)
    starts = line_starts(text)
    last = len(starts) - 1
    out: list[Block] = []
    done = 0  # lines above this one are covered
    for token, children in _tree(tokens):
        assert token.map is not None
        first, stop = min(token.map[0], last), min(token.map[1], last)
        if first > done and not text[starts[done] : starts[first]].isspace():
            out += paragraphs(text, "prose", starts[done], starts[first])
        block = _block(token, children, text, starts)
        if block is not None:
            out.append(block)
        done = max(done, stop)
    if done < last:
        out += paragraphs(text, "prose", starts[done], len(text))
    return out


def _tokens(source: str) -> list[Token]:
    parser = _parser()
    tokens: list[Token] = []
    parser.block.parse(source, parser, {}, tokens)
    return tokens


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Link definitions stay paragraphs: they are text of the document like any other.
    parser = MarkdownIt("commonmark").enable("table").disable("reference")
    parser.block.ruler.before("table", "plain", _plain)
    return parser


def _plain(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """A block rule that only makes the parser faster: a paragraph of lines that can be nothing else.

    Gives the tokens that the rules after it would give, or declines. (A test compares the two.)
    """
    marks, shifts, counts, indent = state.bMarks, state.tShift, state.sCount, state.blkIndent
    source = state.src
    if silent or counts[first] - indent > 3 or not _PLAIN.match(source, marks[first] + shifts[first]):
        return False
    line = first + 1
    while line < state.lineMax:
        begin = marks[line] + shifts[line]
        if begin >= state.eMarks[line]:
            break
        count = counts[line]
        if count >= 0 and count - indent > 3:
            return False
        if not _PLAIN.match(source, begin):
            outdented = state.listIndent >= 0 and count - state.listIndent >= 4 and count < indent
            if count < 0 or outdented or not _BULLET.match(source, begin):
                return False
            break
        line += 1
    state.line = line
    token = state.push("paragraph_open", "p", 1)
    token.map = [first, line]
    state.push("paragraph_close", "p", -1)
    return True


Tree = list[tuple["Token", Any]]


def _tree(tokens: list[Token]) -> Tree:
    """Tokens that have a place, each with those inside it; a heading has its text's token inside."""
    root: Tree = []
    stack: list[Tree] = [root]
    skip = 0  # depth inside a leaf that has tokens of its own
    for token in tokens:
        if skip:
            skip += token.nesting
            if token.type == "inline" and stack[-1] and stack[-1][-1][0].type == "heading_open":
                stack[-1][-1][1].append((token, []))
        elif token.type in _CONTAINERS and token.map is not None:
            inner: Tree = []
            stack[-1].append((token, inner))
            stack.append(inner)
        elif token.type in _LEAVES and token.map is not None:
            stack[-1].append((token, []))
            skip = token.nesting
        elif token.nesting < 0 and len(stack) > 1:
            stack.pop()
    return root


def _block(token: Token, children: Tree, text: str, starts: list[int]) -> Block | None:
    assert token.map is not None
    last = len(starts) - 1
    start, stop = starts[min(token.map[0], last)], starts[min(token.map[1], last)]
    end = trimmed(text, start, stop)
    if end <= start:
        return None
    if token.type in _CONTAINERS:
        inner = [block for child in children if (block := _block(*child, text, starts)) is not None]
        return Block("group", start, end, inner) if len(inner) > 1 else _only(inner, start, end)
    if token.type == "heading_open" and token.level == 0:
        title = " ".join(children[0][0].content.split())[:MAX_TITLE] if children else ""
        return Block("heading", start, end, level=int(token.tag[1]), title=title)
    return Block(_LEAVES[token.type], start, end)


def _only(inner: list[Block], start: int, end: int) -> Block:
    """A container with one child can be split as the child can."""
    if not inner:
        return Block("prose", start, end)
    child = inner[0]
    child.start, child.end = start, end
    return child
