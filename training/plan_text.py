"""The plan as lines of text, for a terminal."""

from __future__ import annotations

from training.plan import BAR, Plan, StagePlan, histogram


def text(plan: Plan) -> str:
    """All of a plan: the model, each stage with its lengths, steps, time and memory, and whether it fits."""
    shape, config = plan.shape, plan.config
    lines = [
        f"{config.base}: {shape.parameters / 1e9:.2f} billion weights, {shape.layers} layers; {config.method} on "
        + ("a GPU" if plan.device == "cuda" else "the CPU"),
    ]
    for stage in plan.stages:
        lines += ["", *_stage(stage, plan)]
    lines += ["", *_verdict(plan)]
    return "\n".join(lines) + "\n"


def _stage(stage: StagePlan, plan: Plan) -> list[str]:
    noun = "rows" if stage.stage == "sft" else "pairs"
    section = stage.section
    lines = [f"{stage.stage.upper()}: {stage.rows:,} {noun}, {stage.tokens:,} tokens"]
    lines += [f"  {bar}" for bar in bars(stage)]
    verb = "cut there" if stage.stage == "sft" else "left out"
    lines.append(
        f"  sequences of {stage.length:,} tokens at most: "
        + (f"{stage.cut:,} {noun} are longer and {verb}" if stage.cut else f"all {noun} are whole")
        + (f"; {stage.dropped:,} more cannot be trained on" if stage.dropped else "")
    )
    each = section.batch * section.accumulation
    lines.append(
        f"  {stage.steps:,} steps of {each:,} {noun} ({section.batch} at once x {section.accumulation}), "
        f"{stage.duration.tokens:,} tokens in all"
    )
    lines.append(f"  time: {stage.duration.said()}")
    lines.append(f"  memory when it is fullest, at {stage.estimate.moment}:")
    lines += [f"    {line}" for line in table(stage)]
    left = plan.limit - stage.estimate.total
    lines.append(
        f"    {'together':<22}{size(stage.estimate.total):>9}  of {size(plan.limit)} {plan.limit_from}: "
        + (f"{size(left)} to spare" if left >= 0 else f"{size(-left)} too much")
    )
    return lines


def bars(stage: StagePlan) -> list[str]:
    """A line for each span of lengths, with a bar as long as its share of the rows."""
    spans = histogram(stage.lengths)
    most = max((count for _, _, count in spans), default=1)
    width = len(f"{spans[-1][1]:,}") if spans else 1
    return [
        f"{first:>{width},} to {last:>{width},} tokens {'█' * max(bool(count), round(BAR * count / most))} {count:,}"
        for first, last, count in spans
    ]


def table(stage: StagePlan) -> list[str]:
    """A line for each item: name, size and how it was reckoned."""
    return [f"{item.name:<22}{size(item.bytes):>9}  {item.how}" for item in stage.estimate.items]


def size(count: int) -> str:
    """Bytes as ``12.3 GB`` or ``4.5 MB`` (powers of ten)."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _verdict(plan: Plan) -> list[str]:
    proposal = plan.proposal
    if plan.fits and not (plan.config.auto_fit and proposal.changes):
        return ["It fits."]
    changes = [f"  {change}" for change in proposal.changes]
    if plan.fits:
        return ["It fits with these changes, which were made:", *changes]
    if proposal.fits:
        return [
            "It does not fit as given. It does with these changes; --auto-fit makes them:",
            *changes,
            f"  {proposal.stage.upper()} then takes {size(proposal.estimate.total)}.",
        ]
    return ["It does not fit.", f"  {proposal.needed}"]


def measured(name: str, estimate: int, peak: int) -> str:
    """A line that puts a measured peak beside its estimate; bytes."""
    off = (estimate - peak) / peak if peak else 0.0
    return f"{name}: {size(peak)} at most, estimated {size(estimate)} ({off:+.1%})"
