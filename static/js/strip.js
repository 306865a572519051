// The line of all agents above a run's columns: shows their states, marks those in sight, and leads to one.
import { show } from "./arrangement.js";
import { columnsOf, withBands } from "./bands.js";
import { expand } from "./cards.js";
import { watchStatuses } from "./statuses.js";

const SEEN_SHARE = 0.5;
const isPhone = window.matchMedia("(width < 48rem)");

const tabOf = (column) => column.closest("[data-run]").querySelector(`[data-tab="${column.dataset.step}"]`);

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, intersectionRatio } of entries) {
      tabOf(target)?.toggleAttribute("data-seen", intersectionRatio >= SEEN_SHARE);
    }
  },
  { threshold: SEEN_SHARE },
);

function tell(column) {
  const tab = tabOf(column);
  if (!tab) return;
  tab.dataset.status = column.dataset.status;
  tab.querySelector("[data-tab-state]").textContent = `: ${column.querySelector(".state-label").textContent}`;
}

function showArrangement(band) {
  const hidden = columnsOf(band).filter((column) => column.hasAttribute("data-hidden"));
  for (const column of columnsOf(band)) tabOf(column)?.toggleAttribute("data-hidden", hidden.includes(column));
  const button = band.querySelector("[data-show-hidden]");
  button.hidden = !hidden.length;
  button.querySelector("[data-hidden-count]").textContent = `Show ${hidden.length} hidden`;
}

// Bring a column into sight and give it the focus, so that the keyboard goes on there.
export function callColumn(column, { takesFocus = true } = {}) {
  const fold = column.closest(".band-fold");
  if (fold) fold.open = true;
  if (column.hasAttribute("data-hidden")) show(column);
  if (isPhone.matches) expand(column, { isAsked: true });
  const row = column.closest("[data-stages]");
  row.dataset.moved = "";
  column.scrollIntoView({ block: isPhone.matches ? "start" : "nearest", inline: "nearest", behavior: "instant" });
  if (takesFocus) column.querySelector("[data-answer]").focus({ preventScroll: true });
  column.removeAttribute("data-called");
  requestAnimationFrame(() => (column.dataset.called = ""));
}

withBands((band) => {
  for (const column of columnsOf(band)) observer.observe(column);
  showArrangement(band);
});
watchStatuses((changes) => changes.forEach(({ element }) => element.matches(".column") && tell(element)));
document.addEventListener("arranged", ({ target }) => showArrangement(target));
document.addEventListener("animationend", ({ target, animationName }) => {
  if (animationName === "called") target.removeAttribute("data-called");
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#step-']");
  const column = link && document.getElementById(link.hash.slice(1));
  if (!column || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  callColumn(column);
});
