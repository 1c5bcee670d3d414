// Shows one sample: its messages, its source, what the judge and others say.

import { $, el, score } from "./dom.js";

const ROLES = { user: "User", assistant: "Assistant", system: "System", tool: "Tool" };

export function showSample(sample) {
  const page = sample.page ? `page ${sample.page}` : "";
  $("place").textContent = [sample.document, sample.heading.join(" › "), page].filter(Boolean).join("  ·  ");
  showState(sample);
  showTalk(sample);
  showSource(sample);
  showJudge(sample);
  showOthers(sample);
}

export function showState(sample) {
  const own = sample.mine?.decision || "";
  $("state").replaceChildren(
    el("span", { class: "pill" }, sample.recipe), " ", el("span", { class: "pill" }, sample.split), " ",
    own ? el("span", { class: `pill ${own}`, id: "mine" }, `${own} by you`) : el("span", { class: "pill", id: "mine" }, "open"));
}

export function showTalk(sample) {
  const edit = sample.mine?.edit;
  const turns = sample.messages.map((message, i) => turn(
    i === sample.messages.length - 1 && sample.rejected ? "Assistant, preferred" : ROLES[message.role] || message.role,
    message.role, edit ? edit.contents[i] : message.text, edit ? 0 : message.more, message.calls));
  if (sample.rejected) {
    const label = `Assistant, dispreferred${sample.rejected.flaw ? `: ${sample.rejected.flaw}` : ""}`;
    turns.push(turn(label, "dispreferred", edit && edit.rejected !== null ? edit.rejected : sample.rejected.text,
      edit ? 0 : sample.rejected.more, ""));
  }
  $("talk").replaceChildren(...turns);
}

function turn(label, kind, text, more, calls) {
  return el("article", { class: `turn ${kind}` }, el("h2", {}, label),
    el("div", { class: "text", dir: "auto" }, text),
    more ? el("p", { class: "muted" }, `… ${more.toLocaleString("en")} more characters`) : null,
    calls ? el("pre", {}, calls) : null);
}

function showSource(sample) {
  const pieces = sample.source.map((piece) => {
    const inner = piece.quoted ? el("mark", {}, piece.text) : piece.text;
    return piece.claims.length ? el("span", { class: "claimed", "data-claims": piece.claims.join(" ") }, inner) : inner;
  });
  $("source").replaceChildren(...(pieces.length ? pieces : [el("span", { class: "muted" }, "This sample rests on no passage.")]));
  $("source").dir = "auto";
  $("source").querySelector("mark")?.scrollIntoView({ block: "nearest" });
}

function showJudge(sample) {
  const judge = sample.judge;
  if (!judge) {
    $("judge").replaceChildren(el("p", { class: "muted" }, "Hidden until you have scored or decided."));
    return;
  }
  const verdict = judge.verdict
    ? el("p", { class: "verdict bad" }, `Rejected by the run: ${judge.verdict.reason}${judge.verdict.evidence ? ` (${judge.verdict.evidence})` : ""}`)
    : el("p", { class: "verdict good" }, "Kept by the run");
  const rows = Object.entries(judge.scores).map(([name, value]) => el("tr", {},
    el("th", { scope: "row" }, name),
    el("td", {}, el("meter", { min: 1, max: 5, value, "aria-label": `${name}: ${score(value)} of 5` })),
    el("td", { class: "number" }, score(value))));
  const total = judge.score === null ? "not scored" : `${score(judge.score)} of 5`;
  const by = [judge.scored_by, judge.rubric, judge.spread !== null ? `spread ${score(judge.spread)}` : "",
    judge.faithfulness !== null ? `faithfulness ${Math.round(judge.faithfulness * 100)} %` : ""].filter(Boolean).join("  ·  ");
  const panel = judge.judgements.length > 1 || judge.judgements.some((one) => Object.keys(one.reasons).length)
    ? judge.judgements.map((one) => el("details", {}, el("summary", {}, `${one.model}: ${score(one.score)}`),
      ...Object.entries(one.reasons).map(([name, why]) => el("p", { class: "why", dir: "auto" }, `${name}: ${why}`)),
      one.justification ? el("p", { class: "why", dir: "auto" }, one.justification) : null))
    : [];
  const claims = judge.claims.map((claim, i) => el("li", {}, el("span", { class: claim.supported ? "good" : "bad" }, claim.supported ? "✓ " : "✗ "),
    el("button", { type: "button", dir: "auto", on: { click: () => light(i) } }, claim.text),
    claim.supported && !claim.found ? el("span", { class: "muted" }, " (quote not in the source)") : null,
    el("span", { class: "hidden" }, claim.supported ? " supported" : " not supported")));
  $("judge").replaceChildren(verdict, el("p", {}, el("strong", {}, total), " ", el("span", { class: "muted" }, by)),
    rows.length ? el("table", {}, el("tbody", {}, ...rows)) : "",
    judge.justification ? el("p", { class: "why", dir: "auto" }, judge.justification) : "", ...panel,
    claims.length ? el("ul", { class: "claims", "aria-label": "Claims" }, ...claims) : "");
}

function light(claim) {
  for (const piece of document.querySelectorAll(".claimed")) {
    const here = piece.dataset.claims.split(" ").includes(String(claim));
    piece.classList.toggle("lit", here);
    if (here) piece.scrollIntoView({ block: "nearest" });
  }
}

function showOthers(sample) {
  const others = sample.others;
  $("others-section").hidden = !others || !others.reviews.length;
  if (!others) return;
  const rows = others.reviews.map((one) => el("tr", {}, el("th", { scope: "row" }, one.reviewer),
    el("td", {}, one.decision ? el("span", { class: `pill ${one.decision}` }, one.decision) : "scored",
      one.note ? ` ${one.note}` : ""),
    el("td", {}, Object.entries(one.scores).map(([name, value]) => `${name} ${value}`).join(", "))));
  $("others").replaceChildren(
    others.conflict ? el("p", { class: "verdict bad" }, `You do not agree. As it stands: ${others.settled}.`) : "",
    el("table", {}, el("tbody", {}, ...rows)));
}
