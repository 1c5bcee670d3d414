"""JSON schemas of pydantic models, in the plain form that every endpoint takes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema with references written out and titles left off.

    References are legal, but several servers' grammars do not follow them. Recursive models are
    not supported (RecursionError).
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[-1]]
            return plain({**target, **{k: v for k, v in node.items() if k != "$ref"}})
        return {
            key: {name: plain(part) for name, part in value.items()} if key == "properties" else plain(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }

    result: dict[str, Any] = plain(schema)
    return result
