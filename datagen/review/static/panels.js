// The panels around a sample: filter, progress and people, keys, dialogs.

import { $, el, count } from "./dom.js";
import { get, post } from "./api.js";

const FIELDS = ["text", "where", "recipe", "document", "verdict", "reason", "criterion", "reviewed"];
export const KEYS = [
  ["a", "accept"], ["r", "reject"], ["e", "edit; Ctrl Enter saves, Esc leaves"], ["s", "skip"], ["u", "undo your last act"],
  ["1 … 5", "score the marked criterion, and on to the next"], ["↑ ↓", "mark another criterion"], ["j, →", "next sample"],
  ["k, ←", "previous sample"], ["n", "write a note"], ["/", "search"], ["f", "filter"], ["b", "decide about all of the filter"],
  ["p", "who and how far"], ["?", "this list"]];

export function readFilter() {
  const number = (id) => ($(id).value === "" ? null : Number($(id).value));
  const wanted = { least: number("least"), most: number("most") };
  for (const field of FIELDS) wanted[field] = $(field).value;
  return wanted;
}

export function fillFilter(run) {
  const option = (value, shown) => el("option", { value }, shown);
  $("recipe").append(...run.facets.recipes.map(([name, n]) => option(name, `${name} (${count(n)})`)));
  $("reason").append(...run.facets.reasons.map(([name, n]) => option(name, `${name} (${count(n)})`)));
  $("criterion").append(...run.facets.criteria.map((name) => option(name, name)));
  $("documents").append(...run.facets.documents.map(([name]) => option(name, "")));
  $("order").value = run.order;
  $("seed").value = run.seed;
  $("seed").defaultValue = run.seed;
  if (run.blind) for (const part of document.querySelectorAll(".judged")) part.hidden = true;
}

/** How many filters are set, besides the usual one. */
export function showActive() {
  const set = FIELDS.filter((field) => field !== "text" && field !== "where" && $(field).value !== (field === "reviewed" ? "open" : "")).length
    + ["least", "most"].filter((field) => $(field).value !== "").length;
  $("active").textContent = set ? ` (${set})` : "";
  document.querySelector(".seed").hidden = $("order").value !== "random";
}

export function toggleFilter() {
  const panel = $("filter-panel");
  panel.hidden = !panel.hidden;
  $("filters").setAttribute("aria-expanded", String(!panel.hidden));
  if (!panel.hidden) $("reviewed").focus();
}

export function setUpDialogs() {
  $("keys").replaceChildren(...KEYS.map(([key, what]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, what))));
  for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
  $("help").addEventListener("click", () => $("help-dialog").showModal());
  $("people").addEventListener("click", () => { $("people-told").textContent = ""; $("people-dialog").showModal(); });
  $("single").checked = localStorage.getItem("single-keys") !== "off";
  $("single").addEventListener("change", () => localStorage.setItem("single-keys", $("single").checked ? "on" : "off"));
  $("ratings").addEventListener("click", () => aside("/api/ratings", "Writing the ratings …", (told) => {
    $("people-told").textContent = `${count(told.rows)} ${told.rows === 1 ? "rating" : "ratings"} written to ${told.path}`;
  }));
  $("calibrate").addEventListener("click", () => aside("/api/calibrate", "Calibrating the judge …", showCalibration));
  $("invite").addEventListener("click", async () => {
    try {
      const told = await post("/api/invite", {});
      $("people-told").textContent = `For one more browser on this machine, once: ${told.link}`;
    } catch (error) { $("people-told").textContent = error.message; }
  });
}

/** Work that takes a while: its buttons rest meanwhile, and what it says is shown. */
async function aside(path, telling, show) {
  const buttons = [$("ratings"), $("calibrate")];
  const before = document.activeElement;
  for (const button of buttons) button.disabled = true;
  $("calibration").replaceChildren();
  $("people-told").textContent = telling;
  try { show(await post(path, {})); } catch (error) { $("people-told").textContent = error.message; }
  for (const button of buttons) button.disabled = false;
  if (buttons.includes(before)) before.focus(); // a button that rests loses it
}

function showCalibration(told) {
  const figure = (value) => (value === null ? "–" : value.toFixed(2));
  const head = el("tr", {}, ...["", "ratings", "kappa (95 %)", "bias"].map((name) => el("th", { scope: "col" }, name)));
  const rows = told.criteria.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name), el("td", {}, count(one.ratings)),
    el("td", {}, one.kappa === null ? "–" : `${figure(one.kappa)}${one.low === null ? "" : ` (${figure(one.low)} to ${figure(one.high)})`}`),
    el("td", {}, one.bias === null ? "–" : signed(one.bias))));
  $("people-told").textContent = `${count(told.ratings)} ${told.ratings === 1 ? "rating" : "ratings"} of ${count(told.samples)} ${told.samples === 1 ? "sample" : "samples"}.`;
  $("calibration").replaceChildren(
    el("table", {}, el("caption", { class: "hidden" }, "The judge beside people"), el("thead", {}, head), el("tbody", {}, ...rows)),
    el("ul", {}, ...told.sentences.map((sentence) => el("li", {}, sentence))),
    el("p", {}, el("a", { href: "/calibration", target: "_blank", rel: "noopener" }, "All figures"), ` · ratings in ${told.path}`));
}

/** Ask for a name until the server takes one. */
export function askName() {
  return new Promise((done) => {
    const dialog = $("name-dialog");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const told = await post("/api/name", { name: $("name").value });
        dialog.close();
        done(told.reviewer);
      } catch (error) { $("name-error").textContent = error.message; }
    });
    dialog.showModal();
  });
}

const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
const percent = (share) => `${Math.round(share * 100)} %`;
const kappa = (value) => (value === null ? "" : `, κ ${value.toFixed(2)}`);

export async function showProgress(reviewer) {
  const told = await get("/api/progress");
  const mine = told.people[reviewer] || {};
  const done = (mine.accepted || 0) + (mine.rejected || 0) + (mine.edited || 0) + (mine.skipped || 0);
  const table = (title, rows) => (rows.length ? [el("h3", {}, title), el("table", {}, el("tbody", {}, ...rows))] : []);
  const row = (name, text) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text));
  const agreement = told.agreement;
  $("progress").replaceChildren(
    ...table("Decided", Object.entries(told.people).map(([name, counts]) => row(name,
      Object.entries(counts).map(([what, n]) => `${count(n)} ${what}`).join(", ")))),
    ...table("Together", [row("settled", Object.entries(told.settled).map(([what, n]) => `${count(n)} ${what}`).join(", ") || "nothing yet"),
      row("in conflict", count(told.conflicts))]),
    ...table("Reviewers with each other, on keeping", agreement.people.map((one) => row(`${one.a} and ${one.b}`,
      `${percent(one.share)} of ${count(one.n)}${kappa(one.kappa)}`))),
    ...table("Reviewers with the run, on keeping", agreement.judge.map((one) => row(one.reviewer,
      `${percent(one.share)} of ${count(one.n)}${kappa(one.kappa)}`))),
    ...table("Scores, person less judge", agreement.scores.map((one) => row(`${one.reviewer}, ${one.criterion}`,
      `${signed(one.bias)} over ${count(one.n)}${kappa(one.kappa)}`))));
  return { done, total: told.total, conflicts: told.conflicts, reviewer: told.reviewer };
}
