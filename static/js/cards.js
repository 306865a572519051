// Columns as cards on a phone: one of each run is unfolded. A tap, a swipe or a tab of the strip goes to another.
import { columnsOf, withBands } from "./bands.js";
import { rest } from "./follow.js";
import { watchStatuses } from "./statuses.js";

const SWIPE_PX = 56;
const isPhone = window.matchMedia("(width < 48rem)");
const isWorking = (column) => ["running", "streaming"].includes(column.dataset.status);
const ENDED = ["completed", "failed", "interrupted"];
const isAfter = (column, other) => Number(column.dataset.stage) > Number(other.dataset.stage);
const chosen = new WeakSet(); // bands where a person has chosen a card

const expandedOf = (band) => columnsOf(band).find((column) => column.hasAttribute("data-expanded"));

function setExpanded(column, isExpanded) {
  const isUnfolding = isExpanded && !column.hasAttribute("data-expanded");
  // What ended while it was folded begins at its beginning, or where it was read before.
  if (isUnfolding && !isWorking(column)) rest(column.querySelector("[data-answer]"));
  if (isExpanded) column.dataset.expanded = "true";
  else delete column.dataset.expanded;
  column.querySelector("[data-expand]").setAttribute("aria-expanded", String(isExpanded));
}

export function expand(column, { isAsked = false } = {}) {
  const band = column.closest("[data-run]");
  if (isAsked) chosen.add(band);
  for (const other of columnsOf(band)) if (other !== column) setExpanded(other, false);
  setExpanded(column, true);
  const tab = band.querySelector(`[data-tab="${column.dataset.step}"]`);
  for (const other of band.querySelectorAll("[data-tab]")) other.removeAttribute("aria-current");
  if (!isPhone.matches || !tab) return;
  tab.setAttribute("aria-current", "true");
  const strip = tab.closest("[data-strip]");
  strip.scrollTo({ left: tab.offsetLeft - (strip.clientWidth - tab.offsetWidth) / 2, behavior: "smooth" });
}

function toggle(column) {
  chosen.add(column.closest("[data-run]"));
  if (column.hasAttribute("data-expanded")) setExpanded(column, false);
  else expand(column);
}

// What a reader wants to see first: who writes, else the last who had something to say, also where it is yet to come.
function choose(band) {
  const columns = columnsOf(band);
  const hasSaid = (column) => ENDED.includes(column.dataset.status) || column.querySelector("[data-answer]").firstElementChild;
  const first = columns.find(isWorking) ?? columns.findLast(hasSaid);
  if (first) expand(first);
}

function turn(column, by) {
  const columns = columnsOf(column.closest("[data-run]")).filter((one) => !one.hasAttribute("data-hidden"));
  const next = columns[columns.indexOf(column) + by];
  if (!next) return;
  expand(next, { isAsked: true });
  next.scrollIntoView({ block: "start", behavior: "instant" });
}

let touch = null;
// What scrolls sideways by itself is not swiped.
const canScrollAcross = (target) => target.closest("pre, .table, .math, .strip");
document.addEventListener(
  "touchstart",
  ({ target, touches }) => {
    const column = target.closest?.(".column[data-expanded]");
    const isSwipe = isPhone.matches && column && touches.length === 1 && !canScrollAcross(target);
    touch = isSwipe ? { column, x: touches[0].clientX, y: touches[0].clientY } : null;
  },
  { passive: true },
);
document.addEventListener(
  "touchend",
  ({ changedTouches }) => {
    if (!touch) return;
    const across = changedTouches[0].clientX - touch.x;
    const down = changedTouches[0].clientY - touch.y;
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > 2 * Math.abs(down)) turn(touch.column, across < 0 ? 1 : -1);
    touch = null;
  },
  { passive: true },
);

withBands(choose);
// Whoever chose nothing is led through the run: to the next one who writes when the unfolded one has ended, else to
// the last one of a later stage, who was too quick to be seen writing.
watchStatuses((changes) => {
  const ended = new Set(changes.filter(({ now }) => ENDED.includes(now)).map(({ element }) => element));
  for (const band of new Set(changes.map(({ element }) => element.closest("[data-run]")))) {
    const current = expandedOf(band);
    if (chosen.has(band) || (current && isWorking(current))) continue;
    const columns = columnsOf(band);
    const next = columns.find(isWorking) ?? columns.findLast((one) => ended.has(one) && (!current || isAfter(one, current)));
    if (next) expand(next);
  }
});
document.addEventListener("click", ({ target }) => {
  const column = target.closest(".column");
  if (!column || !isPhone.matches) return;
  const isOnHead = target.closest(".column-head") && !target.closest("button, a, form, .reasoning");
  const isOnPreview = !column.hasAttribute("data-expanded") && target.closest(".answer-box");
  if (target.closest("[data-expand]") || isOnHead || isOnPreview) toggle(column);
});
