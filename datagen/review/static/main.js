// The page: a queue, the sample under review, and keys.

import { $, el, count } from "./dom.js";
import { get, post, send, actAs, newAct, onWaiting, unsaved } from "./api.js";
import { showSample, showState } from "./sample.js";
import { readFilter, fillFilter, showActive, toggleFilter, setUpDialogs, askName, showProgress } from "./panels.js";

const AHEAD = 6;
const page = { run: null, reviewer: "", numbers: [], total: 0, at: 0, cache: new Map(), seen: new Map(), shown: null, criterion: 0, editing: null, asked: 0 };

const number = () => page.numbers[page.at];
const say = (text) => { $("live").textContent = text; };

function bar(text) { $("bar").hidden = !text; $("bar").textContent = text; }

async function load(numbers) {
  const missing = numbers.filter((n) => n !== undefined && !page.cache.has(n));
  if (!missing.length) return;
  const told = await get(`/api/samples?${missing.map((n) => `n=${n}`).join("&")}`);
  for (const sample of told.samples) if (!page.cache.has(sample.n)) page.cache.set(sample.n, sample);
  if (page.cache.size > 400) for (const n of [...page.cache.keys()].slice(0, 200)) if (n !== number()) page.cache.delete(n);
}

async function refill() {
  const asked = ++page.asked;
  const wanted = readFilter();
  showActive();
  const told = await post("/api/queue", { filter: wanted, order: $("order").value, seed: Number($("seed").value) || 0, start: 0 });
  if (asked !== page.asked) return; // a newer question is under way
  Object.assign(page, { numbers: told.numbers, total: told.total, at: 0 });
  await show();
}

async function more() {
  if (page.numbers.length >= page.total) return;
  const wanted = readFilter();
  const start = wanted.reviewed ? 0 : page.numbers.length;
  const told = await post("/api/queue", { filter: wanted, order: $("order").value, seed: Number($("seed").value) || 0, start });
  const known = new Set(page.numbers);
  page.numbers.push(...told.numbers.filter((n) => !known.has(n)));
}

async function show() {
  leaveEdit();
  const n = number();
  $("position").textContent = page.numbers.length && n !== undefined ? `${count(page.at + 1)} of ${count(page.total)}` : `${count(page.total)}`;
  if (n === undefined) {
    page.shown = null;
    for (const id of ["place", "state", "source", "judge", "scores"]) $(id).replaceChildren();
    $("others-section").hidden = true;
    $("talk").replaceChildren(el("p", { class: "empty" }, page.total ? "The end of this queue. Change the filter, or go back." : "No sample passes this filter."));
    say("No more samples in this queue.");
    return;
  }
  if (!page.cache.has(n)) await load(page.numbers.slice(page.at, page.at + AHEAD));
  if (n !== number()) return;
  page.shown = page.cache.get(n);
  $("sample").dataset.id = page.shown.id;
  page.criterion = Math.max(0, page.shown.criteria.findIndex((name) => !(name in (page.shown.mine?.scores || {}))));
  showSample(page.shown);
  showScores();
  $("note").value = page.shown.mine?.note || "";
  $("sample").scrollTop = 0;
  say(`Sample ${page.at + 1} of ${page.total}, ${page.shown.mine?.decision || "open"}`);
  load(page.numbers.slice(page.at + 1, page.at + AHEAD)).catch(() => {});
}

function showScores() {
  const given = page.shown.mine?.scores || {};
  $("scores").replaceChildren(...page.shown.criteria.map((name, i) => el("div",
    { class: i === page.criterion ? "criterion now" : "criterion", role: "group", "aria-label": name },
    el("span", {}, name), ...[1, 2, 3, 4, 5].map((value) => el("button",
      { type: "button", "aria-pressed": String(given[name] === value), "aria-label": `${name} ${value}`, on: { click: () => { page.criterion = i; give(value); } } }, value)))));
}

async function move(by) {
  const to = page.at + by;
  if (to < 0 || to > page.numbers.length) return;
  page.at = to;
  if (to >= page.numbers.length - 50) {
    const waiting = more().catch(() => {});
    if (to >= page.numbers.length) await waiting;
  }
  await show();
}

