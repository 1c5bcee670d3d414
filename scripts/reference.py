"""Write docs/configuration.md from the configuration tree."""

from __future__ import annotations

from pathlib import Path

from datagen.scaffold import reference

(Path(__file__).parent.parent / "docs" / "configuration.md").write_text(reference(), encoding="utf-8")
