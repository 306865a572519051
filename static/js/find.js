// Find in session: the server finds, in runs too that are not on the page; here the hits are led to and marked.
import { say } from "./announcer.js";
import { onKey } from "./keys.js";
import { loadUntil } from "./older.js";
import { gap } from "./page.js";
import { rangesOf } from "./readable.js";
import { callColumn } from "./strip.js";

const ASK_PAUSE_MS = 2_000;
const canMark = "highlights" in CSS;
const panel = document.getElementById("find");
const field = panel?.querySelector("input");
const results = document.getElementById("find-hits");
const hits = () => [...results.querySelectorAll("[data-hit]")];
let marks = new Map(); // where hits stand on the page → the ranges of the words there
let current = -1;
let chosen = null; // the id of the current hit, also when the list is drawn anew
let opener = null;
let sought = ""; // the words whose hits stand there
let isAwaited = false; // somebody wants to go to the first of them
let told = ""; // the list as the server sent it
let asking = null;

function open() {
  if (panel.hidden) opener = document.activeElement;
  panel.hidden = false;
  field.select();
  field.focus();
  watcher.observe(document.getElementById("runs"), { childList: true, subtree: true });
  if (!field.value) return;
  mark();
  ask();
}

function close() {
  panel.hidden = true;
  isAwaited = false;
  watcher.disconnect();
  unmark();
  if (opener?.isConnected) opener.focus({ preventScroll: true });
}

function ask() {
  asking = null;
  if (!panel.hidden && field.value) htmx.trigger(field.form, "submit");
}

// Answers grow and runs come: what is marked stays marked, and what is new is found.
const watcher = new MutationObserver((changes) => {
  const places = placesOfHits();
  if (places.size !== marks.size || [...places].some((place) => !marks.has(place))) mark();
  else {
    const changed = [...places].filter((place) => changes.some(({ target }) => place.contains(target)));
    for (const place of changed) marks.set(place, rangesOf(place, sought));
    if (changed.length) paint();
  }
  const hasNews = changes.some(({ target }) => target.id === "runs" || target.closest("[data-answer]"));
  if (hasNews) asking ??= setTimeout(ask, ASK_PAUSE_MS);
});

// The list steps aside for what it led to.
function showList(isShown) {
  results.hidden = !isShown;
  panel.querySelector("[data-find-list]").setAttribute("aria-expanded", String(isShown));
}

function unmark() {
  marks = new Map();
  if (!canMark) return;
  CSS.highlights.delete("find");
  CSS.highlights.delete("find-current");
}

// Where the text of a hit stands on the page, if its run is there.
function placeOf({ dataset }) {
  if (dataset.stepId) return document.getElementById(`step-${dataset.stepId}-answer`);
  return document.querySelector(`#run-${dataset.runId} .message-text`);
}

function placesOfHits() {
  return new Set(hits().map(placeOf).filter(Boolean));
}

function mark() {
  marks = new Map([...placesOfHits()].map((place) => [place, rangesOf(place, sought)]));
  paint();
}

function paint() {
  if (!canMark || panel.hidden) return;
  const all = new Highlight();
  for (const ranges of marks.values()) for (const range of ranges) all.add(range);
  CSS.highlights.set("find", all);
  const range = rangeOf(hits()[current]);
  if (range) CSS.highlights.set("find-current", new Highlight(range));
  else CSS.highlights.delete("find-current");
}

function rangeOf(hit) {
  const ranges = marks.get(hit && placeOf(hit)) ?? [];
  return ranges[Math.min(Number(hit?.dataset.nth), ranges.length - 1)];
}

function showCount() {
  const count = hits().length;
  panel.querySelector("[data-find-count]").textContent = !count ? "" : current < 0 ? `${count} found` : `${current + 1} of ${count}`;
}

function announce() {
  const sum = results.querySelector("[data-find-sum]");
  if (sum) say(sum.textContent);
}

function step(by) {
  const all = hits();
  if (all.length) goTo((current + by + all.length) % all.length);
}

function choose(index) {
  current = index;
  for (const other of hits()) other.removeAttribute("aria-current");
  const hit = hits()[current];
  chosen = hit?.id ?? null;
  hit?.setAttribute("aria-current", "true");
  showCount();
}

// A page of older runs does not bring those that it leaves out.
const isLeftOut = (run) => gap && gap[0] <= run && run <= gap[1];

async function goTo(index) {
  const hit = hits()[index];
  choose(index);
  hit.scrollIntoView({ block: "nearest" });
  showList(false);
  if (!placeOf(hit) && isLeftOut(Number(hit.dataset.runId))) {
    location.href = hit.href;
    return;
  }
  if (!placeOf(hit)) {
    panel.querySelector("[data-find-count]").textContent = "Loading…";
    await loadUntil(Number(hit.dataset.runId));
    showCount();
    mark();
  }
  if (chosen === hit.id) show(hit);
}

function show(hit) {
  const place = placeOf(hit);
  if (!place) return;
  place.closest(".band-fold").open = true;
  const column = place.closest(".column");
  if (column) callColumn(column, { takesFocus: false });
  paint();
  (column ? column.querySelector(".column-head") : place).scrollIntoView({ block: "nearest" });
  const range = rangeOf(hit);
  if (range) scrollTo(place, range);
}

// Blocks that were never in sight have only a guess of a height: look again when they are.
function scrollTo(place, range, isSecondLook = false) {
  range.startContainer.parentElement.scrollIntoView({ block: "nearest", inline: "nearest" });
  const at = range.getBoundingClientRect();
  const box = place.getBoundingClientRect();
  place.scrollTop += at.top - box.top - place.clientHeight / 3;
  if (!isSecondLook) requestAnimationFrame(() => scrollTo(place, range, true));
}

if (panel) {
  onKey("/", open);
  document.addEventListener("click", (event) => {
    const { target } = event;
    const hit = target.closest("#find-hits [data-hit]");
    const stepper = target.closest("[data-find-step]");
    if (hit || target.closest("[data-find-open]")) event.preventDefault();
    if (hit) goTo(hits().indexOf(hit));
    else if (stepper) step(Number(stepper.dataset.findStep));
    else if (target.closest("[data-find-list]")) showList(results.hidden);
    else if (target.closest("[data-find-open]")) open();
    else if (target.closest("[data-find-close]")) close();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === field && field.value !== sought) isAwaited = true;
    else if (event.key === "Enter" && event.target === field) step(event.shiftKey ? -1 : 1);
    else if (event.key === "ArrowDown" && event.target === field) showList(true);
    else return;
    event.preventDefault();
  });
  // The same words are asked again by themselves: then the list stays as it is, or as it was left.
  results.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const isSame = detail.requestConfig.parameters.q === sought;
    if (isSame && detail.serverResponse === told) detail.shouldSwap = false;
    told = detail.serverResponse;
  });
  results.addEventListener("htmx:afterSwap", ({ detail }) => {
    const words = detail.requestConfig.parameters.q;
    if (words === sought) {
      choose(hits().findIndex((hit) => hit.id === chosen));
      mark();
      return;
    }
    sought = words;
    choose(-1);
    showList(true);
    mark();
    announce();
    if (!isAwaited || field.value !== sought) return;
    isAwaited = false;
    step(1);
  });
}