/** Say something of the sample shown: at once on the page, and to the server until it has it. */
function decide(change, { stay = false } = {}) {
  const sample = page.shown;
  if (!sample) return;
  const before = sample.mine || { decision: "", scores: {}, note: "", edit: null, seq: 0 };
  const now = { ...before, note: $("note").value, ...change };
  if (now.decision !== "edited") now.edit = null;
  sample.mine = now;
  const act = newAct();
  const body = { n: sample.n, act, decision: now.decision, scores: now.scores, edit: now.edit, note: now.note };
  // What the server knew last is read when it is sent: an earlier decision may still be on its way.
  const seen = () => Math.max(page.seen.get(sample.n) ?? 0, before.seq);
  send("/api/decide", () => ({ ...body, seen: seen() }), (told) => page.seen.set(sample.n, told.seq)).then((told) => {
    taken(sample.n, told.sample);
  }, (error) => {
    bar(error.message);
    page.cache.delete(sample.n);
    if (number() === sample.n) show().catch(lost);
  });
  if (stay) { showState(sample); showScores(); } else move(1).catch(lost);
}

function taken(n, fresh) {
  const held = page.cache.get(n);
  if (!held || unsaved()) return; // what was done since is newer than this answer
  const revealed = held.judge === null && fresh.judge !== null;
  page.cache.set(n, fresh);
  if (number() === n && !page.editing) {
    page.shown = fresh;
    if (revealed) showSample(fresh); else showState(fresh);
    showScores();
  }
}

function give(value) {
  const sample = page.shown;
  if (!sample) return;
  const name = sample.criteria[page.criterion];
  const scores = { ...(sample.mine?.scores || {}), [name]: value };
  page.criterion = Math.min(sample.criteria.length - 1, page.criterion + 1);
  decide({ scores }, { stay: true });
  say(`${name} ${value}`);
}

function undo() {
  leaveEdit();
  const act = newAct();
  send("/api/undo", () => ({ act })).then(async (told) => {
    if (!told.count) { say("Nothing to undo."); bar("Nothing to undo."); setTimeout(() => bar(""), 2000); return; }
    page.cache.clear();
    const n = told.numbers[0];
    if (n !== undefined) {
      const at = page.numbers.indexOf(n);
      if (at >= 0) page.at = at; else page.numbers.splice(page.at, 0, n);
    }
    await show();
    say(told.count > 1 ? `${count(told.count)} decisions undone.` : "Undone.");
    if (told.count > 1) { bar(`${count(told.count)} decisions undone.`); setTimeout(() => bar(""), 4000); }
  }).catch(lost);
}

async function edit() {
  const sample = page.shown;
  if (!sample || page.editing) return;
  const own = sample.mine?.edit;
  const texts = own || await get(`/api/texts?n=${sample.n}`);
  if (page.shown !== sample) return;
  const areas = [];
  const area = (label, text) => {
    const made = el("textarea", { "aria-label": label, dir: "auto", spellcheck: "true" });
    made.value = text;
    areas.push({ made, text, shown: made.value });
    return el("article", { class: "turn" }, el("h2", {}, label), made);
  };
  const turns = texts.contents.map((text, i) => area(`${sample.messages[i].role} ${i + 1}`, text));
  const last = areas.at(-1).made;
  const both = texts.rejected !== null && sample.rejected;
  if (both) turns.push(area("dispreferred reply", texts.rejected));
  page.editing = { areas, both };
  $("talk").replaceChildren(...turns, el("p", { class: "actions" },
    el("button", { type: "button", id: "save", class: "yes", on: { click: save } }, "Save ", el("kbd", {}, "Ctrl Enter")),
    el("button", { type: "button", on: { click: cancel } }, "Leave ", el("kbd", {}, "Esc"))));
  last.focus();
}

function save() {
  // A text area shows its own line ends: what was not touched goes back as it came.
  const values = page.editing.areas.map(({ made, text, shown }) => (made.value === shown ? text : made.value));
  const rejected = page.editing.both ? values.pop() : null;
  page.editing = null;
  decide({ decision: "edited", edit: { contents: values, rejected } });
}

function leaveEdit() { page.editing = null; if (document.activeElement instanceof HTMLTextAreaElement) document.activeElement.blur(); }
function cancel() { leaveEdit(); show().catch(lost); }

async function bulk() {
  const filter = readFilter();
  const told = await post("/api/queue", { filter, order: "document", seed: 0, start: 0 });
  $("bulk-text").textContent = told.total
    ? `${count(told.total)} samples pass the filter as it is set now. One undo takes all of it back.` : "No sample passes the filter.";
  for (const decision of ["accepted", "rejected", "skipped"]) {
    const button = $(`bulk-${decision}`);
    button.disabled = !told.total;
    button.textContent = `${{ accepted: "Accept", rejected: "Reject", skipped: "Skip" }[decision]} ${count(told.total)}`;
    button.onclick = () => {
      $("bulk-dialog").close();
      const act = newAct();
      bar("Deciding …");
      send("/api/bulk", () => ({ filter, act, decision, count: told.total })).then(async (done) => {
        bar(`${count(done.count)} ${decision}. Undo takes all of it back.`);
        setTimeout(() => bar(""), 6000);
        page.cache.clear();
        await refill();
      }).catch((error) => bar(error.message));
    };
  }
  $("bulk-dialog").showModal();
  $("bulk-cancel").focus();
}

