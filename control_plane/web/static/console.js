// What a page does beyond HTML: every page works without it. No eval, no inline handlers, no other host.
"use strict";

// Somebody who is on the way to another page is not taken elsewhere. (A download looks the same and is over soon.)
let left = -Infinity;
addEventListener("beforeunload", () => { left = performance.now(); });
const leaving = () => performance.now() - left < 5000;

// A part of a page that is at work looks again by itself, while somebody looks at it.
async function look(part) {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (leaving()) return;
    if (answer.redirected && answer.url.split(/[?#]/)[0] !== location.href.split(/[?#]/)[0]) return location.replace(answer.url);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = answer.ok && page.getElementById(part.id);
    if (fresh) {
      part.replaceChildren(...fresh.childNodes);
      if (!fresh.dataset.live) part.removeAttribute("data-live");
    }
  } catch { /* the next look may succeed */ }
}
function follow(part) {
  const again = () => part.dataset.live && setTimeout(async () => {
    const busy = part.dataset.quiet !== undefined && part.contains(document.activeElement);
    if (!document.hidden && !busy) await look(part);
    again();
  }, Number(part.dataset.live) * 1000);
  again();
}

// A run tells what it does, event by event; where that does not work, the page looks again instead.
function listen(part) {
  let source, last = Number(part.dataset.last);
  const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body.childNodes;
  const closed = () => source && source.readyState === EventSource.CLOSED;
  function open() {
    source = new EventSource(`${part.dataset.stream}?after=${last}`);
    source.addEventListener("line", (event) => {
      const { number, at, text } = JSON.parse(event.data);
      if (number <= last) return;
      last = number;
      const item = document.createElement("li"), link = document.createElement("a");
      item.id = `e${number}`;
      link.href = `#e${number}`;
      link.textContent = number;
      const when = document.createElement("span"), what = document.createElement("span");
      when.className = "at";
      when.textContent = at;
      what.textContent = text;
      item.append(link, " ", when, " ", what);
      part.querySelector("[data-lines]")?.append(item);
    });
    source.addEventListener("head", (event) =>
      part.querySelector("[data-head]")?.replaceChildren(...parsed(JSON.parse(event.data))));
    source.addEventListener("end", () => { stop(); look(part).then(() => follow(part)); });
    source.onerror = () => { if (closed()) { stop(); follow(part); } };
  }
  const turn = () => { if (document.hidden) source.close(); else if (closed()) open(); };
  function stop() {
    source.close();
    document.removeEventListener("visibilitychange", turn);
  }
  document.addEventListener("visibilitychange", turn);
  open();
}
document.querySelectorAll("[data-live]").forEach((part) => (part.dataset.stream && window.EventSource ? listen : follow)(part));

// A choice of a filter takes effect at once; without this, the button does it.
document.querySelectorAll("[data-submit]").forEach((choice) =>
  choice.addEventListener("change", () => choice.form.requestSubmit()));

// Print, where a page is made for it.
document.querySelectorAll("[data-print]").forEach((button) => { button.hidden = false; button.addEventListener("click", () => print()); });

// Everything that is wrong is read first.
document.querySelector("[data-focus]")?.focus();

// Ctrl-K: search; Escape or a click elsewhere: menus close.
const seek = document.querySelector("[data-seek]");
document.addEventListener("keydown", (event) => {
  if (seek && event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    seek.focus();
    seek.select();
  }
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  }
});
document.addEventListener("click", (event) =>
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  }));

// Keys for lists: j and k go from row to row (of a review: from part to part), Enter opens what has the focus, x chooses,
// / goes to the filter, ? says all this. None changes anything; who does not want them switches them off.
const keys = document.getElementById("keys"), wanted = () => { try { return localStorage.keys !== "off"; } catch { return true; } };
const ROWS = ".cards tbody tr, .rows > li, .needs > li";
function step(by) {
  const parts = [...document.querySelectorAll("section.block")];
  const rows = (parts.length ? parts : [...document.querySelectorAll(ROWS)]).filter((row) => row.offsetParent);
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  if (!row) return;
  const target = (!parts.length && row.querySelector("a[href]")) || row;
  if (target === row) row.tabIndex = -1;
  target.focus({ focusVisible: true });
  row.scrollIntoView({ block: "nearest" });
}
const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  x: () => document.activeElement.closest(`${ROWS}, section.block`)?.querySelector("input[type=checkbox]")?.click(),
  "/": () => (document.querySelector(".filters input[type=search]") || seek)?.focus(),
  "?": () => keys.showModal(),
};
if (keys) {
  const choice = keys.querySelector("input");
  choice.checked = wanted();
  choice.addEventListener("change", () => { try { localStorage.keys = choice.checked ? "on" : "off"; } catch { /* for this page only */ } });
  document.querySelectorAll("[data-keys]").forEach((button) => { button.hidden = false; button.addEventListener("click", () => keys.showModal()); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || keys.open || !choice.checked) return;
    const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}

// A form is sent once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () =>
  document.querySelectorAll("form[data-sent]").forEach((form) => form.removeAttribute("data-sent")));

// A draft keeps itself whenever a field is left, and says so; what is wrong with the fields left so far is said beside them.
document.querySelectorAll("form[data-draft]").forEach((form) => {
  const said = form.querySelector("[data-saved]"), left = new Set();
  let work = Promise.resolve(), soon = 0, busy = 0;
  async function keep() {
    const content = new URLSearchParams(new FormData(form));
    content.set("act", "keep");
    const answer = await fetch(form.action, { method: "POST", body: content, redirect: "error" });
    if (!answer.ok && answer.status !== 409) throw new Error(answer.status);
    const told = await answer.json();
    said.textContent = told.saved;
    form.elements.version.value = told.version || form.elements.version.value;
    left.forEach((id) => tell(id, told.problems[id]));
  }
  function tell(id, problem) {
    const line = document.getElementById(`${id}-problem`), field = document.getElementById(id);
    if (!line || !field) return;
    line.hidden = !problem;
    line.textContent = problem || "";
    field.classList.toggle("is-invalid", Boolean(problem));
    if (problem) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
  }
  form.addEventListener("change", (event) => {
    if (form.dataset.sent || !event.target.name) return;
    left.add(event.target.id);
    clearTimeout(soon);
    soon = setTimeout(() => {
      busy += 1;
      work = work.then(keep).catch(() => { said.textContent = said.dataset.saved; }).then(() => { busy -= 1; });
    }, 200);
  });
  form.addEventListener("submit", (event) => {
    clearTimeout(soon);
    if (!busy) return;
    event.preventDefault();  // what it keeps just now is of this window: the form goes after it, with the version of then
    event.stopPropagation();
    work.then(() => form.requestSubmit(event.submitter));
  });
});
