// Find in session: the server finds, in runs too that are not on the page; here the hits are led to and marked.
import { say } from "./announcer.js";
import { onKey } from "./keys.js";
import { loadUntil } from "./older.js";
import { callColumn } from "./strip.js";

const canMark = "highlights" in CSS;
const panel = document.getElementById("find");
const field = panel?.querySelector("input");
const results = document.getElementById("find-hits");
const hits = () => [...results.querySelectorAll("[data-hit]")];
let current = -1;
let opener = null;
let sought = ""; // the words whose hits stand there
let isAwaited = false; // somebody wants to go to the first of them

function open() {
  if (panel.hidden) opener = document.activeElement;
  panel.hidden = false;
  field.select();
  field.focus();
  if (field.value) mark();
}

function close() {
  panel.hidden = true;
  isAwaited = false;
  unmark();
  if (opener?.isConnected) opener.focus({ preventScroll: true });
}

// The list steps aside for what it led to.
function showList(isShown) {
  results.hidden = !isShown;
  panel.querySelector("[data-find-list]").setAttribute("aria-expanded", String(isShown));
}

function unmark() {
  if (!canMark) return;
  CSS.highlights.delete("find");
  CSS.highlights.delete("find-current");
}

// Where the text of a hit stands on the page, if its run is there.
function placeOf({ dataset }) {
  if (dataset.stepId) return document.getElementById(`step-${dataset.stepId}-answer`);
  return document.querySelector(`#run-${dataset.runId} .message-text`);
}

// The ranges of the words in an element's text, across whatever its Markdown made of it.
function rangesIn(element, words) {
  const nodes = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let text = "";
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, start: text.length });
    text += walker.currentNode.data;
  }
  const pattern = new RegExp(RegExp.escape?.(words) ?? words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
  let index = 0;
  const nodeAt = (place) => {
    while (nodes[index + 1]?.start <= place) index++;
    return [nodes[index].node, place - nodes[index].start];
  };
  return [...text.matchAll(pattern)].map((match) => {
    const range = document.createRange();
    range.setStart(...nodeAt(match.index));
    const [last, offset] = nodeAt(match.index + match[0].length - 1);
    range.setEnd(last, offset + 1);
    return range;
  });
}

function mark() {
  if (!canMark || panel.hidden) return;
  const places = new Set(hits().map(placeOf).filter(Boolean));
  const ranges = [...places].flatMap((place) => rangesIn(place, field.value.trim()));
  CSS.highlights.set("find", new Highlight(...ranges));
}

function showCount() {
  const sum = results.querySelector("[data-find-sum]");
  const count = hits().length;
  panel.querySelector("[data-find-count]").textContent = !count ? "" : current < 0 ? `${count} found` : `${current + 1} of ${count}`;
  if (sum && current < 0) say(sum.textContent);
}

function step(by) {
  const all = hits();
  if (all.length) goTo((current + by + all.length) % all.length);
}

async function goTo(index) {
  current = index;
  const hit = hits()[index];
  for (const other of hits()) other.toggleAttribute("aria-current", false);
  hit.setAttribute("aria-current", "true");
  hit.scrollIntoView({ block: "nearest" });
  showCount();
  showList(false);
  if (!placeOf(hit)) {
    panel.querySelector("[data-find-count]").textContent = "Loading…";
    await loadUntil(Number(hit.dataset.runId));
    showCount();
    mark();
  }
  if (hits()[current] === hit) show(hit);
}

function show(hit) {
  const place = placeOf(hit);
  if (!place) return;
  place.closest(".band-fold").open = true;
  const column = place.closest(".column");
  if (column) callColumn(column, { takesFocus: false });
  const ranges = rangesIn(place, field.value.trim());
  const range = ranges[Math.min(Number(hit.dataset.nth), ranges.length - 1)];
  if (canMark) CSS.highlights.set("find-current", new Highlight(...(range ? [range] : [])));
  (column ? column.querySelector(".column-head") : place).scrollIntoView({ block: "nearest" });
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
  results.addEventListener("htmx:afterSwap", ({ detail }) => {
    current = -1;
    sought = detail.requestConfig.parameters.q;
    showList(true);
    unmark();
    mark();
    showCount();
    if (!isAwaited || field.value !== sought) return;
    isAwaited = false;
    step(1);
  });
}
