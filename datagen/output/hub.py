"""Puts a finished export on the Hugging Face hub, as a data set with its card. Private unless said otherwise."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from datagen.core.errors import UsageError

PACKAGE = "huggingface_hub"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class Hub:
    """A data set on the hub (or where ``HF_ENDPOINT`` points) that an export is to go to.

    Made before anything is written, so that what is missing shows at once.

    Args:
        repo: ``"OWNER/NAME"``.
        public: may everybody see it?

    Raises:
        UsageError: the name is none, or the package or a token is missing.
    """

    def __init__(self, repo: str, *, public: bool = False) -> None:
        if not _REPO.fullmatch(repo):
            raise UsageError(
                f"{repo[:100]!r} is no name of a data set.",
                "It must be OWNER/NAME, of letters, digits, dots, dashes and underscores.",
                "Give your account or organisation first, as in --push-to-hub my-account/my-data.",
            )
        try:
            self._hub: Any = importlib.import_module(PACKAGE)
        except ImportError as error:
            raise UsageError(
                "Pushing to the hub is not installed.",
                f"The package {PACKAGE} is missing.",
                "Install it with `pip install 'datagen[hub]'`.",
            ) from error
        if not self._hub.get_token():
            raise UsageError(
                "There is no token for the hub.",
                "Neither HF_TOKEN nor a login of `hf auth login` was found.",
                "Make a token that may write, and set HF_TOKEN.",
            )
        self.repo, self.public = repo, public

    def push(self, folder: Path, names: Collection[str]) -> str:
        """Upload files of a folder in one commit; rows of an earlier push that are not among them go.

        Args:
            folder: of an export.
            names: of its files, relative to it; others in it stay here.

        Returns:
            The address of the data set.

        Raises:
            UsageError: the hub refuses, cannot be reached, or the data set is public and was not to be.
        """
        errors = importlib.import_module(f"{PACKAGE}.errors")
        api = self._hub.HfApi()
        try:
            url = api.create_repo(self.repo, repo_type="dataset", private=not self.public, exist_ok=True)
            if not self.public and not api.repo_info(self.repo, repo_type="dataset").private:
                raise UsageError(
                    f"The data set {self.repo} is public.",
                    "It was there already, and everybody would see what is pushed.",
                    "Add --public, or name another one.",
                )
            api.upload_folder(
                repo_id=self.repo,
                repo_type="dataset",
                folder_path=folder,
                commit_message="Data and card, by datagen",
                allow_patterns=sorted(names),
                delete_patterns=["sft[./]*", "preference[./]*", "not_written.jsonl"],
            )
        except errors.HfHubHTTPError as error:
            status = getattr(error.response, "status_code", "an error")
            said = str(getattr(error, "server_message", None) or "").split("\n")[0][:200]
            raise UsageError(
                f"The hub did not take {self.repo}.",
                f"It answered {status}{': ' + said if said else ''}.",
                "Check the name, and that the token may write there; the export itself is whole.",
            ) from error
        except (OSError, errors.HTTPError) as error:  # connection refused, time-out, no such host
            raise UsageError(
                "The hub could not be reached.",
                f"{type(error).__name__}.",
                "Check the network and HF_ENDPOINT and give the same command again; the export itself is whole.",
            ) from error
        return str(url)
