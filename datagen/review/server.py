"""The server of the review page: what the page asks for, as JSON, behind the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from datagen.core.errors import DatagenError, UsageError
from datagen.core.text import scrub
from datagen.review import calibrate
from datagen.review.desk import SOON, Desk
from datagen.review.queue import Filter, Order
from datagen.review.security import CALIBRATION, Gate, Guard, Session
from datagen.review.store import NAMES, Edit, Overtaken, State, clean_name
from datagen.review.view import criteria_of, is_hidden

STATIC = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
WINDOW = 2_000
"""Numbers of a queue that one answer holds."""
AHEAD = 20
"""Samples that one answer holds at most."""
Who = Annotated[str, Field(max_length=60, description="Who acts; another name than the session's is refused.")]
Act = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Name(_Body):
    """Who is there."""

    name: str = Field(max_length=60)


class Ask(_Body):
    """A queue, or the part of it from ``start`` on."""

    filter: Filter
    order: Order
    seed: int = Field(0, ge=0, lt=2**31)
    start: int = Field(0, ge=0, lt=2**31)


class NewTexts(_Body):
    """An edit."""

    contents: list[str]
    rejected: str | None = None


class Decide(_Body):
    """What the reviewer says of one sample: the whole state."""

    n: int = Field(ge=0, lt=2**31)
    act: Act
    reviewer: Who = ""
    decision: Literal["", "accepted", "rejected", "edited", "skipped"]
    scores: dict[str, int] = {}
    edit: NewTexts | None = None
    note: str = Field("", max_length=4_000)
    seen: int | None = Field(None, ge=0, lt=2**62)


class Undo(_Body):
    """Take back the last act."""

    act: Act
    reviewer: Who = ""


class Bulk(_Body):
    """One decision for all samples of a filter, of which the reviewer was shown the ``count``."""

    filter: Filter
    act: Act
    reviewer: Who = ""
    decision: Literal["accepted", "rejected", "skipped"]
    count: int = Field(ge=1, lt=2**31)


class Ascii(Response):
    """JSON in ASCII, which holds any text that Python does."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the answer; a number that JSON has not is null."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False).encode()


