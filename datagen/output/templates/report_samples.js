// The list of samples: filters, search, rows of exports, pages.
const SHOWN = 10;
const form = byId("filters");
const list = byId("list");
let columns = null;
let matching = [];
let start = 0;
let asked = 0; // number of the last request: what comes back for an earlier one is dropped

const value = (name) => form.elements[name].value;
const fileNames = () => Object.keys(columns.files);

const told = (i) => {
  const { names } = columns;
  const rows = [];
  for (const [name, file] of Object.entries(columns.files)) {
    if (file.at[i]) rows.push(`row ${count(file.at[i])} of ${name}`);
  }
  return {
    id: columns.id[i], path: names.path[columns.path[i]], outcome: names.outcome[columns.outcome[i]],
    recipe: names.recipe[columns.recipe[i]], split: names.split[columns.split[i]], score: columns.score[i], rows,
  };
};

const textsOf = async (i) => {
  const place = columns.packed[i];
  return place < 0 ? null : (await unpackPage(Math.floor(place / columns.page)))[place % columns.page];
};

const options = (name, column, all) => {
  const select = form.elements[name];
  const names = columns.names[name];
  const counts = new Array(names.length).fill(0);
  for (const number of column) counts[number]++;
  select.append(new Option(all, ""));
  const order = names.map((_, i) => i).sort((a, b) => (names[a] < names[b] ? -1 : 1));
  for (const i of order) select.append(new Option(`${words(names[i])} (${count(counts[i])})`, String(i)));
};

const say = (text) => { byId("found").textContent = text; };

const show = async () => {
  const mine = asked;
  const from = start;
  const chosen = matching.slice(from, from + SHOWN);
  const cards = await Promise.all(chosen.map(async (i) => {
    const s = await textsOf(i);
    const known = told(i);
    if (s) known.id = s.id;
    return card(known, s);
  }));
  if (mine !== asked || from !== start) return;
  list.replaceChildren(...cards);
  for (const quote of list.querySelectorAll(".source.tall")) {
    const mark = quote.querySelector("mark"); // a long passage opens at what the sample rests on
    if (mark) quote.scrollTop = Math.max(0, mark.offsetTop - quote.clientHeight / 3);
  }
  const end = Math.min(start + SHOWN, matching.length);
  byId("where").textContent = matching.length ? `${count(start + 1)} – ${count(end)} of ${count(matching.length)}` : "";
  byId("before").disabled = start === 0;
  byId("after").disabled = end >= matching.length;
  byId("pager").hidden = matching.length <= SHOWN;
};

const rowOf = (name, row) => {
  const { lines, at } = columns.files[name];
  return at.findIndex((first) => first > 0 && first <= row && row < first + lines);
};

const textOf = (s, path) => [s.id, path, ...(s.turns ?? []).map((turn) => turn[1])].join("\n").toLowerCase();

// Looks through the packed texts, page by page; what is found so far is shown meanwhile.
const search = async (candidates, wanted) => {
  const mine = asked;
  const packed = candidates.filter((i) => columns.packed[i] >= 0);
  const found = [];
  let lastShown = -1;
  for (let at = 0; at < packed.length;) {
    const number = Math.floor(columns.packed[packed[at]] / columns.page);
    const page = await unpackPage(number);
    if (mine !== asked) return null;
    for (; at < packed.length && Math.floor(columns.packed[packed[at]] / columns.page) === number; at++) {
      const i = packed[at];
      const text = textOf(page[columns.packed[i] % columns.page], columns.names.path[columns.path[i]]);
      if (wanted.every((word) => text.includes(word))) found.push(i);
    }
    const share = Math.floor((100 * at) / packed.length);
    if (share >= lastShown + 5) {
      lastShown = share;
      say(`${count(found.length)} found, ${share} % searched.`);
      if (found.length && !matching.length) { matching = found.slice(); show(); matching = []; }
    }
  }
  return found;
};

const filter = async () => {
  const mine = ++asked;
  start = 0;
  const number = (name) => (value(name) === "" ? -1 : Number(value(name)));
  const row = Number(value("row"));
  const all = columns.id.length;
  const file = value("file");
  if (row > 0 && file) {
    const i = rowOf(file, row);
    matching = i < 0 ? [] : [i];
    say(i < 0 ? `${file} has no row ${count(row)} that is listed here.` : `Row ${count(row)} of ${file}.`);
    return show();
  }
  const [outcome, recipe, split] = [number("outcome"), number("recipe"), number("split")];
  const part = value("path").trim().toLowerCase();
  const paths = part ? columns.names.path.map((path) => path.toLowerCase().includes(part)) : null;
  let found = [];
  for (let i = 0; i < all; i++) {
    if ((outcome < 0 || columns.outcome[i] === outcome) && (recipe < 0 || columns.recipe[i] === recipe) &&
        (split < 0 || columns.split[i] === split) && (!paths || paths[columns.path[i]])) found.push(i);
  }
  const text = value("text").trim().toLowerCase();
  const wanted = text.split(/\s+/).filter(Boolean);
  let note = "";
  if (wanted.length) {
    const named = wanted.length === 1 && text.length > 5 ? found.filter((i) => columns.id[i].startsWith(text.slice(0, columns.digits))) : [];
    if (named.length) found = named;
    else {
      const unread = found.filter((i) => columns.packed[i] < 0).length;
      matching = [];
      found = await search(found, wanted);
      if (found === null || mine !== asked) return;
      if (unread) note = ` ${count(unread)} more have no text in this page and were not searched.`;
    }
  }
  const order = value("order");
  if (order) {
    const sign = order === "high" ? -1 : 1;
    found = found.filter((i) => columns.score[i] >= 0).sort((a, b) => sign * (columns.score[a] - columns.score[b]) || a - b);
  }
  matching = found;
  say(found.length === all ? "" : `${count(found.length)} of ${count(all)} match.${note}`);
  return show();
};

const turn = async (by) => {
  start += by;
  asked++;
  await show();
  list.focus({ preventScroll: true });
  byId("samples").scrollIntoView({ block: "start" });
};

// Addresses within the page: #id=… and #row=FILE:417.
const goTo = () => {
  const [name, wanted] = decodeURIComponent(location.hash.slice(1)).split(/=(.*)/s);
  if (name !== "id" && name !== "row") return false;
  form.reset();
  if (name === "id") form.elements.text.value = wanted;
  else {
    const at = wanted.lastIndexOf(":");
    form.elements.file.value = wanted.slice(0, at);
    form.elements.row.value = wanted.slice(at + 1);
  }
  filter();
  byId("samples").scrollIntoView({ block: "start" });
  return true;
};

const begin = async () => {
  if (!canUnpack) { byId("cannot").hidden = false; return; }
  columns = JSON.parse(await unpack("columns"));
  if (!columns.id.length) return;
  form.hidden = false;
  options("outcome", columns.outcome, "all");
  options("recipe", columns.recipe, "all");
  options("split", columns.split, "all");
  for (const name of fileNames()) form.elements.file.append(new Option(name, name));
  form.querySelector(".rows").hidden = !fileNames().length;
  form.addEventListener("submit", (event) => event.preventDefault());
  let waiting = 0;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 150); });
  byId("before").addEventListener("click", () => turn(-SHOWN));
  byId("after").addEventListener("click", () => turn(SHOWN));
  addEventListener("hashchange", goTo);
  matching = columns.id.map((_, i) => i);
  if (!goTo()) await show();
  root.dataset.ready = "true";
};
if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
else begin();
