"use strict";
// Light or dark: what the system says, until the button says otherwise.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  label();
  system.addEventListener("change", label);
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
})();
