"""Finds the files to read, names what is not read and why, and puts each document into its split."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from datagen.core.errors import UsageError
from datagen.core.hashing import fraction, sha256
from datagen.core.record import SourceFile
from datagen.sources import files as reading
from datagen.sources import sniff
from datagen.sources.config import SourcesConfig, SplitConfig
from datagen.sources.globs import Globs
from datagen.sources.splits import assign

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr"})
_RUN_FILES = (".lock", "events.jsonl")  # every run folder has both from its first work on


@dataclass(frozen=True)
class Skipped:
    """Something in the source that is not read: its path relative to the source, and why in a few words."""

    path: str
    reason: str


@dataclass(frozen=True)
class Discovery:
    """What was found, each list sorted by path."""

    files: list[SourceFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def discover(config: SourcesConfig, split: SplitConfig, seed: int, out: Path | None = None) -> Discovery:
    """Walk the sources and read every file once, for its hash.

    Run folders inside a source are skipped: a run that read its own export would never come to an end.

    Args:
        config: where to look and what to leave out.
        split: shares of documents for validation and test.
        seed: of the draw that assigns them.
        out: folder of this run, which need not exist yet. It is named as skipped either way, so that
            the first run and the next say the same.

    Returns:
        Every readable file as a :class:`SourceFile` and a line for everything else.

    Raises:
        UsageError: a path is missing, is the run's own folder, or there is nothing to read.
    """
    if not config.paths:
        raise UsageError(
            "There is nothing to read.",
            "No source is named.",
            "Name a folder or files: datagen run --source docs/",
        )
    finder = _Finder(config, out.resolve() if out else None)
    roots = [_root(path) for path in config.paths]
    for root, label in zip(roots, _labels(roots), strict=True):
        finder.take(root, label)
    skipped = sorted(set(finder.skipped), key=lambda s: (s.path, s.reason))
    if not finder.files:
        why = "The source holds no file at all."
        if skipped:
            first = "; ".join(f"{s.path}: {s.reason}" for s in skipped[:3])
            why = f"{len(skipped)} skipped ({first}{'; …' if len(skipped) > 3 else ''})."
        raise UsageError(
            f"There is nothing to read in {', '.join(config.paths)}.",
            why,
            "Name a folder with documents, or change sources.include, sources.exclude or sources.max_bytes.",
        )
    found = assign(sorted(finder.files, key=lambda f: f.path), split, seed)
    return Discovery(found, skipped)


def cut(files: Sequence[SourceFile], shard_bytes: int, shard_files: int) -> list[tuple[SourceFile, ...]]:
    """Cut sorted files into shards of at most ``shard_files`` files and about ``shard_bytes`` bytes.

    Most boundaries come from a hash of the path before them, as in content-defined chunking (Muthitacharoen
    et al., "A Low-bandwidth Network File System", SOSP 2001), so a document added or removed changes its own
    shard and rarely the next. Only a single file larger than ``shard_bytes`` makes a larger shard.
    """
    shards: list[tuple[SourceFile, ...]] = []
    shard: list[SourceFile] = []
    size = 0
    for file in files:
        if shard and (size + file.size > shard_bytes or len(shard) >= shard_files):
            shards.append(tuple(shard))
            shard, size = [], 0
        shard.append(file)
        size += file.size
        # On average two boundaries where the limits alone would put one: most runs end before a limit is met.
        share = max(2 / shard_files, 2 * file.size / shard_bytes)
        if fraction(["cut", file.path]) < share:
            shards.append(tuple(shard))
            shard, size = [], 0
    if shard:
        shards.append(tuple(shard))
    return shards


def _root(path: str) -> Path:
    try:
        real = Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            why, fix = "You are not permitted to read it.", "Correct its permissions, or name another path."
        else:
            why, fix = "There is no such file or folder.", "Check the path; it counts from the current folder."
        raise UsageError(f"The source {path} cannot be read.", why, fix) from error
    return real


def _labels(roots: Sequence[Path]) -> list[str]:
    """What goes before the paths of each source: nothing for a single folder, else a unique name."""
    if len(roots) == 1:
        return [""] if roots[0].is_dir() else [roots[0].name]
    labels: list[str] = []
    for root in roots:
        name = PurePosixPath(root.name or "root")
        label, number = str(name), 2
        while label in labels:
            label = f"{name}-{number}" if root.is_dir() else f"{name.stem}-{number}{name.suffix}"
            number += 1
        labels.append(label)
    return labels


class _Finder:
    """The walk: collects what is found and what is skipped."""

    def __init__(self, config: SourcesConfig, out: Path | None) -> None:
        self._out = out
        self.files: list[SourceFile] = []
        self.skipped: list[Skipped] = []
        self._max_bytes = config.max_bytes
        self._include = Globs(config.include)
        self._exclude = Globs(config.exclude)
        self._taken: dict[str, str] = {}  # real location → path it was taken as

    def take(self, root: Path, label: str) -> None:
        """Take one source, a folder or a file."""
        if not root.is_dir():
            self._file(str(root), label)
            return
        if root == self._out:
            raise UsageError(
                f"The source {root.name} is the run folder itself.",
                "A run that reads what it writes never comes to an end.",
                "Name another folder with --out.",
            )
        self._foretell_own(root, label)
        left_out = 0
        for relative, location, entry in self._walk(root, label):
            if self._exclude.match(relative) or (self._include and not self._include.match(relative)):
                left_out += 1
                continue
            path = f"{label}/{relative}" if label else relative
            if entry.is_symlink():
                self.skipped.append(Skipped(path, _link(location, root)))
            else:
                self._file(location, path)
        if left_out:
            many = f"{left_out} file{'s' if left_out > 1 else ''} left out by sources.include or sources.exclude"
            self.skipped.append(Skipped(label or ".", many))

    def _walk(self, root: Path, label: str) -> Iterator[tuple[str, str, os.DirEntry[str]]]:
        """(path relative to the source, location, entry) of everything that is not a folder, in any order."""
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(root / folder) as entries:
                    found = sorted(entries, key=lambda e: os.fsencode(e.name))
            except OSError as error:
                shown = "/".join(filter(None, (label, folder))) or "."
                self.skipped.append(Skipped(_shown(shown), f"cannot be listed: {error.strerror}"))
                continue
            for entry in found:
                relative = f"{folder}/{entry.name}" if folder else entry.name
                path = f"{label}/{relative}" if label else relative
                if entry.is_dir(follow_symlinks=False):
                    if reason := self._folder_problem(relative, Path(entry.path)):
                        self.skipped.append(Skipped(_shown(path) + "/", reason))
                    else:
                        folders.append(relative)
                elif reason := _name_problem(entry.name):
                    self.skipped.append(Skipped(_shown(path), reason))
                else:
                    yield relative, entry.path, entry

    def _foretell_own(self, root: Path, label: str) -> None:
        """Name the run's folder as the walk will when it exists, or the folder above it that is left out."""
        if self._out is None or not self._out.is_relative_to(root):
            return
        parts = self._out.relative_to(root).parts
        for depth in range(1, len(parts) + 1):
            relative = "/".join(parts[:depth])
            if reason := self._folder_problem(relative, root / relative):
                path = f"{label}/{relative}" if label else relative
                self.skipped.append(Skipped(_shown(path) + "/", reason))
                return

    def _folder_problem(self, relative: str, location: Path) -> str:
        """Why a folder is not entered, or ""."""
        if reason := _name_problem(location.name):
            return reason
        if self._exclude.match(relative):
            return "left out by sources.exclude"
        if location == self._out:
            return "the folder of this run"
        # Path.is_file raises for a path that is too long; listing the folder says that in the run's own words.
        ours = all(os.path.isfile(location / name) for name in _RUN_FILES)  # noqa: PTH113
        return "a run folder" if ours else ""

    def _file(self, location: str, path: str) -> None:
        real = os.path.realpath(location)
        if real in self._taken:
            self.skipped.append(Skipped(path, f"already taken as {self._taken[real]}"))
            return
        reason = ""
        try:
            data = reading.read_capped(location, self._max_bytes)
        except reading.TooLarge:
            reason = f"larger than the {self._max_bytes:,} bytes of sources.max_bytes"
        except OSError as error:
            reason = _special(location) or f"cannot be opened: {error.strerror}"
        else:
            kind = sniff.kind_of(path, data[: sniff.HEAD])
            if not data:
                reason = "empty"
            elif kind is None:
                reason = "binary or of unknown kind"
            else:
                self._taken[real] = path
                self.files.append(SourceFile(path=path, location=real, size=len(data), sha256=sha256(data), kind=kind))
        if reason:
            self.skipped.append(Skipped(_shown(path), reason))


def _name_problem(name: str) -> str:
    if name in _VERSION_CONTROL:
        return "version control"
    if name.startswith("."):
        return "hidden"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "name is not valid UTF-8"
    return ""


def _shown(path: str) -> str:
    """A path that can be written anywhere: bytes that are not UTF-8 as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _link(location: str, root: Path) -> str:
    """Why a symbolic link is not followed."""
    try:
        target = Path(location).resolve(strict=True)
    except (OSError, RuntimeError):
        return "broken symbolic link"
    if not target.is_relative_to(root):
        return "symbolic link out of the source folder"
    inside = _shown(target.relative_to(root).as_posix())
    return f"symbolic link to {inside}, which is read there"


def _special(location: str) -> str:
    """What it is, if it is no regular file; opening a socket or a device may fail in many ways."""
    try:
        mode = Path(location).lstat().st_mode
    except OSError:
        return ""
    device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    what = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device" if device else ""
    return f"{what}, not a file" if what else ""
