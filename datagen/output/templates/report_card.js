// A sample as a card. Text goes in as text nodes: nothing of it is ever read as markup.

// Marks and code: spans of [start, end], those of each kind ascending and apart.
const fill = (node, text, literal = [], quoted = []) => {
  const borders = [...new Set([0, text.length, ...literal.flat(), ...quoted.flat()])].sort((a, b) => a - b);
  const within = (spans, a, b) => spans.some(([start, end]) => start <= a && b <= end);
  for (let i = 0; i + 1 < borders.length; i++) {
    const [a, b] = [borders[i], borders[i + 1]];
    const piece = text.slice(a, b);
    const code = within(literal, a, b) ? "literal" : "";
    if (within(quoted, a, b)) node.append(make("mark", code, piece));
    else node.append(code ? make("span", code, piece) : piece);
  }
  return node;
};

const listed = (pairs) => {
  const list = make("dl", "list small");
  for (const [name, ...values] of pairs) list.append(make("dt", "", name), make("dd", "", ...values));
  return list;
};
const unfold = (title, ...inside) => make("details", "", make("summary", "", title), ...inside);
const points = (scores) => Object.entries(scores).map(([name, value]) => `${words(name)} ${value}`).join(" · ");

const sourceOf = (s) => {
  const [quotes, before, after] = s.source;
  const quote = make("blockquote", "source tall");
  quote.tabIndex = 0;
  quote.setAttribute("aria-label", "Source passage");
  if (before) quote.append(make("span", "soft", `… ${count(before)} characters before … `));
  fill(quote, s.passage[0], s.passage[1], quotes);
  if (after) quote.append(make("span", "soft", ` … ${count(after)} characters after …`));
  return quote;
};

const lineageOf = (s, path) => {
  const from = s.from;
  const code = (text) => make("code", "", text);
  const span = from.span ? `characters ${count(from.span[0])} to ${count(from.span[1])}` : "";
  return unfold("Where it comes from", listed([
    ["document", make("span", "path", path)],
    ["its SHA-256", code(from.sha256 ?? "")],
    ["passage", [span, from.page ? `page ${from.page}` : "", (from.heading ?? []).join(" › ")].filter(Boolean).join(" · ")],
    ["chunk", code(from.chunk ?? "")],
    ...(from.related ?? []).map(([other, start, end]) => ["also shown", `${other}, characters ${count(start)} to ${count(end)}`]),
    ["written by", from.model ?? ""],
    ...(from.prompt ? [["prompt", make("span", "path", from.prompt), make("br"), code(from.prompt_sha256 ?? "")]] : []),
    ...(from.params ? [["parameters", Object.entries(from.params).map(([k, v]) => `${k} ${v}`).join(", ")]] : []),
    ...(from.call ? [["reply", code(from.call), ` in calls.sqlite, sample ${(from.index ?? 0) + 1} of it`]] : []),
    ...(from.earlier ?? []).map((call) => ["earlier reply", code(call)]),
    ...(s.parent ? [["made from", code(s.parent)]] : []),
    ...(s.family ? [["task family", words(s.family)]] : []),
    ...Object.entries(s.attributes ?? {}).map(([k, v]) => [words(k), words(v)]),
    ...(s.rubric ? [["rubric", s.rubric]] : []),
    ...(s.found ?? []).map(([kind, action, n]) => ["found", `${words(kind)}: ${count(n)} (${action === "none" ? "counted" : action})`]),
  ]));
};