def make_app(desk: Desk, gate: Gate, *, order: Order = "uncertain", blind: bool = False) -> Guard:
    """The application.

    Args:
        order: of the queue that the page begins with.
        blind: keep the judge back until the reviewer has scored.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, default_response_class=Ascii)
    aside = calibrate.Aside()

    def who(request: Request) -> Session:
        session: Session = request.state.session
        return session

    def named(request: Request, wanted: str) -> str:
        name = who(request).reviewer
        if not name or wanted not in ("", name):
            raise HTTPException(428, "Say who you are first.")
        return name

    @app.exception_handler(HTTPException)
    def told(_: Request, error: HTTPException) -> Response:
        return Ascii({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(RequestValidationError)
    def misunderstood(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return Ascii({"error": f"{place}: {first['msg']}"}, 422)

    @app.exception_handler(DatagenError)
    def failed(_: Request, error: DatagenError) -> Response:
        return Ascii({"error": str(error)}, 500)

    @app.get("/")
    def page() -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        path = STATIC / name
        if path.suffix not in KINDS or path not in STATIC.iterdir():
            raise HTTPException(404, "No such file.")
        return FileResponse(path, media_type=KINDS[path.suffix])

    @app.get("/api/run")
    def run(request: Request) -> dict[str, Any]:
        facets = desk.columns.facets()
        if blind:
            facets |= {"reasons": [], "kept": None}
        return {
            "run": desk.folder.name,
            "reviewer": who(request).reviewer,
            "blind": blind,
            "order": order,
            "seed": desk.seed,
            "threshold": desk.threshold,
            "total": desk.columns.size,
            "criteria": desk.criteria,
            "facets": {**facets, "documents": facets["documents"][:500]},
        }

    @app.post("/api/name")
    def name(body: Name, request: Request) -> dict[str, Any]:
        chosen = clean_name(body.name)
        if not chosen:
            raise HTTPException(422, NAMES)
        who(request).reviewer = chosen
        return {"reviewer": chosen}

    @app.post("/api/invite")
    def invite(_: Request) -> dict[str, Any]:
        return {"link": gate.link()}

    @app.post("/api/queue")
    def queue(body: Ask, request: Request) -> dict[str, Any]:
        numbers = desk.queue(body.filter, body.order, body.seed, who(request).reviewer, blind=blind)
        return {"total": len(numbers), "start": body.start, "numbers": numbers[body.start : body.start + WINDOW]}

    @app.get("/api/samples")
    def samples(request: Request, n: Annotated[list[int], Query(max_length=AHEAD)]) -> dict[str, Any]:
        desk.refresh(SOON)
        reviewer = who(request).reviewer
        found = [desk.view(number, reviewer, blind=blind) for number in n if 0 <= number < desk.columns.size]
        return {"samples": [shown for shown in found if shown is not None]}

    @app.get("/api/texts")
    def texts(n: Annotated[int, Query(ge=0, lt=2**31)]) -> dict[str, Any]:
        sample = desk.sample(n)
        if sample is None:
            raise HTTPException(404, "No such sample.")
        rejected = None if sample.rejected is None else sample.rejected.content
        return {"contents": [m.content for m in sample.messages], "rejected": rejected}

    @app.post("/api/decide")
    def decide(body: Decide, request: Request) -> Response:
        reviewer = named(request, body.reviewer)
        sample = desk.sample(body.n)
        if sample is None:
            raise HTTPException(404, "No such sample.")
        criteria = set(criteria_of(sample, desk.criteria))
        if not set(body.scores) <= criteria or not all(1 <= value <= 5 for value in body.scores.values()):
            raise HTTPException(422, f"Scores are 1 to 5 for {', '.join(sorted(criteria))}.")
        edit, decision = None, body.decision
        if (body.edit is not None) != (decision == "edited"):
            raise HTTPException(422, "An edit comes with its texts, and nothing else does.")
        if body.edit is not None:
            contents = tuple(scrub(text) for text in body.edit.contents)
            reply = None if body.edit.rejected is None else scrub(body.edit.rejected)
            if len(contents) != len(sample.messages) or (reply is not None) != (sample.rejected is not None):
                raise HTTPException(
                    422, "An edit has a text for each message, and for the rejected reply if there is one."
                )
            if not contents[-1].strip() and not sample.messages[-1].tool_calls:
                raise HTTPException(422, "The reply would be empty. Reject the sample instead.")
            edit = Edit(contents, reply)
            same = contents == tuple(m.content for m in sample.messages)
            if same and (sample.rejected is None or reply == sample.rejected.content):
                decision, edit = "accepted", None
        own = desk.own(body.n, reviewer)
        scores = tuple(sorted(body.scores.items()))
        # What was scored while the judge was hidden stays so until it is scored anew.
        unseen = blind and is_hidden(sample, own, desk.criteria)
        unseen = unseen or (own is not None and own.state.blind and own.state.scores == scores)
        state = State(decision, scores, edit, scrub(body.note), unseen)
        try:
            line = desk.decide(reviewer, sample.id, state, body.act, body.seen)
        except Overtaken:
            return Ascii(
                {"error": "You decided this in another window meanwhile.", "sample": desk_view(body.n, reviewer)}, 409
            )
        return Ascii({"seq": line.seq, "sample": desk_view(body.n, reviewer)})

    def desk_view(number: int, reviewer: str) -> dict[str, Any] | None:
        return desk.view(number, reviewer, blind=blind)

    @app.post("/api/undo")
    def undo(body: Undo, request: Request) -> dict[str, Any]:
        lines = desk.undo(named(request, body.reviewer), body.act)
        numbers = [desk.columns.number[line.sample] for line in lines if line.sample in desk.columns.number]
        return {"count": len(lines), "numbers": numbers[:AHEAD]}

    @app.post("/api/bulk")
    def bulk(body: Bulk, request: Request) -> Response:
        reviewer = named(request, body.reviewer)
        done = desk.done(body.act)
        if done:  # its answer got lost, and it may have moved samples out of its own filter
            return Ascii({"count": done})
        desk.refresh()
        numbers = desk.queue(body.filter, "document", 0, reviewer, blind=blind)
        if len(numbers) != body.count:
            told = f"It is {len(numbers):,} samples now, not {body.count:,}. Nothing was done."
            return Ascii({"error": told, "count": len(numbers)}, 409)
        return Ascii({"count": desk.bulk(reviewer, numbers, body.decision, body.act)})

    @app.get("/api/progress")
    def progress(request: Request) -> dict[str, Any]:
        return {**desk.progress(), "reviewer": who(request).reviewer}

    @app.post("/api/ratings")
    def ratings(_: Request) -> Response:
        return aside_of(calibrate.ratings)

    @app.post("/api/calibrate")
    def calibrated(_: Request) -> Response:
        return aside_of(calibrate.calibrate)

    @app.get(CALIBRATION)
    def calibration() -> Response:
        path = calibrate.page(desk.folder)
        if not path.is_file():
            raise HTTPException(404, "The judge was not calibrated yet.")
        return FileResponse(path, media_type="text/html")

    def aside_of(work: Callable[[Path], dict[str, Any]]) -> Response:
        try:
            return Ascii(aside.run(work, desk.folder))
        except calibrate.Busy:
            return Ascii({"error": "It is being done already."}, 409)
        except UsageError as error:
            return Ascii({"error": str(error)}, 409)

    return Guard(app, gate)
