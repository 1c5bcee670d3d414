"""A chat template without the markers that only training needs."""

from __future__ import annotations

import re

_MARKER = re.compile(r"\{%([-+]?)[ \t\n]*(end)?generation[ \t\n]*([-+]?)%\}")


def portable_template(template: str) -> str:
    """The template with ``{% generation %}`` blocks made into plain ones, for engines that do not know that tag.

    A block that is always taken stands in its place, with the same signs for white space, so that exactly the same
    text is rendered.
    """

    def plain(found: re.Match[str]) -> str:
        left, end, right = found.groups()
        return f"{{%{left} {'endif' if end else 'if true'} {right}%}}"

    return _MARKER.sub(plain, template)
