// What the page asks of the server. Decisions go out one after another, each until it is acknowledged.

export class Refused extends Error {
  constructor(status, told) { super(told.error || `The server says ${status}.`); this.status = status; this.told = told; }
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  let told = {};
  try { told = await reply.json(); } catch { told = {}; }
  if (!reply.ok) throw new Refused(reply.status, told);
  return told;
}

export const get = (path) => ask(path);
export const post = (path, body) => ask(path, body);
export const newAct = () => crypto.randomUUID();

const waiting = [];
let reviewer = "";

/** Who acts: said again to a server that was started again. */
export function actAs(name) { reviewer = name; }

let busy = false;
let listener = () => {};

/** Called with (how many wait, why) whenever that changes; why is "" while all goes well. */
export function onWaiting(call) { listener = call; }
export const unsaved = () => waiting.length;

/** Send in order. `make` gives the body at the moment it is sent, and `got` takes the answer before the next one is
 * made; rejects with Refused. */
export function send(path, make, got = () => {}) {
  return new Promise((done, failed) => { waiting.push({ path, make, got, done, failed }); drain(); });
}

async function drain() {
  if (busy) return;
  busy = true;
  let pause = 250;
  while (waiting.length) {
    const { path, make, got, done, failed } = waiting[0];
    try {
      const told = await ask(path, { ...make(), reviewer });
      waiting.shift();
      got(told);
      pause = 250;
      listener(waiting.length, "");
      done(told);
    } catch (error) {
      if (error instanceof Refused && error.status === 428) {
        try { await ask("/api/name", { name: reviewer }); continue; } catch { /* told below */ }
      }
      const lasting = error instanceof Refused && ![401, 428, 500, 502, 503].includes(error.status);
      if (lasting) { waiting.shift(); listener(waiting.length, ""); failed(error); continue; }
      listener(waiting.length, !(error instanceof Refused) ? "the server does not answer; they are sent as soon as it does"
        : error.status === 401 ? "the server was started again: open its new link in another tab, and this page goes on"
          : error.message);
      await new Promise((later) => setTimeout(later, pause));
      pause = Math.min(3000, pause * 2);
    }
  }
  busy = false;
}
