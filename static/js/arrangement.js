// How somebody arranges the columns of a chain for themselves: focused, pinned, hidden, moved within their group.
// It is remembered for each chain in this browser, and laid over whatever the server sends.
import { allBands, columnsOf, withBands } from "./bands.js";
import { escapable } from "./drag.js";
import { holdPlaces, keepPlaces } from "./follow.js";

const NOTHING = { focused: null, pinned: [], hidden: [], order: [] };
const isPhone = window.matchMedia("(width < 48rem)");
const MAX_PINNED = 0.62; // of the row: more leaves no room for what scrolls
const NOT_HANDLES = "button, a, input, summary, form, .reasoning-text";
const known = new Map(); // chain → its arrangement

const slugOf = (column) => column.dataset.slug;
const without = (list, slug) => list.filter((other) => other !== slug);
const toggled = (list, slug) => (list.includes(slug) ? without(list, slug) : [...list, slug]);

function arrangementOf(chain) {
  if (!known.has(chain)) {
    let stored = null;
    try {
      stored = JSON.parse(localStorage.getItem(`columns:${chain}`));
    } catch {
      // storage may be forbidden, or hold something else
    }
    known.set(chain, { ...NOTHING, ...stored });
  }
  return known.get(chain);
}

function change(column, changed) {
  const { chain } = column.closest("[data-run]").dataset;
  const arrangement = { ...arrangementOf(chain), ...changed(arrangementOf(chain)) };
  known.set(chain, arrangement);
  try {
    localStorage.setItem(`columns:${chain}`, JSON.stringify(arrangement));
  } catch {
    // it then lasts for this page
  }
  const bands = allBands().filter((band) => band.dataset.chain === chain);
  const rails = bands.flatMap(columnsOf).filter(isRail);
  for (const rail of rails) rail.setAttribute("data-arriving", "");
  keepPlaces(bands, () => bands.forEach(arrange));
  arrive(rails);
}

// Columns that were rails take their room at once, and their texts in the next frames: to lay out all of them together
// takes longer than somebody who pressed a button should wait for an answer.
function arrive(columns) {
  const [next, ...others] = columns;
  if (!next) return;
  requestAnimationFrame(() => {
    if (next.isConnected) keepPlaces([next], () => next.removeAttribute("data-arriving"));
    arrive(others);
  });
}

// Focus one column: the others narrow to rails. The focused one again: all stand side by side.
export const focus = (column) =>
  change(column, ({ focused, hidden }) => ({
    focused: focused === slugOf(column) ? null : slugOf(column),
    hidden: without(hidden, slugOf(column)),
  }));

export const pin = (column) => change(column, ({ pinned }) => ({ pinned: toggled(pinned, slugOf(column)) }));

export const hide = (column) =>
  change(column, ({ focused, hidden }) => ({
    focused: focused === slugOf(column) ? null : focused,
    hidden: [...without(hidden, slugOf(column)), slugOf(column)],
  }));

export const show = (column) => change(column, ({ hidden }) => ({ hidden: without(hidden, slugOf(column)) }));

// The columns that it may change places with: those of its group, pinned ones among themselves.
function companionsOf(column) {
  return [...column.parentElement.querySelectorAll(":scope > .column:not([data-hidden])")];
}

export function canMove(column, by) {
  const companions = companionsOf(column);
  return companions[companions.indexOf(column) + by] !== undefined;
}

export function move(column, by) {
  if (!canMove(column, by)) return;
  const columns = [...column.parentElement.querySelectorAll(":scope > .column")];
  const other = companionsOf(column)[companionsOf(column).indexOf(column) + by];
  columns.splice(columns.indexOf(column), 1);
  columns.splice(columns.indexOf(other) + (by > 0 ? 1 : 0), 0, column);
  remember(column, columns);
}

// The order of one group's columns, or of the pinned ones, as it is now.
function remember(column, columns) {
  const slugs = columns.map(slugOf);
  change(column, ({ order, pinned }) => {
    if (column.parentElement.matches(".pinned")) return { pinned: slugs };
    return { order: [...order.filter((slug) => !slugs.includes(slug) && !pinned.includes(slug)), ...slugs] };
  });
}

function arrange(band) {
  const row = band.querySelector("[data-stages]");
  const arrangement = arrangementOf(band.dataset.chain);
  const columns = columnsOf(band);
  const focused = columns.find((column) => slugOf(column) === arrangement.focused);
  row.toggleAttribute("data-has-focus", focused !== undefined);
  for (const column of columns) {
    column.toggleAttribute("data-hidden", arrangement.hidden.includes(slugOf(column)));
    column.toggleAttribute("data-focused", column === focused);
  }
  place(row, columns, arrangement);
  band.dispatchEvent(new CustomEvent("arranged", { bubbles: true }));
}

