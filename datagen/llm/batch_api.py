"""Files and batches at an endpoint, through the ``openai`` package: what is not hot need not be ours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from datagen.core.errors import from_os_error
from datagen.core.record import Record
from datagen.llm import problems
from datagen.llm.batch_files import ENDPOINT
from datagen.llm.envelope import retry_after
from datagen.llm.faults import Fault, Rejected, as_text

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

METADATA = "datagen"  # the metadata key that holds our tag
WINDOW: Final = "24h"  # the only completion window there is (OpenAI API reference, "Create batch")
TIMEOUT_S = 600.0  # of one call; the upload of 200 MB included
MAX_RESULTS = 4 * 1024**3  # bytes of one result file
OPEN = frozenset({"validating", "in_progress", "finalizing", "cancelling"})


class State(Record):
    """How a batch stands.

    Attributes:
        id: the endpoint's.
        status: ``validating``, ``failed``, ``in_progress``, ``finalizing``, ``completed``, ``expired``,
            ``cancelling`` or ``cancelled``.
        total, completed, failed: its own counts of requests.
        output, errors: ids of the result files, "" where there is none.
        problems: code, message and line number (or None) of what made the whole batch fail.
    """

    id: str
    status: str
    total: int = 0
    completed: int = 0
    failed: int = 0
    output: str = ""
    errors: str = ""
    problems: tuple[tuple[str, str, int | None], ...] = ()

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.status not in OPEN


class BatchApi:
    """The five calls that batches take. Every one raises Fault where another try may succeed.

    Args:
        base_url: of the endpoint.
        key: the API key, or "".
        key_env: the variable it came from, for errors.
        headers: further HTTP headers.

    Raises:
        UsageError: the ``openai`` package is not installed.
    """

    def __init__(self, base_url: str, key: str, key_env: str, headers: Mapping[str, str]) -> None:
        try:
            import openai
        except ImportError:
            raise problems.no_openai() from None
        self._base_url = base_url
        self._key = key
        self._key_env = key_env
        self._errors = openai
        # Retries are ours: a repeated "create" without a look whether the first came through would pay twice.
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=key or "none", max_retries=0, timeout=TIMEOUT_S, default_headers=dict(headers)
        )

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """Upload a file of requests; its id."""
        file.seek(0)
        with self._explained():
            return (await self._client.files.create(file=(name, file), purpose="batch")).id

    async def create(self, file_id: str, tag: str) -> State:
        """Begin a batch."""
        with self._explained():
            made = await self._client.batches.create(
                input_file_id=file_id, endpoint=ENDPOINT, completion_window=WINDOW, metadata={METADATA: tag}
            )
        return _state(made)

    async def find(self, tag: str, since: float) -> State | None:
        """The batch that carries a tag, among those created after ``since`` (seconds since the epoch), or None."""
        with self._explained():
            async for batch in self._client.batches.list(limit=100):
                if (batch.metadata or {}).get(METADATA) == tag:
                    return _state(batch)
                if batch.created_at < since - 86_400:  # newest first; a day for clocks that differ
                    return None
        return None

    async def look(self, batch_id: str) -> State:
        """How a batch stands."""
        with self._explained():
            return _state(await self._client.batches.retrieve(batch_id))

    async def download(self, file_id: str, into: IO[bytes]) -> None:
        """Write the content of a file at the beginning of another."""
        into.seek(0)
        into.truncate()
        size = 0
        with self._explained():
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for part in response.iter_bytes(1 << 20):
                    size += len(part)
                    if size > MAX_RESULTS:
                        raise Rejected(413, "A result file of more than 4 GiB.")
                    try:
                        into.write(part)
                    except OSError as error:
                        raise from_os_error(error, "keep the results of a batch") from error
        into.seek(0)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The package's errors as ours."""
        package = self._errors
        try:
            yield
        except package.APIStatusError as error:
            raise self._of_status(error) from None
        except package.APIConnectionError as error:  # a timeout too
            cause = error.__cause__ or error
            raise Fault("connection", self._scrubbed(str(cause) or type(cause).__name__)) from None
        except package.OpenAIError as error:
            raise Fault("bad_envelope", self._scrubbed(str(error))) from None
        except Exception as error:
            # While a body is read, errors of the HTTP library below come as they are.
            if not type(error).__module__.startswith(("httpx", "httpcore", "anyio")):
                raise
            raise Fault("connection", self._scrubbed(str(error) or type(error).__name__)) from None

    def _of_status(self, error: openai.APIStatusError) -> Exception:
        status, headers = error.status_code, error.response.headers
        raw = self._scrubbed(str(error.body) if error.body is not None else error.message)
        if status == 401 or status == 403:
            return problems.wrong_key(self._base_url, self._key_env, sent=bool(self._key))
        if status == 402 or (status == 429 and error.code == "insufficient_quota"):
            return problems.no_quota(self._base_url)
        if status == 429 or status >= 500 or status in (408, 409, 425):
            return Fault(f"http_{status}", raw, retry_after(headers.get("Retry-After"), time.time()))
        return Rejected(status, raw)

    def _scrubbed(self, text: str) -> str:
        return as_text(text.replace(self._key, "[key]") if len(self._key) >= 8 else text)


def _state(batch: Batch) -> State:
    counts = batch.request_counts
    found = batch.errors.data if batch.errors and batch.errors.data else []
    return State(
        id=batch.id,
        status=batch.status,
        total=counts.total if counts else 0,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        output=batch.output_file_id or "",
        errors=batch.error_file_id or "",
        problems=tuple((p.code or "", p.message or "", p.line) for p in found),
    )