const judgesOf = (s) => {
  const body = make("tbody");
  for (const j of s.judges) {
    const told = [points(j.scores), j.why, ...Object.entries(j.reasons ?? {}).map(([k, v]) => `${words(k)}: ${v}`)];
    if (j.variance) told.push(`variance: ${points(j.variance)}`);
    const cell = make("td");
    for (const text of told.filter(Boolean)) cell.append(make("p", "", text));
    const name = make("th", "", j.model);
    name.scope = "row";
    body.append(make("tr", "", name, make("td", "n", String(j.score)), make("td", "", words(j.mode)), cell));
  }
  const heads = make("tr");
  for (const name of ["judge", "score", "mode", "what it said"]) {
    const head = make("th", name === "score" ? "n" : "", name);
    head.scope = "col";
    heads.append(head);
  }
  const spread = s.spread === undefined ? "" : `, ${s.spread} points apart`;
  const table = make("table", "small", make("caption", "", `What each judge said${spread}`), make("thead", "", heads), body);
  return unfold(`${count(s.judges.length)} ${s.judges.length === 1 ? "judgement" : "judgements"}${spread}`, make("div", "scroll", table));
};

const claimsOf = (s) => {
  const list = make("ul", "claims");
  for (const [text, supported, quote, stands] of s.claims) {
    const item = make("li", "", make("strong", "", supported ? "Supported" : "Not supported"), `: ${text}`);
    if (quote) item.append(make("span", "soft", ` “${quote}”${stands ? "" : " (does not stand in the source)"}`));
    list.append(item);
  }
  const good = s.claims.filter((claim) => claim[1]).length;
  return unfold(`${count(good)} of ${count(s.claims.length)} claims supported`, list);
};

// told: what the list says of the sample (path, outcome, recipe, split, score, id, rows); s: its texts, if packed.
const card = (told, s) => {
  const article = make("article", "sample");
  const link = make("a", "", `Sample ${told.id}`);
  link.href = `#id=${encodeURIComponent(told.id)}`;
  const title = make("h3", "title", link);
  if (told.rows.length) title.append(` · ${told.rows.join(" · ")}`);
  const facts = make("p", "facts", make("span", told.outcome === "kept" ? "chip" : "chip out", words(told.outcome)), make("span", "chip", told.recipe), make("span", "chip", told.split));
  if (told.score >= 0) facts.append(make("strong", "", (told.score / 100).toFixed(2)));
  article.append(title, facts);
  if (!s) {
    article.append(make("p", "place path", told.path), make("p", "soft", told.rows.length ? "Its text is not in this page; the file above has it." : "Its text is not in this page; the run folder has it."));
    return article;
  }
  if (s.scores) facts.append(` · ${points(s.scores)}`);
  if (s.scored_by === "heuristic") facts.append(" · heuristic");
  if (s.verdict?.[2]) article.append(make("p", "evidence", s.verdict[2]));
  const said = make("div");
  for (const [role, text, literal] of s.turns ?? []) {
    said.append(fill(make("p", role === "assistant" ? "answer" : "question"), text, literal));
  }
  if (s.more_turns) said.append(make("p", "soft", `and ${count(s.more_turns)} more turns`));
  if (s.rejected) {
    const [text, flaw, score] = s.rejected;
    said.append(make("p", "evidence", `Dispreferred reply: ${words(flaw)}${score === null ? "" : `, score ${score}`}`), make("p", "answer soft", text));
  }
  if (s.why) said.append(make("p", "soft why", s.why));
  const where = [s.from.page ? `page ${s.from.page}` : "", (s.from.heading ?? []).join(" › ")].filter(Boolean).join(" · ");
  const beside = make("div", "", make("span", "place", make("span", "path", told.path), where ? ` · ${where}` : ""), s.passage[0] ? sourceOf(s) : make("p", "soft", "No source passage."));
  article.append(make("div", "pair", said, beside));
  if (s.review) {
    const [decision, people, note, before] = s.review;
    article.append(make("p", "evidence", `${decision[0].toUpperCase()}${decision.slice(1)} by ${people.join(", ")}${note ? `: ${note}` : ""}`));
    if (before.length) article.append(unfold("Before the edit", ...before.map(([role, text]) => make("p", role === "assistant" ? "answer" : "question", text))));
  }
  if (s.claims) article.append(claimsOf(s));
  if (s.judges) article.append(judgesOf(s));
  article.append(lineageOf(s, told.path));
  return article;
};
