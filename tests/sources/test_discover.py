"""Finding files: what is taken, what is skipped and why, the splits, the shards."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.core.errors import UsageError
from datagen.core.hashing import sha256
from datagen.core.record import SourceFile
from datagen.sources.config import SourcesConfig, SplitConfig
from datagen.sources.discover import Discovery, cut, discover
from datagen.sources.globs import Globs
from datagen.sources.splits import assign


def find(*paths: Path, **options: object) -> Discovery:
    config = SourcesConfig.model_validate({"paths": tuple(map(str, paths)), **options})
    return discover(config, SplitConfig(), 0)


def skipped(discovery: Discovery) -> dict[str, str]:
    return {s.path: s.reason for s in discovery.skipped}


def test_files_are_found_with_kind_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.MD").write_text("# Two")
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "README").write_text("plain text without a suffix")
    (tmp_path / "paper").write_bytes(b"%PDF-1.7 and so on")
    found = find(tmp_path)
    assert [(f.path, f.kind) for f in found.files] == [
        ("README", "text"),
        ("b/two.MD", "markdown"),
        ("one.txt", "text"),
        ("paper", "pdf"),
    ]
    assert found.files[2].sha256 == sha256(b"one")
    assert found.files[2].size == 3
    assert found.skipped == []


def test_run_folders_are_not_read_and_the_own_one_is_named_before_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "old" / "export").mkdir(parents=True)
    for name in (".lock", "events.jsonl", "export/sft.train.jsonl"):
        (tmp_path / "old" / name).write_text("{}")
    config = SourcesConfig(paths=(str(tmp_path),), exclude=("left*",))
    for own, named, reason in (
        ("runs/docs", "runs/docs/", "the folder of this run"),
        (".runs/docs", ".runs/", "hidden"),
        ("left/docs", "left/", "left out by sources.exclude"),
    ):
        before = discover(config, SplitConfig(), 0, tmp_path / own)
        assert [f.path for f in before.files] == ["a.txt"]
        assert skipped(before) == {"old/": "a run folder", named: reason}
        (tmp_path / own).mkdir(parents=True)
        (tmp_path / own / "report.json").write_text('{"text": "ours"}')
        assert discover(config, SplitConfig(), 0, tmp_path / own) == before
        shutil.rmtree(tmp_path / Path(own).parts[0])


def test_a_home_folder_of_nobody_is_no_source() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        find(Path("~nobody-of-this-name/docs"))


def test_the_source_cannot_be_the_run_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UsageError, match="run folder itself"):
        discover(SourcesConfig(paths=(str(tmp_path),)), SplitConfig(), 0, tmp_path)


def test_everything_that_is_not_read_is_named_with_its_reason(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (tmp_path / "secret.txt").write_text("outside")
    (source / "good.txt").write_text("good")
    (source / ".hidden.txt").write_text("hidden")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("x")
    (source / ".cache").mkdir()
    (source / "empty.md").write_text("")
    (source / "large.txt").write_bytes(b"x" * 2000)
    (source / "noise.bin").write_bytes(bytes(range(256)))
    (source / "picture.svg").write_text("<svg/>")
    (source / "out.txt").symlink_to(tmp_path / "secret.txt")
    (source / "updir").symlink_to(tmp_path)
    (source / "loop").symlink_to(source)
    (source / "same.txt").symlink_to(source / "good.txt")
    (source / "gone.txt").symlink_to(source / "nowhere.txt")
    os.mkfifo(source / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "sock"))
        (Path(os.fsdecode(os.fsencode(source) + b"/bad\xff.txt"))).write_text("x")
        found = find(source, max_bytes=1000)
    assert [f.path for f in found.files] == ["good.txt"]
    assert skipped(found) == {
        ".hidden.txt": "hidden",
        ".git/": "version control",
        ".cache/": "hidden",
        "empty.md": "empty",
        "large.txt": "larger than the 1,000 bytes of sources.max_bytes",
        "noise.bin": "binary or of unknown kind",
        "picture.svg": "binary or of unknown kind",
        "out.txt": "symbolic link out of the source folder",
        "updir": "symbolic link out of the source folder",
        "loop": "symbolic link to ., which is read there",
        "same.txt": "symbolic link to good.txt, which is read there",
        "gone.txt": "broken symbolic link",
        "pipe.txt": "a pipe, not a file",
        "sock": "a socket, not a file",
        "bad\\xff.txt": "name is not valid UTF-8",
    }
    assert not any(str(tmp_path) in s.path + s.reason for s in found.skipped)


def test_several_sources_have_their_names_before_their_paths(tmp_path: Path) -> None:
    for folder in ("a/docs", "b/docs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.txt").write_text(folder)
    (tmp_path / "note.md").write_text("note")
    found = find(tmp_path / "a/docs", tmp_path / "b/docs", tmp_path / "note.md")
    assert [f.path for f in found.files] == ["docs-2/x.txt", "docs/x.txt", "note.md"]


def test_a_file_reached_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.txt").write_text("x")
    found = find(tmp_path, tmp_path / "sub")
    assert len(found.files) == 1
    assert found.skipped[0].reason.startswith("already taken as ")


def test_folders_too_deep_for_a_path_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("text")
    with monkeypatch.context() as inside:
        inside.chdir(tmp_path)
        for _ in range(22):
            os.mkdir("d" * 200)  # noqa: PTH102 - as short as it is
            inside.chdir("d" * 200)
    found = find(tmp_path)
    assert [f.path for f in found.files] == ["a.md"]
    assert [s.reason for s in found.skipped] == ["cannot be listed: File name too long"]


def test_include_and_exclude(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "drafts/c.md", "deep/er/d.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    found = find(tmp_path, include=("*.md",), exclude=("drafts/",))
    assert [f.path for f in found.files] == ["a.md", "deep/er/d.md"]
    assert skipped(found) == {
        ".": "1 file left out by sources.include or sources.exclude",
        "drafts/": "left out by sources.exclude",
    }


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.md", "a/b/c.md", True),
        ("*.md", "a/b/c.mdx", False),
        ("a/*.md", "a/b/c.md", False),
        ("a/**/*.md", "a/c.md", True),
        ("a/**/*.md", "a/b/c/d.md", True),
        ("/top.md", "sub/top.md", False),
        ("build", "x/build/y.md", True),
        ("build", "x/builder/y.md", False),
        ("file[0-9].txt", "file7.txt", True),
        ("file[!0-9].txt", "file7.txt", False),
        ("?.md", "ab.md", False),
        ("a.b", "aXb", False),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert Globs([pattern]).match(path) is matches


def test_a_senseless_glob_is_said_so() -> None:
    with pytest.raises(UsageError, match=r"\[z-a\]"):
        Globs(["[z-a]"])


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_glob_breaks(pattern: str, path: str) -> None:
    try:
        Globs([pattern]).match(path)
    except UsageError:
        assert "[" in pattern


def test_nothing_to_read_is_an_error_with_what_why_and_fix(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        discover(SourcesConfig(), SplitConfig(), 0)
    with pytest.raises(UsageError, match="no such file"):
        find(tmp_path / "missing")
    with pytest.raises(UsageError, match="no file at all"):
        find(tmp_path)
    (tmp_path / "empty.md").write_text("")
    with pytest.raises(UsageError, match=r"1 skipped \(empty.md: empty\)") as caught:
        find(tmp_path)
    assert caught.value.exit_code == 2
    assert all((caught.value.what, caught.value.why, caught.value.fix))


def test_a_source_may_be_a_hidden_folder_or_a_link_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".notes").mkdir()
    (tmp_path / ".notes" / "x.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / ".notes")
    assert [f.path for f in find(tmp_path / "link").files] == ["x.txt"]


def files(count: int) -> list[SourceFile]:
    names = sorted(f"folder{i % 7}/document-{i:04d}.md" for i in range(count))
    return [
        SourceFile(path=n, location="/" + n, size=(i * 37) % 5000 + 1, sha256="", kind="text")
        for i, n in enumerate(names)
    ]


@given(st.integers(0, 60), st.integers(0, 50), st.sampled_from([0, 0.05, 0.2]), st.sampled_from([0, 0.05, 0.2]))
@settings(max_examples=60)
def test_every_wanted_split_has_documents_from_three_on(count: int, seed: int, valid: float, test: float) -> None:
    splits = [f.split for f in assign(files(count), SplitConfig(valid=valid, test=test), seed)]
    assert len(splits) == count
    if count >= 3:
        assert "train" in splits
        assert ("valid" in splits) == (valid > 0)
        assert ("test" in splits) == (test > 0)


def test_a_document_keeps_its_split_when_others_are_added() -> None:
    config = SplitConfig(valid=0.1, test=0.1)
    before = {f.path: f.split for f in assign(files(300), config, 1)}
    after = {f.path: f.split for f in assign(files(330), config, 1)}
    assert all(after[path] == split for path, split in before.items())
    shares = [list(before.values()).count(s) / 300 for s in ("valid", "test")]
    assert all(0.04 < share < 0.18 for share in shares)


@given(st.lists(st.integers(1, 3000), max_size=80), st.integers(1, 5000), st.integers(1, 20))
@settings(max_examples=80)
def test_shards_keep_all_files_in_order_and_the_limits(sizes: list[int], shard_bytes: int, shard_files: int) -> None:
    listed = [SourceFile(path=f"{i:03d}", location="/", size=s, sha256="", kind="text") for i, s in enumerate(sizes)]
    shards = cut(listed, shard_bytes, shard_files)
    assert [f for shard in shards for f in shard] == listed
    for shard in shards:
        assert 1 <= len(shard) <= shard_files
        assert len(shard) == 1 or sum(f.size for f in shard) <= shard_bytes


def test_one_document_more_or_less_changes_about_one_shard() -> None:
    everything = files(400)
    whole = set(cut(everything, 60_000, 16))
    changed = []
    for i in range(0, 400, 5):
        less = set(cut(everything[:i] + everything[i + 1 :], 60_000, 16))
        changed.append(max(len(whole - less), len(less - whole)))
    assert sum(changed) / len(changed) <= 2
    assert len(whole) < 80  # and shards are not trivially small
