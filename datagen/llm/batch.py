"""The Batch API as a backend: questions collect, go out as files, and are answered within a day at half the price.

A batch is noted in the call log, with all its requests, *before* anything of it is sent, and carries our
tag in its metadata. So whatever moment a process is killed at, the next one knows what is under way, finds
a batch whose creation nobody lived to see by its tag, and fetches every result that was paid for; and no
request is in two batches at once.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from itertools import groupby, islice
from typing import IO, Any, TypeVar

from datagen.core.errors import DatagenError, from_os_error
from datagen.core.progress import advance
from datagen.llm import batch_files, problems
from datagen.llm.backend import CallFailed, Reply, Request
from datagen.llm.batch_api import BatchApi, State
from datagen.llm.batch_files import Outcome
from datagen.llm.batch_store import BatchStore, Submitted
from datagen.llm.cached import CallLog
from datagen.llm.config import ClientConfig
from datagen.llm.dialect import REFUSING, Dialect, Dialects, adapted
from datagen.llm.faults import Fault, Rejected

T = TypeVar("T")
STAGE = "batch"  # under which progress is shown: requests done, by the batches' own counts
FIRST_LOOK_S = 2.0
GROWTH = 1.5  # of the waits between looks
QUIET_S = 2.0  # nothing new for so long: what has collected goes out
DOWNLOADS = 3  # of a result file that has fewer lines than the batch counts
TRIES = 60  # of one call before the endpoint counts as gone
AT_ONCE = 200  # results kept before the loop gets its turn
SPOOL = 8 * 1024 * 1024  # bytes of a file kept in memory


class _Waiter:
    """A request that somebody waits for."""

    __slots__ = ("futures", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.futures: list[asyncio.Future[Reply]] = []


class BatchBackend:
    """Answers requests through the Batch API. Use from one event loop; :meth:`complete` takes hours.

    One batch holds requests of one model (OpenAI guide "Batch": each file may name one model only), at most
    ``config.batch.requests`` of them (50,000 there) and ``config.batch.megabytes`` (200 there). What fails
    in passing or expires goes into a next batch, up to ``config.attempts`` in all. Where the endpoint
    refuses a batch because too many tokens wait already, it is sent again when another has ended, and in
    halves where there is no other.

    A :class:`DatagenError` reaches every caller at once, and later ones too. What is under way at the
    endpoint goes on; a new backend on the same log fetches it.

    Args:
        base_url: for errors.
        api: the endpoint's files and batches.
        log: where replies are kept as soon as they are fetched, whoever waits for them.
        store: what is under way.
        dialects: how each model wants to be asked.
        config: limits.
    """

    def __init__(
        self, base_url: str, api: BatchApi, log: CallLog, store: BatchStore, dialects: Dialects, config: ClientConfig
    ) -> None:
        self.base_url = base_url
        self.config = config
        self.stopped: DatagenError | None = None
        self._api = api
        self._log = log
        self._store = store
        self._dialects = dialects
        self._waiting: dict[str, _Waiter] = {}
        self._gathering: dict[str, None] = {}
        self._under_way: dict[str, str] = {}  # key → tag
        self._tags: set[str] = set()
        self._most = config.batch.requests
        self._last = 0.0
        self._quiet: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = False

    async def complete(self, request: Request) -> Reply:
        """Answer a request: with the batches under way where it is in one, else with the next.

        Raises:
            CallFailed: it came to nothing in every batch, or the endpoint refuses it.
            DatagenError: no request can be answered.
        """
        if self.stopped is not None:
            raise _copy(self.stopped)
        if not self._begun:
            self._begin()
        key = request.key()
        waiter = self._waiting.get(key)
        if waiter is None:
            waiter = self._waiting[key] = _Waiter(request)
            if key not in self._under_way:
                self._gather(key)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        waiter.futures.append(future)
        try:
            return await future
        finally:
            waiter.futures.remove(future)
            if not waiter.futures and self._waiting.get(key) is waiter:
                del self._waiting[key]
                self._gathering.pop(key, None)  # nobody waits for it any more: it is not to be paid for

    def stop(self, error: DatagenError) -> None:
        """Hand an error to all who wait and to all who come later; nothing new is submitted."""
        if self.stopped is not None:
            return
        self.stopped = error
        if self._quiet is not None:
            self._quiet.cancel()
        for task in self._tasks - {_current()}:
            task.cancel()
        for waiter in self._waiting.values():
            for future in waiter.futures:
                if not future.done():
                    future.set_exception(_copy(error))

    async def close(self) -> None:
        """Leave the batches to themselves and close the connections."""
        if self._quiet is not None:
            self._quiet.cancel()
        tasks = self._tasks - {_current()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._api.close()

    def _begin(self) -> None:
        """Take up what an earlier process left under way."""
        self._begun = True
        for batch in self._store.under_way():
            keys = self._store.keys(batch.tag)
            self._under_way.update(dict.fromkeys(keys, batch.tag))
            self._spawn(self._mind(batch, len(keys), None, {}))

    def _gather(self, key: str) -> None:
        self._gathering[key] = None
        self._last = asyncio.get_running_loop().time()
        if len(self._gathering) >= self._most:
            self._send_out()
        elif self._quiet is None:
            self._send_when_quiet()

    def _send_when_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        at = self._last + min(QUIET_S, self.config.batch.poll_s)
        if at <= loop.time():
            self._send_out()
        else:
            self._quiet = loop.call_at(at, self._send_when_quiet)

    def _send_out(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        gathered = [(key, self._waiting[key].request) for key in self._gathering if key in self._waiting]
        self._gathering.clear()
        gathered.sort(key=lambda pair: pair[1].model)
        for model, requests in groupby(gathered, key=lambda pair: pair[1].model):
            self._spawn(self._submit(model, list(requests)))

    async def _submit(self, model: str, requests: list[tuple[str, Request]]) -> None:
        """Write requests to files within the limits, note each, and begin a batch of it."""
        most_bytes = int(self.config.batch.megabytes * 1e6)
        forms = {model: self._dialects.of(model)}
        at = 0
        while at < len(requests):
            file = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - closed when it is uploaded
            slice_ = list(islice(requests, at, at + self._most))
            count = await asyncio.to_thread(batch_files.write, file, slice_, self._dialects, most_bytes)
            if not count:
                key = slice_[0][0]
                self._fail(key, "too_large", 0, "Its line is larger than a batch file may be.")
                at += 1
                continue
            tag = secrets.token_hex(16)
            keys = [key for key, _ in slice_[:count]]
            self._under_way.update(dict.fromkeys(keys, tag))
            batch = await asyncio.to_thread(self._store.begin, tag, slice_[:count])
            self._spawn(self._mind(batch, count, file, forms))
            at += count

    async def _mind(self, batch: Submitted, count: int, file: IO[bytes] | None, forms: Mapping[str, Dialect]) -> None:
        """A batch from its file to its last result."""
        self._tags.add(batch.tag)
        advance(STAGE, expected=count)
        shown = 0
        try:
            begun = await self._begun_state(batch, file)
            if begun is None:
                self._release(batch.tag)
                return
            state = begun
            wait = min(FIRST_LOOK_S, self.config.batch.poll_s)
            while not state.ended:
                await asyncio.sleep(wait)
                wait = min(wait * GROWTH, self.config.batch.poll_s)
                state = await self._patiently(partial(self._api.look, state.id))
                done = min(count, state.completed + state.failed)
                advance(STAGE, done=max(0, done - shown))
                shown = max(shown, done)
            await self._take(batch.tag, state, forms)
        finally:
            if file is not None:
                file.close()
            self._tags.discard(batch.tag)
            self._ended.set()
            advance(STAGE, done=count - shown)

    async def _begun_state(self, batch: Submitted, file: IO[bytes] | None) -> State | None:
        """The batch at the endpoint: known, or found by its tag, or begun now; None: there is none."""
        if batch.batch:
            return await self._patiently(partial(self._still_there, batch.batch))
        if file is None:
            found = await self._find(batch)
            if found is None:
                return None
            state = found
        else:
            state = await self._create(batch, file)
        await asyncio.to_thread(self._store.name, batch.tag, state.id)
        return state

    async def _still_there(self, batch_id: str) -> State | None:
        try:
            return await self._api.look(batch_id)
        except Rejected as error:
            if error.status == 404:  # of another project, or deleted long ago
                return None
            raise

    async def _find(self, batch: Submitted) -> State | None:
        """The batch by its tag; looked for twice, as a list may lag behind what was just created."""
        call = partial(self._api.find, batch.tag, batch.created)
        found = await self._patiently(call)
        if found is None:
            await asyncio.sleep(min(FIRST_LOOK_S, self.config.batch.poll_s))
            found = await self._patiently(call)
        return found

    async def _create(self, batch: Submitted, file: IO[bytes]) -> State:
        file_id = await self._patiently(lambda: self._api.upload(f"datagen-{batch.tag}.jsonl", file))
        unsure = False

        async def create() -> State:
            nonlocal unsure
            if unsure and (found := await self._find(batch)) is not None:
                return found
            unsure = True  # an answer that does not reach us may still be about a batch that was begun
            return await self._api.create(file_id, batch.tag)

        return await self._patiently(create)

    async def _take(self, tag: str, state: State, forms: Mapping[str, Dialect]) -> None:
        """Keep all results of a batch that has ended, and see to those that have none."""
        if state.status == "failed":
            await self._refused(tag, state)
            return
        for _ in range(DOWNLOADS):
            files = [file_id for file_id in (state.output, state.errors) if file_id]
            seen = sum([await self._fetch(file_id, tag, forms) for file_id in files])
            if seen >= state.completed + state.failed:
                break  # else a file broke off without an error: what is in it is paid
        missing = [key for key, its in self._under_way.items() if its == tag]
        reason = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(state.status, "missing")
        if state.status == "cancelled":
            self._release(tag, again=False)
            raise problems.batch_cancelled(self.base_url, state.id)
        for number, key in enumerate(missing):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            self._try_again(key, reason, "")
        self._store.end(tag)

    async def _fetch(self, file_id: str, tag: str, forms: Mapping[str, Dialect]) -> int:
        """Keep and hand on the results in a file; how many there are."""
        seen = 0
        with tempfile.SpooledTemporaryFile(SPOOL) as file:
            await self._patiently(lambda: self._api.download(file_id, file))
            outcomes = batch_files.read(file)
            while some := await asyncio.to_thread(lambda: list(islice(outcomes, AT_ONCE))):
                seen += len(some)
                mine = {o.key: o for o in some if o is not None and self._under_way.get(o.key) == tag}
                await asyncio.to_thread(self._keep, mine)
                for outcome in mine.values():
                    self._hand_on(outcome, forms)
        return seen

    def _keep(self, outcomes: Mapping[str, Outcome]) -> None:
        """Put replies into the log, whether anybody waits for them or not. Runs in a thread."""
        kept = []
        for key, outcome in outcomes.items():
            if outcome.reply is None:
                continue
            waiter = self._waiting.get(key)
            request = waiter.request if waiter else self._store.request(key)
            if request is not None:
                outcome.reply = outcome.reply.model_copy(update={"attempts": self._store.attempts(key) + 1})
                self._log.put(request, outcome.reply, batched=True)
            kept.append(key)
        self._store.finish(kept)

    def _hand_on(self, outcome: Outcome, forms: Mapping[str, Dialect]) -> None:
        key = outcome.key
        if outcome.reply is not None:
            self._under_way.pop(key, None)
            waiter = self._waiting.pop(key, None)
            for future in waiter.futures if waiter else ():
                if not future.done():
                    future.set_result(outcome.reply)
        elif outcome.passing or self._adapts(outcome, forms):
            self._try_again(key, outcome.reason, outcome.raw)
        else:
            self._fail(key, outcome.reason, self._store.attempts(key) + 1, outcome.raw)

    def _adapts(self, outcome: Outcome, forms: Mapping[str, Dialect]) -> bool:
        """Was it the form that was refused? Then the next batch has another."""
        waiter = self._waiting.get(outcome.key)
        if waiter is None or outcome.status not in REFUSING:
            return False
        model = waiter.request.model
        # By the form it was sent in: each of many refusals of one form must not weaken it once more.
        other = adapted(forms.get(model) or self._dialects.of(model), waiter.request, outcome.raw)
        if other is not None:
            self._dialects.learn(model, other)
        return other is not None

    def _try_again(self, key: str, reason: str, raw: str) -> None:
        tried = self._store.attempts(key) + 1
        if tried >= self.config.attempts:
            self._fail(key, reason, tried, raw)
            return
        self._store.again([key], counted=True)
        self._under_way.pop(key, None)
        if key in self._waiting:
            self._gather(key)

    def _fail(self, key: str, reason: str, attempts: int, raw: str) -> None:
        self._store.finish([key])
        self._under_way.pop(key, None)
        waiter = self._waiting.pop(key, None)
        for future in waiter.futures if waiter else ():
            if not future.done():
                future.set_exception(CallFailed(key, reason, attempts, raw))

    def _release(self, tag: str, *, again: bool = True) -> None:
        """Requests of a batch that is not to be: who is still waited for collects anew."""
        keys = [key for key, its in self._under_way.items() if its == tag]
        self._store.end(tag)
        for key in keys:
            del self._under_way[key]
            if again and key in self._waiting:
                self._gather(key)

    async def _refused(self, tag: str, state: State) -> None:
        """A whole batch failed its validation: nothing of it was done or paid."""
        keys = [key for key, its in self._under_way.items() if its == tag]
        if any(code == "token_limit_exceeded" for code, _, _ in state.problems):
            self._tags.discard(tag)  # it does not hold others up
            if self._tags:
                self._ended.clear()
                await self._ended.wait()
            elif len(keys) == 1:
                self._fail(keys[0], "token_limit_exceeded", 1, state.problems[0][1])
            else:
                self._most = min(self._most, max(1, len(keys) // 2))
            await asyncio.sleep(self.config.batch.poll_s)
            self._release(tag)
            return
        said = "; ".join(message or code for code, message, _ in state.problems[:3]) or "nothing more"
        self._release(tag, again=False)
        raise problems.batch_refused(self.base_url, state.id, said)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """A call to the endpoint, tried again after faults with growing waits.

        Raises:
            DatagenError: it refuses the call, or answers nothing in 60 tries.
        """
        wait = self.config.backoff_s
        for number in range(1, TRIES + 1):
            try:
                return await call()
            except Rejected as error:
                raise problems.no_batches(self.base_url, error.raw) from None
            except Fault as error:
                fault = error
            if number < TRIES:
                await asyncio.sleep(max(wait, fault.retry_after or 0.0))
                wait = min(2 * wait, max(self.config.max_backoff_s, self.config.backoff_s))
        raise problems.gone(self.base_url, f"{TRIES} calls in a row came to nothing, the last with {fault.reason}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """An error in the background reaches those who wait."""
        try:
            await work
        except DatagenError as error:
            self.stop(error)
        except OSError as error:
            self.stop(from_os_error(error, "write the file of a batch"))
        except Exception as error:  # of ours: it is to end the run, not to leave it waiting
            for waiter in list(self._waiting.values()):
                for future in waiter.futures:
                    if not future.done():
                        future.set_exception(error)


def _current() -> asyncio.Task[Any] | None:
    with suppress(RuntimeError):
        return asyncio.current_task()
    return None


def _copy(error: DatagenError) -> DatagenError:
    return type(error)(error.what, error.why, error.fix)
