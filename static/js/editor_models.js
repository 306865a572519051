// The model picker: one list for all cards, searched by name, provider or address.
import { touched } from "./editor_save.js";

const LEAST = 200; // pixels: the search and two models
const picker = document.getElementById("model-picker");
const search = document.getElementById("model-search");
const list = document.getElementById("model-list");
const none = document.getElementById("model-none");
let button = null; // whose model is chosen
let active = null;
let isAbove = false; // where the list opened: there it stays, whatever the search leaves of it

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
  const { top, bottom } = by.getBoundingClientRect();
  isAbove = bottom + picker.offsetHeight + 8 > innerHeight && top > innerHeight - bottom;
  picker.style.height = `${picker.offsetHeight}px`;
  place();
  const current = options().find((option) => option.dataset.model === now);
  activate(current ?? shown()[0]);
  search.focus();
}

// At its button, with the edge that is next to it; only where there is no room for a few lines it covers the button.
function place() {
  const box = button.getBoundingClientRect();
  const room = Math.max(isAbove ? box.top - 12 : innerHeight - box.bottom - 12, LEAST);
  const edge = isAbove ? innerHeight - box.top + 4 : box.bottom + 4;
  const kept = `${Math.max(8, Math.min(edge, innerHeight - Math.min(picker.offsetHeight, room) - 8))}px`;
  picker.style.maxHeight = `min(26rem, ${room}px)`;
  picker.style.left = `${Math.max(8, Math.min(box.left, innerWidth - picker.offsetWidth - 8))}px`;
  Object.assign(picker.style, isAbove ? { top: "auto", bottom: kept } : { top: kept, bottom: "auto" });
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

// The list stands at the end of the page: the tab key goes on from the button instead.
function leave() {
  picker.hidePopover();
  button.focus();
}

function pressed(event) {
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && active) pick(active);
  else if (event.key === "Tab") return leave();
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
  window.addEventListener("resize", () => picker.matches(":popover-open") && place());
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  search.addEventListener("keydown", pressed);
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[data-model]");
    if (option) pick(option);
  });
  picker.addEventListener("toggle", (event) => event.newState === "closed" && document.activeElement === document.body && button?.focus());
}
