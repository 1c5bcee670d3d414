"""Uploads a trained model to the Hugging Face hub: the merged model, the card and the adapters, in one commit.

The client is ``huggingface_hub``, which takes address, token and proxies from its own environment variables
(``HF_ENDPOINT``, ``HF_TOKEN``) and from ``hf auth login``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.card import FILE as CARD
from training.errors import StoppedTraining, TrainingError

Say = Callable[[str], None]
_MESSAGE = "Upload a model fine-tuned with datagen"
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def push(out: Path, repo: str, *, public: bool = False, say: Say = lambda _: None) -> str:
    """Upload the training in ``out`` as a model.

    The merged model stands at the top of the repository, so that its name alone loads it; adapters are in folders
    of their own, the card is the repository's. The repository is made where it is missing.

    Args:
        out: the output folder of a training.
        repo: ``"owner/name"``, or ``"name"`` for the owner of the token.
        public: may everybody see it? Without it a new repository is private, and a public one is refused.
        say: told what is going on.

    Returns:
        The address of the model.

    Raises:
        TrainingError: nothing to upload, a wrong name, no ``huggingface_hub``, no token, a repository that is
            public or that another program filled, or the hub refuses.
        StoppedTraining: the hub cannot be reached or broke off: the same command goes on.
    """
    files = files_of(out)
    client = _client()
    try:
        client.utils.validate_repo_id(repo)
    except ValueError as error:
        raise TrainingError(
            f"{repo[:100]!r} is no name of a repository.",
            str(error).splitlines()[0],
            "Give it as OWNER/NAME, as in --push-to-hub someone/pumps.",
        ) from None
    if client.get_token() is None:
        raise TrainingError(
            "There is no token for the Hugging Face hub.",
            "Uploading needs one with write permission.",
            "Set HF_TOKEN, or log in with hf auth login.",
        )
    size = sum(path.stat().st_size for path in files.values())
    say(f"Uploading {len(files)} files, {size / 1e6:,.0f} MB, to {repo}.")
    try:
        return _upload(client, files, repo, public)
    except TrainingError:
        raise
    except Exception as error:  # the client's own errors and those of its transport, which differ by version
        raise _refused(error, repo) from error


def files_of(out: Path) -> dict[str, Path]:
    """The files by their name in the repository.

    Raises:
        TrainingError: there is neither a merged model nor an adapter, or no card.
    """
    found = {p.name: p for p in sorted((out / "merged").glob("*")) if p.is_file() and not p.is_symlink()}
    found.pop(CARD, None)
    for name in ("sft", "dpo"):
        for inner in _ADAPTER_FILES:
            path = out / "adapters" / name / inner
            if path.is_file() and not path.is_symlink():
                found[f"adapters/{name}/{inner}"] = path
    if not found or not (out / CARD).is_file():
        raise TrainingError(
            f"There is no trained model in {out.name}.",
            f"It has no {'model card' if found else 'merged model and no adapter'}.",
            "Train it first: datagen train RUN.",
        )
    return {CARD: out / CARD, **found}


def _client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.utils  # its parts are loaded when they are named
    except ImportError as error:
        raise TrainingError(
            "The Hugging Face hub cannot be used here.",
            "The package huggingface_hub is not installed.",
            'Install it with pip install "datagen[train]".',
        ) from error
    return huggingface_hub


def _upload(client: Any, files: dict[str, Path], repo: str, public: bool) -> str:
    api = client.HfApi()
    made = api.create_repo(repo, repo_type="model", private=not public, exist_ok=True)
    known = made.repo_id
    info = api.model_info(known, files_metadata=False)
    if not public and not info.private:
        raise TrainingError(
            f"The model {known} is public.",
            "Everybody could see what is uploaded.",
            "Say so with --public, or name another repository.",
        )
    there = {entry.rfilename for entry in info.siblings or ()}
    if CARD in there and "datagen" not in (info.tags or ()):
        raise TrainingError(
            f"The model {known} holds something else.",
            f"It has a {CARD} that datagen did not write, and the upload would replace it.",
            "Name a new repository.",
        )
    stale = sorted(n for n in there - {*files} if n.startswith("adapters/") or n.startswith("model-"))
    api.create_commit(
        known,
        [
            *(client.CommitOperationDelete(name) for name in stale),
            *(client.CommitOperationAdd(name, str(path)) for name, path in files.items()),
        ],
        commit_message=_MESSAGE,
        repo_type="model",
    )
    return str(made)


def _refused(error: Exception, repo: str) -> TrainingError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
    if status in (401, 403):
        return TrainingError(
            f"The Hugging Face hub refuses the upload to {repo}.",
            f"It answered {status}: {said}",
            "Use a token with write permission for that owner (HF_TOKEN, or hf auth login).",
        )
    if status is not None:
        return StoppedTraining(
            f"The Hugging Face hub did not take the upload to {repo}.",
            f"It answered {status}: {said}",
            "Give the same command again; what is already there is not sent twice.",
        )
    return StoppedTraining(
        "The Hugging Face hub could not be reached or broke off.",
        f"{type(error).__name__}: {said}",
        "Check the connection (HF_ENDPOINT, proxies, HF_HUB_OFFLINE) and give the same command again.",
    )
