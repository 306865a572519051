// The model picker: one list for all cards, searched by name, provider or address.
import { touched } from "./editor_save.js";

const LEAST = 200; // pixels: the search and two models
const EDGE = 8; // pixels around the list
const GAP = 4; // pixels between the list and its button
const picker = document.getElementById("model-picker");
const search = document.getElementById("model-search");
const list = document.getElementById("model-list");
const none = document.getElementById("model-none");
const clear = document.getElementById("model-clear");
let button = null; // whose model is chosen
let active = null;
let isAbove = false; // there it stays, whatever the search leaves of it, until the window changes

const options = () => [...list.querySelectorAll("[data-model]")];
const shown = () => options().filter((option) => !option.hidden);

function open(by) {
  button = by;
  const now = by.parentElement.querySelector("[data-field=model]").value;
  options().forEach((option) => option.setAttribute("aria-selected", String(option.dataset.model === now)));
  search.value = "";
  filter();
  for (const side of ["height", "maxHeight"]) picker.style[side] = "";
  picker.showPopover();
  picker.style.height = `${picker.offsetHeight}px`;
  settle();
  begin();
}

// Below its button if it has room there, or more than above.
function settle() {
  const { above, below } = rooms();
  isAbove = below < picker.offsetHeight && above > below;
  place();
}

// At the model that the agent has, or at the first.
function begin() {
  activate(options().find((option) => option.getAttribute("aria-selected") === "true") ?? shown()[0]);
  search.focus();
}

// What the bars of the editor leave of the window; in a window that is all bars it covers them.
function limits() {
  const ceiling = document.querySelector(".editor-bar").getBoundingClientRect().bottom;
  const sheet = document.querySelector("[data-aside-toggle]").getBoundingClientRect();
  const floor = sheet.height ? sheet.top : innerHeight;
  return floor - ceiling < LEAST + 2 * EDGE ? { ceiling: 0, floor: innerHeight } : { ceiling, floor };
}

function rooms() {
  const { ceiling, floor } = limits();
  const { top, bottom } = button.getBoundingClientRect();
  return { above: top - ceiling - EDGE - GAP, below: floor - bottom - EDGE - GAP };
}

// At its button, with the edge that is next to it; only where there is no room for a few lines it covers the button.
function place() {
  const box = button.getBoundingClientRect();
  const { ceiling, floor } = limits();
  const { above, below } = rooms();
  picker.style.maxHeight = `min(26rem, ${Math.max(isAbove ? above : below, LEAST)}px)`;
  const top = isAbove ? box.top - GAP - picker.offsetHeight : box.bottom + GAP;
  picker.style.top = `${Math.max(ceiling + EDGE, Math.min(top, floor - EDGE - picker.offsetHeight))}px`;
  picker.style.left = `${Math.max(EDGE, Math.min(box.left, innerWidth - picker.offsetWidth - EDGE))}px`;
}

// The button goes with the page, and the list with its button; over its own lines one scrolls without that.
function follow({ target }) {
  if (picker.matches(":popover-open") && !picker.contains(target)) place();
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const option of options()) option.hidden = !words.every((word) => option.dataset.words.includes(word));
  none.hidden = shown().length > 0 || options().length === 0;
  activate(shown()[0]);
}

function activate(option) {
  active?.removeAttribute("data-active");
  active = option ?? null;
  active?.setAttribute("data-active", "");
  active?.scrollIntoView({ block: "nearest" });
  if (active) search.setAttribute("aria-activedescendant", active.id);
  else search.removeAttribute("aria-activedescendant");
}

function move(by) {
  const all = shown();
  if (all.length) activate(all[(all.indexOf(active) + by + all.length) % all.length]);
}

function pick(option) {
  const input = button.parentElement.querySelector("[data-field=model]");
  input.value = option.dataset.model;
  button.replaceChildren(...option.querySelector(".model-option-label").cloneNode(true).childNodes);
  touched(input, 0);
  picker.hidePopover();
}

// The list stands at the end of the page: the tab key goes on from the button instead, past what clears the search.
function leave(event) {
  if (!none.hidden && (event.target === clear) === event.shiftKey) return;
  picker.hidePopover();
  button.focus();
}

function pressed(event) {
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && active) pick(active);
  else if (event.key === "Tab") return leave(event);
  else return;
  event.preventDefault();
}

export function start() {
  document.addEventListener("click", (event) => {
    const by = event.target.closest("[data-model-pick]");
    if (by) open(by);
  });
  document.addEventListener("editor:set", (event) => {
    if (event.target.dataset.field !== "model") return;
    const option = options().find((one) => one.dataset.model === event.target.value);
    const label = event.target.parentElement.querySelector("[data-model-pick]");
    if (option) label.replaceChildren(...option.querySelector(".model-option-label").cloneNode(true).childNodes);
  });
  search.addEventListener("input", filter);
  window.addEventListener("resize", () => picker.matches(":popover-open") && settle());
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  clear.addEventListener("click", () => {
    search.value = "";
    filter();
    begin();
  });
  picker.addEventListener("keydown", pressed);
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-model]");
    if (option) pick(option);
  });
  picker.addEventListener("toggle", (event) => event.newState === "closed" && document.activeElement === document.body && button?.focus());
}
