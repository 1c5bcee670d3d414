"use strict";
(() => {
  const PAGE = 10;
  const byId = (id) => document.getElementById(id);
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const words = (name) => name.replaceAll("_", " ");
  const count = (n) => n.toLocaleString("en");

  // Light or dark: what the system says, until the button says otherwise.
  const root = document.documentElement;
  const theme = byId("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  const remember = (value) => { try { localStorage.setItem("datagen-theme", value); } catch { /* kept for this visit only */ } };
  try {
    const stored = localStorage.getItem("datagen-theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch { /* a page from disk may have no storage */ }
  theme.hidden = false;
  label();
  system.addEventListener("change", label);
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    label();
  });

  // The contents show where the reader is.
  const links = new Map([...document.querySelectorAll(".toc ol a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const a of links.values()) a.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const id of links.keys()) seen.observe(byId(id));

  // On paper everything is open.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const d of closed) d.open = true;
  });
  addEventListener("afterprint", () => { for (const d of closed) d.open = false; });

  // The samples.
  const samples = JSON.parse(byId("embedded").textContent);
  const form = byId("filters");
  const list = byId("list");
  const outcome = (s) => (s.verdict ? s.verdict.reason : "kept");
  let texts = null;
  let found = samples;
  let start = 0;

  const options = (name, values, all) => {
    const select = form.elements[name];
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    select.append(new Option(all, ""));
    for (const [value, n] of [...counts].sort()) select.append(new Option(`${words(value)} (${count(n)})`, value));
  };

  const textOf = (s) => [s.path, ...s.turns.map((t) => t[1].map((piece) => piece[0]).join(""))].join("\n").toLowerCase();

  const filter = () => {
    const value = (name) => form.elements[name].value;
    const wanted = value("text").toLowerCase().split(/\s+/).filter(Boolean);
    if (wanted.length && !texts) texts = new Map(samples.map((s) => [s, textOf(s)]));
    found = samples.filter((s) =>
      (!value("outcome") || outcome(s) === value("outcome")) &&
      (!value("recipe") || s.recipe === value("recipe")) &&
      (!value("split") || s.split === value("split")) &&
      wanted.every((word) => texts.get(s).includes(word)));
    const order = value("order");
    if (order) {
      const sign = order === "high" ? -1 : 1;
      found = found.filter((s) => s.score !== null).sort((a, b) => sign * (a.score - b.score));
    }
    start = 0;
    show();
  };

  // Pieces of text: 1 is quoted, 2 is code or a table.
  const fill = (node, pieces) => {
    for (const [text, flags] of pieces) node.append(flags ? make(flags & 1 ? "mark" : "span", flags & 2 ? "literal" : "", text) : text);
    return node;
  };

  const source = (s) => {
    const box = make("details");
    box.append(make("summary", "", "Source passage"));
    const quote = make("blockquote", "source");
    fill(quote, s.source);
    box.append(quote);
    return box;
  };

  const card = (s) => {
    const article = make("article", "sample");
    const place = [s.path, s.page ? `page ${s.page}` : "", s.heading.join(" › ")].filter(Boolean).join(" · ");
    article.append(make("span", "place path", place));
    for (const [role, pieces] of s.turns) article.append(fill(make("p", role === "assistant" ? "answer" : "question"), pieces));
    if (s.more_turns) article.append(make("p", "soft", `and ${count(s.more_turns)} more turns`));
    if (s.rejected) {
      article.append(make("p", "evidence", `dispreferred reply: ${words(s.rejected.flaw)}`), make("p", "answer soft", s.rejected.content));
    }
    const facts = make("p", "facts");
    facts.append(make("span", s.verdict ? "chip out" : "chip", words(outcome(s))), make("span", "chip", s.recipe), make("span", "chip", s.split));
    if (s.score !== null) {
      facts.append(make("strong", "", s.score.toFixed(2)));
      facts.append(Object.entries(s.scores).map(([k, v]) => ` · ${words(k)} ${v}`).join(""));
      if (s.scored_by === "heuristic") facts.append(" · heuristic");
    }
    article.append(facts);
    if (s.verdict && s.verdict.evidence) article.append(make("p", "evidence", s.verdict.evidence));
    if (s.why) article.append(make("p", "soft why", s.why));
    if (s.source.length) article.append(source(s));
    return article;
  };

  const show = () => {
    list.replaceChildren(...found.slice(start, start + PAGE).map(card));
    const end = Math.min(start + PAGE, found.length);
    byId("found").textContent = found.length === samples.length ? "" : `${count(found.length)} of ${count(samples.length)} match.`;
    byId("where").textContent = found.length ? `${count(start + 1)} – ${count(end)} of ${count(found.length)}` : "";
    byId("before").disabled = start === 0;
    byId("after").disabled = end >= found.length;
    byId("pager").hidden = found.length <= PAGE;
  };

  const turn = (by) => {
    start += by;
    show();
    byId("samples").scrollIntoView({ block: "start" });
  };

  if (samples.length) {
    form.hidden = false;
    options("outcome", samples.map(outcome), "all");
    options("recipe", samples.map((s) => s.recipe), "all");
    options("split", samples.map((s) => s.split), "all");
    form.addEventListener("submit", (event) => event.preventDefault());
    let waiting = 0;
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
    byId("before").addEventListener("click", () => turn(-PAGE));
    byId("after").addEventListener("click", () => turn(PAGE));
    show();
  }
})();
