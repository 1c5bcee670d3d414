// Elements, made of plain text alone: nothing here or elsewhere on the page reads text as markup.

export const $ = (id) => document.getElementById(id);

/** An element. `given`: attributes; `class`, `on` (listeners) and booleans are what they are called. */
export function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (key === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== "").map(
    (child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

export const count = (n) => Number(n).toLocaleString("en");
export const score = (x) => (x === null || x === undefined ? "–" : String(Math.round(x * 100) / 100));