function lost(error) {
  $("bar").dataset.away = "1"; // the next answer of the server takes it away
  bar(error.status === 401 ? "The server was started again: open its new link in another tab, and this page goes on."
    : `${error.message || error} The page goes on once the server answers.`);
}

const acts = {
  a: () => decide({ decision: "accepted" }), r: () => decide({ decision: "rejected" }), s: () => decide({ decision: "skipped" }),
  e: () => edit().catch(lost), u: undo, j: () => move(1).catch(lost), k: () => move(-1).catch(lost),
  ArrowRight: () => move(1).catch(lost), ArrowLeft: () => move(-1).catch(lost), n: () => $("note").focus(), "/": () => { $("text").focus(); $("text").select(); },
  f: toggleFilter, b: () => bulk().catch(lost), p: () => $("people").click(), "?": () => $("help").click(),
  ArrowUp: () => mark(-1), ArrowDown: () => mark(1),
  1: () => give(1), 2: () => give(2), 3: () => give(3), 4: () => give(4), 5: () => give(5),
};

function mark(by) {
  if (!page.shown) return;
  page.criterion = Math.min(page.shown.criteria.length - 1, Math.max(0, page.criterion + by));
  showScores();
  say(page.shown.criteria[page.criterion]);
}

function onKey(event) {
  const inText = event.target instanceof Element && event.target.matches("input:not([type=checkbox]), textarea, select");
  if (document.querySelector("dialog[open]")) return;
  if (page.editing) {
    if (event.key === "Escape") { event.preventDefault(); cancel(); }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); save(); }
    if (inText) return;
    if (event.key !== "Escape") return;
  }
  if (inText) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id !== "reviewed")) { event.target.blur(); $("sample").focus(); event.preventDefault(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !$("single").checked) return;
  const scrolls = event.target.id === "source" && event.key.startsWith("Arrow");
  const act = acts[event.key];
  if (act && !scrolls) { event.preventDefault(); act(); }
}

let typing = 0;
function later() { clearTimeout(typing); typing = setTimeout(() => refill().catch(lost), 120); }

async function tick() {
  try {
    const told = await showProgress(page.reviewer);
    $("people").firstChild.textContent = `${page.reviewer} · ${count(told.done)} of ${count(told.total)}${told.conflicts ? ` · ${count(told.conflicts)} in conflict` : ""} `;
    if (!unsaved() && $("bar").dataset.away) { delete $("bar").dataset.away; bar(""); }
    if (told.reviewer !== page.reviewer) await post("/api/name", { name: page.reviewer });
    if (!page.editing && number() !== page.shown?.n) await show();
  } catch (error) { if (!unsaved()) lost(error); }
  setTimeout(tick, document.hidden ? 10000 : 3000);
}

async function begin() {
  if (location.search) history.replaceState(null, "", "/");
  setUpDialogs();
  page.run = await get("/api/run");
  document.title = `Review ${page.run.run}`;
  $("run").textContent = page.run.run;
  fillFilter(page.run);
  page.reviewer = page.run.reviewer || await askName();
  actAs(page.reviewer);
  onWaiting((waiting, why) => bar(why ? `${count(waiting)} not saved yet: ${why}.` : ""));
  window.addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
  document.addEventListener("keydown", onKey);
  for (const [id, key] of [["accept", "a"], ["reject", "r"], ["edit", "e"], ["skip", "s"], ["undo", "u"], ["back", "k"], ["next", "j"], ["bulk", "b"], ["filters", "f"]]) {
    $(id).addEventListener("click", () => { acts[key](); });
  }
  $("bulk-cancel").addEventListener("click", () => $("bulk-dialog").close());
  $("text").addEventListener("input", later);
  $("order").addEventListener("change", () => refill().catch(lost));
  $("filter-panel").addEventListener("input", later);
  $("filter-panel").addEventListener("reset", () => setTimeout(() => { $("text").value = ""; refill().catch(lost); }));
  $("filter-panel").addEventListener("submit", (event) => event.preventDefault());
  await refill();
  document.body.dataset.ready = "1";
  tick();
}

begin().catch(lost);
