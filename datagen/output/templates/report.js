// The page itself: theme, contents, printing. What the other scripts share is made here.
const byId = (id) => document.getElementById(id);
const make = (tag, name, ...inside) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...inside.filter((part) => part !== undefined && part !== ""));
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
