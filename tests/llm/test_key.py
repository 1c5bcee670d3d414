"""The call key: a hash of everything that shapes a reply, the same whichever way it is computed."""

from __future__ import annotations

import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datagen.core.hashing import digest
from datagen.core.record import Message
from datagen.llm.backend import MAX_SCHEMAS, Request

# Lone surrogates too: some PDFs have them.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=TEXTS,
    tool_calls=st.lists(OBJECTS, max_size=1).map(tuple),
)


@given(TEXTS, st.lists(MESSAGES, max_size=3), OBJECTS, st.none() | OBJECTS, st.integers(0, 9))
def test_a_key_is_the_digest_of_what_shapes_the_reply(
    model: str, messages: list[Message], params: dict[str, Any], schema: dict[str, Any] | None, index: int
) -> None:
    request = Request(model=model, messages=tuple(messages), params=params, json_schema=schema, index=index)
    told = [
        [m.role, m.content, *([[list(m.tool_calls), m.tool_call_id, m.name]] if m.tool_calls else [])] for m in messages
    ]
    parts = {"model": model, "messages": told, "params": params, "schema": schema, "index": index}
    assert request.key() == digest(parts)


def test_a_copy_has_a_key_of_its_own() -> None:
    request = Request(model="m", messages=(Message(role="user", content="x"),))
    key = request.key()
    other = request.model_copy(update={"index": 1})
    assert other.key() != key
    assert other.key() == Request(model="m", messages=request.messages, index=1).key()
    assert pickle.loads(pickle.dumps(request)).key() == key
    assert request == Request(model="m", messages=request.messages), "a key that was computed makes no difference"
    assert set(request.model_dump()) == set(Request.model_fields)


def test_schemas_that_share_their_parts_are_told_apart() -> None:
    shared, properties = {"type": "string"}, {"a": {"type": "string"}}
    schemas = [{"x": shared, "y": properties}, {"x": properties, "y": shared}, {"y": shared, "x": properties}]
    schemas += [{"z": shared, "y": properties}, {"x": shared}, {}, {"x": 1}, {"x": True}, {"x": 1.0}]
    schemas += [{"x": {"n": n}} for n in range(2 * MAX_SCHEMAS)]
    for schema in schemas * 2:
        request = Request(model="m", messages=(), json_schema=schema)
        assert request.key() == digest({"model": "m", "messages": [], "params": {}, "schema": schema, "index": 0})
