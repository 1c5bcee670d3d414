"""What can be wrong with an endpoint as a whole, said in three parts. The key is never part of it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from datagen.core.errors import StoppedEarly, UsageError

AGAIN = "run the same command again: every reply so far is kept."


def redacted(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment; "" for what is no URL at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/")


def bad_url(url: str) -> UsageError:
    """The address is no HTTP address."""
    return UsageError(
        f"{redacted(url) or 'The given text'} is no address of an endpoint.",
        "It must begin with http:// or https:// and name a host.",
        "Give --base-url, as in http://127.0.0.1:8000/v1.",
    )


def bad_key(env: str) -> UsageError:
    """The key cannot be sent in a header."""
    return UsageError(
        f"The key in {env} cannot be used.",
        "It holds spaces, line breaks or characters that are not ASCII.",
        f"Set {env} to the key alone.",
    )


def unreachable(url: str, detail: str) -> UsageError:
    """Nothing answers when a run starts."""
    return UsageError(
        f"The endpoint {redacted(url)} does not answer.",
        f"{detail}.",
        "Start the server or correct --base-url; without a model, --set generator.backend=extractive works.",
    )


def gone(url: str, detail: str) -> StoppedEarly:
    """Nothing answers any more."""
    return StoppedEarly(
        f"The endpoint {redacted(url)} does not answer.",
        f"{detail}, and asking for its models got no answer either.",
        f"See whether the server is up, then {AGAIN}",
    )


def failing(url: str, count: int, reason: str) -> StoppedEarly:
    """Something answers, with errors alone."""
    return StoppedEarly(
        f"The endpoint {redacted(url)} answers with errors alone.",
        f"{count} requests in a row came to nothing, the last with {reason}.",
        f"Look at the server, or lower client.concurrency, then {AGAIN}",
    )


def long_pause(url: str, seconds: float) -> StoppedEarly:
    """The endpoint asks for a wait that is no use to sit through."""
    return StoppedEarly(
        f"The endpoint {redacted(url)} asks for a pause of {seconds / 60:.0f} minutes.",
        "Its rate limit is used up.",
        f"Wait, then {AGAIN}",
    )


def refusing(url: str, seconds: float) -> StoppedEarly:
    """HTTP 429 alone, for so long that it is no limit by the minute."""
    return StoppedEarly(
        f"The endpoint {redacted(url)} has let no request in for {seconds / 60:.0f} minutes.",
        "It answers all with HTTP 429: its rate limit is used up.",
        f"Wait, then {AGAIN}",
    )


def broken(error: BaseException) -> StoppedEarly:
    """A fault of ours while waiting for an endpoint: nobody must wait for ever because of it."""
    return StoppedEarly(
        "Waiting for the endpoint failed.",
        f"{type(error).__name__}: {error}.",
        f"Please report it; then {AGAIN}",
    )


def no_quota(url: str) -> StoppedEarly:
    """The account has nothing left."""
    return StoppedEarly(
        f"The endpoint {redacted(url)} does no more work for this account.",
        "It says that the quota or the balance is used up.",
        f"Top it up, then {AGAIN}",
    )


def wrong_key(url: str, env: str, *, sent: bool) -> UsageError:
    """HTTP 401 or 403."""
    return UsageError(
        f"The endpoint {redacted(url)} refuses the key." if sent else f"The endpoint {redacted(url)} wants a key.",
        f"The key in {env} is not accepted." if sent else f"{env} is not set.",
        f"Set {env} to a valid key, or name another variable with --set generator.api_key_env=NAME.",
    )


def unknown_model(url: str, model: str, offered: Sequence[str]) -> UsageError:
    """HTTP 404 to a question: the model, or the path."""
    if model in offered:
        return wrong_path(url)
    why = f"It offers {shown(offered)}." if offered else "It does not say which models it offers, or the path is wrong."
    fix = "Choose one with --model." if offered else "Correct --model, or --base-url (most end in /v1)."
    return UsageError(f"The endpoint {redacted(url)} does not know the model {model!r}.", why, fix)


def wrong_path(url: str) -> UsageError:
    """HTTP 404 although the model exists, or something that is no such endpoint."""
    return UsageError(
        f"{redacted(url)} is no OpenAI-compatible endpoint.",
        "It has no chat/completions and models where they should be.",
        "Correct --base-url (most end in /v1).",
    )


def choose_model(url: str, offered: Sequence[str]) -> UsageError:
    """No model was named and the choice is not ours."""
    if not offered:
        return UsageError(
            f"The endpoint {redacted(url)} names no model.",
            "Its list of models is empty or not to be had.",
            "Check the address (most end in /v1), or name the model with --model.",
        )
    return UsageError(
        f"The endpoint {redacted(url)} offers several models.",
        f"They are {shown(offered)}.",
        "Choose one with --model.",
    )


def no_probe(url: str, model: str, reason: str, raw: str) -> UsageError:
    """The first small question got no usable answer."""
    said = " ".join(raw.split())[:300]
    return UsageError(
        f"The endpoint {redacted(url)} does not answer a first small question to {model!r}.",
        f"It came to {reason}{': ' + said if said else ''}.",
        "Look at the server, or choose another --model or --base-url.",
    )


def no_openai() -> UsageError:
    """The Batch API is wanted without its package."""
    return UsageError(
        "The Batch API cannot be used.",
        "The package openai is not installed.",
        "Install it with: pip install 'datagen[batch]'",
    )


def no_batches(url: str, said: str) -> UsageError:
    """The endpoint refuses files or batches as such."""
    told = " ".join(said.split())[:300]
    return UsageError(
        f"The endpoint {redacted(url)} takes no batches.",
        f"It answers: {told}" + ("" if told.endswith(".") else "."),
        "Use an endpoint with the Batch API, or leave generator.backend at auto.",
    )


def batch_refused(url: str, batch: str, said: str) -> StoppedEarly:
    """A whole batch failed its validation."""
    told = " ".join(said.split())[:300]
    return StoppedEarly(
        f"The endpoint {redacted(url)} refused the batch {batch}.",
        f"It says: {told}" + ("" if told.endswith(".") else "."),
        f"Mend that, then {AGAIN}",
    )


def batch_cancelled(url: str, batch: str) -> StoppedEarly:
    """Somebody cancelled a batch of ours."""
    return StoppedEarly(
        f"The batch {batch} at {redacted(url)} was cancelled.",
        "Not by datagen; what it had answered by then is kept.",
        "To ask for the rest, run the same command again.",
    )


def batches_go_on(batches: int, requests: int) -> str:
    """What to tell somebody who interrupts a run whose batches are under way."""
    some = f"{batches} {'batch goes' if batches == 1 else 'batches go'} on at the endpoint, with {requests:,} requests"
    return f"{some}. The same command fetches the results; nothing is asked or paid twice."


def redirected(url: str, location: str) -> UsageError:
    """HTTP 3xx: the key is not carried to another place."""
    target = f"to {redacted(location)}" if redacted(location) else "elsewhere"
    return UsageError(
        f"The endpoint {redacted(url)} redirects {target}.",
        "Redirects are not followed, so that a key never travels to another host.",
        "If you trust that place, give it as --base-url.",
    )


def shown(names: Sequence[str], most: int = 20) -> str:
    """Some names, for a sentence."""
    listed = ", ".join(repr(n[:100]) for n in names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