function place(row, columns, { pinned, order }) {
  const homes = new Map();
  const byIndex = [...columns].sort((a, b) => a.dataset.stepIndex - b.dataset.stepIndex);
  for (const column of byIndex) homes.set(column, row.querySelector(`[data-stage-number="${column.dataset.stage}"] > .stage-columns`));
  const isPinned = (column) => pinned.includes(slugOf(column)) && !column.hasAttribute("data-hidden");
  const rank = (column) => (order.includes(slugOf(column)) ? order.indexOf(slugOf(column)) : -1);
  for (const home of new Set(homes.values())) {
    const own = byIndex.filter((column) => homes.get(column) === home).sort((a, b) => rank(a) - rank(b));
    putInOrder(home, own.map((column) => (isPinned(column) ? placeOf(row, column) : column)));
  }
  const wanted = byIndex.filter(isPinned).sort((a, b) => pinned.indexOf(slugOf(a)) - pinned.indexOf(slugOf(b)));
  for (const column of columns) column.toggleAttribute("data-pinned", isPinned(column));
  if (wanted.length || row.querySelector(".pinned")) putInOrder(pinnedOf(row), wanted);
  row.querySelector(".pinned:empty")?.remove();
  measure(row);
}

// Move only what stands elsewhere: an element that is moved loses its scroll position and its focus.
function putInOrder(parent, children) {
  const active = document.activeElement;
  for (const rest of [...parent.children]) if (!children.includes(rest) && rest.matches(".pin-place")) rest.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (active !== document.activeElement && parent.contains(active)) active.focus({ preventScroll: true });
}

function pinnedOf(row) {
  let pinned = row.querySelector(":scope > .pinned");
  if (!pinned) {
    pinned = document.createElement("div");
    pinned.className = "pinned";
    row.prepend(pinned);
  }
  return pinned;
}

// What stands in a stage for a column that is pinned: it says so, and lets it back.
function placeOf(row, column) {
  const old = row.querySelector(`.pin-place[data-of="${column.dataset.step}"]`);
  if (old) return old;
  const place = document.createElement("button");
  place.type = "button";
  place.className = "pin-place";
  place.dataset.of = column.dataset.step;
  place.textContent = column.querySelector("h3").textContent;
  place.title = `${place.textContent} is pinned to the left: bring it back here`;
  place.setAttribute("aria-label", place.title);
  return place;
}

function measure(row) {
  const pinned = row.querySelector(":scope > .pinned");
  const width = pinned?.offsetWidth ?? 0;
  const isTight = width > row.clientWidth * MAX_PINNED;
  row.toggleAttribute("data-tight", isTight);
  row.style.setProperty("--pinned-size", `${isTight ? 0 : width}px`);
}

// By the head, within its group, with a mouse: a finger scrolls, and has the menu. A column that is pinned now counts,
// for it may come back.
function letMove(list) {
  if (typeof Sortable === "undefined" || list.querySelectorAll(".column, .pin-place").length < 2) return;
  let restore;
  const hold = () => (restore = holdPlaces([list]));
  const row = list.closest("[data-stages]");
  const band = row.closest("[data-run]");
  new Sortable(list, {
    draggable: ".column",
    handle: ".column-head",
    filter: ({ target, pointerType }) => pointerType === "touch" || target.closest(NOT_HANDLES),
    preventOnFilter: false,
    animation: 150,
    ghostClass: "column-ghost",
    disabled: isPhone.matches,
    // Each step on its way takes it out of the page for a moment, and with that its place in its text.
    onChange: () => {
      restore();
      hold();
    },
    ...escapable({
      onStart: () => {
        row.setAttribute("data-dragging", "");
        hold();
      },
      onEnd: ({ item, to }) => {
        row.removeAttribute("data-dragging");
        remember(item, [...to.querySelectorAll(":scope > .column")]);
      },
      onCancel: () => {
        row.removeAttribute("data-dragging");
        keepPlaces([band], () => arrange(band));
      },
    }),
  });
}

const movableLists = (part) => part.querySelectorAll(".stage-parallel > .stage-columns");

withBands((band) => {
  // Beside the editor they stand below one another, as they come.
  if (band.closest("[data-editor]")) return;
  arrange(band);
  movableLists(band).forEach(letMove);
});
isPhone.addEventListener("change", () => {
  for (const list of movableLists(document)) Sortable.get(list)?.option("disabled", isPhone.matches);
});
window.addEventListener("resize", () => document.querySelectorAll("[data-stages]").forEach(measure));
document.addEventListener("click", ({ target }) => {
  const place = target.closest(".pin-place");
  if (place) pin(document.getElementById(`step-${place.dataset.of}`));
  const shown = target.closest("[data-show-hidden]");
  if (shown) {
    const [column] = columnsOf(shown.closest("[data-run]"));
    change(column, () => ({ hidden: [] }));
  }
  const column = target.closest(".column");
  if (!column) return;
  if (target.closest("[data-focus]")) focus(column);
  else if (target.closest("[data-pin]")) pin(column);
  else if (isRail(column) && !target.closest("button")) focus(column);
});

const isRail = (column) =>
  !isPhone.matches && !column.hasAttribute("data-focused") && column.closest("[data-has-focus]") !== null;
