// Names in prompts: marked where they stand, offered while one types {{, put in by a chip.
import { state } from "./editor_faults.js";

const NAME = /\\\{\{|\{\{([^{}]*)\}\}/g;
const BEGUN = /\{\{\s*([A-Za-z0-9_.-]*)$/;
const LONGEST_NAME = 120;
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const list = document.getElementById("offers");
const entered = new WeakSet(); // the texts in which somebody has put the caret
let field = null; // the text that the list belongs to
let chosen = 0;

const namesOf = (area) => state.names[area.closest("[data-agent]").dataset.agent] ?? [];

export function mark(area) {
  const back = area.previousElementSibling;
  const names = new Set(namesOf(area));
  const parts = [];
  let at = 0;
  for (const found of area.value.matchAll(NAME)) {
    if (found[1] === undefined) continue;
    parts.push(area.value.slice(at, found.index), markOf(found[0], names.has(found[1].trim())));
    at = found.index + found[0].length;
  }
  // A last line that is empty has no height of its own.
  back.replaceChildren(...parts, `${area.value.slice(at)}\u200b`);
}

function markOf(text, isKnown) {
  const element = document.createElement("mark");
  element.textContent = text;
  element.dataset.known = isKnown;
  return element;
}

function showChips(card) {
  const row = card.querySelector("[data-names-row]");
  const names = state.names[card.dataset.agent] ?? [];
  const present = [...row.querySelectorAll("[data-name]")].map((chip) => chip.dataset.name);
  if (present.join() === names.join()) return;
  row.querySelectorAll("[data-name]").forEach((chip) => chip.remove());
  row.append(
    ...names.map((name, place) => {
      const chip = document.createElement("button");
      Object.assign(chip, { type: "button", className: "name-chip", textContent: name, tabIndex: place ? -1 : 0 });
      chip.dataset.name = name;
      return chip;
    }),
  );
}

// The list

function offer(area) {
  const before = area.value.slice(Math.max(0, area.selectionStart - LONGEST_NAME), area.selectionStart);
  const begun = BEGUN.exec(before);
  const names = begun ? namesOf(area).filter((name) => name.includes(begun[1].toLowerCase())) : [];
  if (!names.length) return close();
  field = area;
  list.replaceChildren(
    ...names.map((name, index) => {
      const option = document.createElement("li");
      Object.assign(option, { id: `offer-${index}`, textContent: `{{${name}}}`, role: "option" });
      option.dataset.offer = name;
      return option;
    }),
  );
  list.hidden = false;
  area.setAttribute("aria-controls", "offers");
  place(area);
  choose(0);
}

function place(area) {
  const caret = caretBox(area);
  const width = list.offsetWidth;
  // In a narrow window the way to the plan lies over the lower edge.
  const bar = document.querySelector(".aside-toggle");
  const floor = bar?.offsetHeight ? bar.getBoundingClientRect().top : innerHeight;
  const below = caret.bottom + list.offsetHeight + 8 < floor;
  list.style.left = `${Math.max(8, Math.min(caret.left, innerWidth - width - 8))}px`;
  list.style.top = `${below ? caret.bottom + 4 : caret.top - list.offsetHeight - 4}px`;
}

// The marked text lies exactly behind the field: where the caret would be in it, it is.
function caretBox(area) {
  const walker = document.createTreeWalker(area.previousElementSibling, NodeFilter.SHOW_TEXT);
  let left = area.selectionStart;
  while (walker.nextNode()) {
    const { length } = walker.currentNode;
    if (left <= length) {
      const range = document.createRange();
      range.setStart(walker.currentNode, left);
      range.collapse(true);
      return range.getBoundingClientRect();
    }
    left -= length;
  }
  return area.getBoundingClientRect();
}

function choose(index) {
  chosen = (index + list.children.length) % list.children.length;
  [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
  list.children[chosen].scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", `offer-${chosen}`);
}

function close() {
  list.hidden = true;
  field?.removeAttribute("aria-activedescendant");
  field = null;
}

function accept(name) {
  const area = field;
  const end = area.selectionStart;
  const start = area.value.slice(0, end).lastIndexOf("{{");
  const rest = /^\s*\}\}/.exec(area.value.slice(end));
  close();
  insert(area, `{{${name}}}`, start, end + (rest ? rest[0].length : 0));
}

// As if it had been typed, so that the browser's own undo takes it back.
function insert(area, text, start, end) {
  area.focus();
  area.setSelectionRange(start, end);
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, start, end, "end");
  area.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

function pressed(event) {
  if (!field || event.target !== field || event.isComposing) return;
  const moves = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in moves) choose(chosen + moves[event.key]);
  else if (event.key === "Enter" || event.key === "Tab") accept(list.children[chosen].dataset.offer);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

export function start() {
  const isPrompt = (element) => element.matches?.("[data-offers]");
  document.addEventListener("keydown", pressed, { capture: true });
  document.addEventListener("input", (event) => {
    if (!isPrompt(event.target)) return;
    mark(event.target);
    offer(event.target);
  });
  document.addEventListener("editor:set", (event) => isPrompt(event.target) && mark(event.target));
  document.addEventListener("focusout", (event) => event.target === field && close());
  document.addEventListener("scroll", () => field && close(), { capture: true, passive: true });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const option = event.target.closest("[data-offer]");
    if (option) accept(option.dataset.offer);
  });
  document.addEventListener("focusin", (event) => isPrompt(event.target) && entered.add(event.target));
  document.addEventListener("mousedown", (event) => event.target.closest("[data-name]") && event.preventDefault());
  document.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-name]");
    if (chip) putIn(chip);
  });
  document.addEventListener("keydown", (event) => {
    const chip = event.target.closest("[data-name]");
    if (chip && event.key in STEPS) walk(chip, STEPS[event.key]);
  });
}

function putIn(chip) {
  const area = chip.closest(".prompt-field").querySelector("[data-offers]");
  const end = area.value.length;
  const [from, to] = entered.has(area) ? [area.selectionStart, area.selectionEnd] : [end, end];
  insert(area, `{{${chip.dataset.name}}}`, from, to);
}

// A row of chips is one stop of the tab key; arrows lead along it.
function walk(chip, step) {
  const chips = [...chip.parentElement.querySelectorAll("[data-name]")];
  const next = chips[(chips.indexOf(chip) + step + chips.length) % chips.length];
  for (const one of chips) one.tabIndex = one === next ? 0 : -1;
  next.focus();
}

export function refresh() {
  for (const card of document.querySelectorAll(".agent-card")) {
    showChips(card);
    mark(card.querySelector("[data-offers]"));
  }
}
