"""The stage: a document a file, in order, with verdicts; the same each time."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from datagen.core.record import Document
from datagen.sources.config import SourcesConfig, SplitConfig
from datagen.sources.discover import discover
from datagen.sources.load import Load
from tests.sources import samples

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def load(config: SourcesConfig, stage: Load | None = None) -> dict[str, Document]:
    files = discover(config, SplitConfig(), 0).files
    documents = (stage or Load(config)).run(files)
    assert [d.path for d in documents if isinstance(d, Document)] == [f.path for f in files]
    return {d.path: d for d in documents if isinstance(d, Document)}


def test_files_become_documents_and_faults_become_verdicts(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(samples.docx())
    (tmp_path / "b.docx").write_bytes(samples.docx()[:500])
    (tmp_path / "c.txt").write_text("plain\r\ntext")
    (tmp_path / "d.py").write_text("x = 1\n")
    (tmp_path / "e.pptx").write_bytes(samples.pptx())
    config = SourcesConfig(paths=(str(tmp_path),))
    stage = pickle.loads(pickle.dumps(Load(config)))
    documents = load(config, stage)
    assert documents["a.docx"].text.startswith("# The Title")
    assert documents["a.docx"].title == "The Title"
    verdict = documents["b.docx"].verdict
    assert verdict is not None
    assert (verdict.stage, verdict.reason) == ("load", "damaged")
    assert documents["b.docx"].text == ""
    assert (documents["c.txt"].text, documents["c.txt"].format) == ("plain\ntext", "text")
    assert documents["d.py"].format == "code"
    assert len(documents["e.pptx"].pages) == 2
    assert load(config, stage) == documents


def test_what_changed_since_it_was_found_is_not_read_as_it_was(tmp_path: Path) -> None:
    names = ("changed", "gone", "linked", "grown")
    for name in names:
        (tmp_path / f"{name}.txt").write_text(name)
    config = SourcesConfig(paths=(str(tmp_path),), max_bytes=100)
    files = discover(config, SplitConfig(), 0).files
    (tmp_path / "changed.txt").write_text("other")
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "linked.txt").unlink()
    (tmp_path / "linked.txt").symlink_to("/etc/passwd")
    (tmp_path / "grown.txt").write_text("x" * 101)
    documents = [d for d in Load(config).run(files) if isinstance(d, Document)]
    reasons = {d.path: d.verdict.reason if d.verdict else "" for d in documents}
    assert reasons == {
        "changed.txt": "changed",
        "gone.txt": "missing",
        "linked.txt": "missing",
        "grown.txt": "too_large",
    }
    assert not any(str(tmp_path) in (d.verdict.evidence if d.verdict else "") for d in documents)


def test_the_fingerprint_holds_what_shapes_the_text_only() -> None:
    base = Load(SourcesConfig()).fingerprint()
    assert Load(SourcesConfig(readers=3, paths=("x",))).fingerprint() == base
    for changed in ("max_bytes", "max_text", "timeout_s", "memory_mb"):
        assert Load(SourcesConfig(**{changed: 1})).fingerprint() != base
    assert Load(SourcesConfig(text_fields=("x",))).fingerprint() != base


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.exists(), reason="needs the corpus of real documents")
def test_the_corpus_is_read_or_named() -> None:
    config = SourcesConfig(paths=(str(CORPUS),))
    found = discover(config, SplitConfig(), 0)
    assert {s.path: s.reason for s in found.skipped} == {
        "awkward/empty.md": "empty",
        "awkward/random.bin": "binary or of unknown kind",
    }
    documents = load(config)
    assert {path: d.verdict.reason for path, d in documents.items() if d.verdict} == {
        "awkward/password.pdf": "password",
        "awkward/scanned-image-only.pdf": "image_only",
        "awkward/truncated.docx": "damaged",
        "awkward/truncated.pdf": "damaged",
    }
    assert all(d.text for d in documents.values() if not d.verdict)

    wiki = documents["office/test_wikipedia.html"].text
    assert "## History" in wiki
    assert "| 2005 | 39,788 | 12,254 | 70,815 | 61,000 |" in wiki
    assert not any(word in wiki for word in ("Jump to", "[edit]", "Privacy policy", "Toggle", "Main article:", "^("))
    pep = documents["peps/pep-0484.rst"].text
    assert "```\ndef greeting(name: str) -> str:\n    return 'Hello ' + name\n```" in pep
    columns = documents["office/multicolumn.pdf"].text
    assert "consectetuer adipiscing elit. Ut purus elit, vestibulum ut, placerat ac, adipiscing vitae" in columns
    assert "$$\\frac{a}{λ}=\\frac{m}{sinθ}" in documents["office/equations.docx"].text
    assert "| 89 | 82 | 100 | 12 |" in documents["office/test.xlsx"].text
    assert "| 髙橋淳 | 35 | 名古屋 |" in documents["awkward/test_mskanji.csv"].text
    assert "| Body Labor | 2 | 150 | 300 |" in documents["office/REPAIR-2022-INV-001_multipage.pdf"].text
    assert len(documents["office/REPAIR-2022-INV-001_multipage.pdf"].pages) == 3
