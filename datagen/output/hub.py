"""Uploads a finished export to the Hugging Face hub: its card and the files that the card names, and nothing else.

The client is ``huggingface_hub`` (an extra), which takes address, token and proxies from its own environment
variables (``HF_ENDPOINT``, ``HF_TOKEN``) and from ``hf auth login``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from datagen.core.errors import UsageError
from datagen.output.export import CARD, LINEAGE, NOT_WRITTEN

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_CARD = 10_000_000
_ROW_FILE = re.compile(r"(sft|preference)[./][\w.-]+\.(jsonl|parquet)")
_MESSAGE = "Upload a dataset made with datagen"


def push(folder: Path, repo: str, *, public: bool = False) -> str:
    """Upload an export as a dataset, in one commit.

    The repository is made where it is missing. In one that an earlier export filled, files of rows that this
    export does not have are removed.

    Args:
        folder: an export.
        repo: ``"owner/name"``, or ``"name"`` for the owner of the token.
        public: may everybody see it? Without it a new repository is private, and a public one is refused.

    Returns:
        The address of the dataset.

    Raises:
        UsageError: no export in ``folder``, a wrong name, no ``huggingface_hub``, no token, a repository that is
            public or holds something else, or the hub refuses or cannot be reached.
    """
    names = files_of(folder)
    hub = _client()
    try:
        hub.utils.validate_repo_id(repo)
    except ValueError as error:
        raise UsageError(
            f"{repo[:100]!r} is no name of a repository.",
            str(error).splitlines()[0],
            "Give it as OWNER/NAME, as in --push-to-hub someone/pumps.",
        ) from None
    if hub.get_token() is None:
        raise UsageError(
            "There is no token for the Hugging Face hub.",
            "Uploading needs one with write permission.",
            "Set HF_TOKEN, or log in with `hf auth login`.",
        )
    try:
        return _upload(hub.HfApi(), folder, names, repo, public)
    except UsageError:
        raise
    except Exception as error:  # the client's own errors and those of its transport, which differ by version
        raise _refused(error, repo) from error


def files_of(folder: Path) -> list[str]:
    """The names of an export's files, relative to its folder: the card, what the card names, and the lineage.

    Raises:
        UsageError: the folder holds no finished export.
    """
    import yaml

    try:
        with (folder / CARD).open("rb") as file:
            head, front, *_ = file.read(MAX_CARD).decode("utf-8").split("---\n", 2)
        configs = yaml.safe_load(front)["configs"]
        patterns = [str(part["path"]) for config in configs for part in config["data_files"]]
        if head or not (folder / LINEAGE).is_file():
            raise ValueError("no lineage beside the card")
    except (OSError, ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(
            f"{folder} holds no export with rows.",
            f"A finished one has a {CARD} that names its files, and a {LINEAGE} ({type(error).__name__}).",
            "Write it with `datagen export RUN --format NAME`.",
        ) from error
    inside = [p.relative_to(folder).as_posix() for place in ("*", "*/*") for p in folder.glob(place) if _plain(p)]
    rows = [name for name in inside if _ROW_FILE.fullmatch(name) and _any(name, patterns)]
    return sorted({CARD, LINEAGE, *rows, *(name for name in inside if name == NOT_WRITTEN)})


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.utils  # its parts are loaded when they are named
    except ImportError as error:
        raise UsageError(
            "The Hugging Face hub cannot be used here.",
            "The package huggingface_hub is not installed.",
            'Install it with `pip install "datagen[hub]"`.',
        ) from error
    return huggingface_hub


def _upload(api: HfApi, folder: Path, names: list[str], repo: str, public: bool) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    made = api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
    known = made.repo_id
    info = api.dataset_info(known, files_metadata=False)
    if not public and not info.private:
        raise UsageError(
            f"The dataset {known} is public.",
            "Everybody could see what is uploaded.",
            "Say so with --public, or name another repository.",
        )
    there = {entry.rfilename for entry in info.siblings or ()}
    if CARD in there and LINEAGE not in there:
        raise UsageError(
            f"The dataset {known} holds something else.",
            f"It has a {CARD} that no export wrote, and the upload would replace it.",
            "Name a new repository.",
        )
    stale = sorted(name for name in there - {*names} if _ROW_FILE.fullmatch(name) or name == NOT_WRITTEN)
    api.create_commit(
        known,
        [
            *(CommitOperationDelete(name) for name in stale),
            *(CommitOperationAdd(name, str(folder / PurePosixPath(name))) for name in names),
        ],
        commit_message=_MESSAGE,
        repo_type="dataset",
    )
    return str(made)


def _refused(error: Exception, repo: str) -> UsageError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
    if status in (401, 403):
        return UsageError(
            f"The Hugging Face hub refuses the upload to {repo}.",
            f"It answered {status}: {said}",
            "Use a token with write permission for that owner (HF_TOKEN, or `hf auth login`).",
        )
    if status is not None:
        return UsageError(
            f"The Hugging Face hub did not take the upload to {repo}.",
            f"It answered {status}: {said}",
            "Give the same command again; what is already there is not sent twice.",
        )
    return UsageError(
        "The Hugging Face hub could not be reached or broke off.",
        f"{type(error).__name__}: {said}",
        "Check the connection (HF_ENDPOINT, proxies, HF_HUB_OFFLINE) and give the same command again.",
    )
