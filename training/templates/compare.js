"use strict";
(() => {
  const all = [...document.querySelectorAll(".shown")];
  const filters = document.getElementById("filters");
  if (!filters) return;
  filters.hidden = false;
  const search = document.getElementById("search");
  const family = document.getElementById("family");
  const count = document.getElementById("count");
  const text = new Map(all.map((one) => [one, one.textContent.toLowerCase()]));
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    let left = 0;
    for (const one of all) {
      const fits = text.get(one).includes(wanted) && (!family || !family.value || one.dataset.family === family.value);
      one.hidden = !fits;
      left += fits ? 1 : 0;
    }
    count.textContent = `${left} of ${all.length}`;
  };
  search.addEventListener("input", filter);
  if (family) family.addEventListener("change", filter);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !["j", "k"].includes(event.key)) return;
    const seen = all.filter((one) => !one.hidden);
    const at = seen.indexOf(document.activeElement.closest(".shown"));
    const next = seen[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
    if (next) {
      next.focus();
      next.scrollIntoView({ block: "start" });
    }
  });
  filter();
})();
