// The one menu with what can be done with a column: it opens beside the column that asked.
import * as arrangement from "./arrangement.js";

const GAP_PX = 4;
const menu = document.getElementById("column-menu");
const items = () => [...menu.querySelectorAll("[data-act]:not(:disabled)")];
let column = null;
let opener = null;

export const ACTS = {
  focus: arrangement.focus,
  pin: arrangement.pin,
  left: (column) => arrangement.move(column, -1),
  right: (column) => arrangement.move(column, 1),
  hide: arrangement.hide,
};

function open(button) {
  opener = button;
  column = button.closest(".column");
  name("focus", column.hasAttribute("data-focused") ? "Show all side by side" : "Focus");
  name("pin", column.hasAttribute("data-pinned") ? "Unpin" : "Pin to the left");
  menu.querySelector("[data-act=left]").disabled = !arrangement.canMove(column, -1);
  menu.querySelector("[data-act=right]").disabled = !arrangement.canMove(column, 1);
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const left = Math.max(GAP_PX, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - GAP_PX));
  menu.style.insetBlockStart = `${Math.min(at.bottom + GAP_PX, innerHeight - menu.offsetHeight - GAP_PX)}px`;
  menu.style.insetInlineStart = `${left}px`;
  items()[0].focus();
}

function name(act, words) {
  menu.querySelector(`[data-act=${act}] span`).textContent = words;
}

function step(by) {
  const all = items();
  all[(all.indexOf(document.activeElement) + by + all.length) % all.length].focus();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-column-menu]");
  if (button) open(button);
});
menu?.addEventListener("click", ({ target }) => {
  const act = target.closest("[data-act]")?.dataset.act;
  if (!act) return;
  menu.hidePopover();
  opener.focus({ preventScroll: true });
  ACTS[act](column);
  // A hidden column cannot hold the focus.
  if (act === "hide") column.closest("[data-run]").querySelector("[data-show-hidden]").focus();
});
menu?.addEventListener("keydown", (event) => {
  const named = items().find((item) => item.querySelector("kbd").textContent === event.key);
  if (named) {
    event.preventDefault();
    named.click();
  }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(by);
});
