// The drawer: what is loaded into it opens it. Its links lead to the column or message that a passage came from.
import { callColumn } from "./strip.js";

const drawer = document.getElementById("drawer");
let opener = "";
let goal = ""; // where a link of the drawer leads once it is closed

drawer.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== drawer || drawer.open) return;
  opener = event.detail.requestConfig.elt.id;
  document.getElementById("sidebar").hidePopover?.();
  drawer.showModal();
});
drawer.addEventListener("click", (event) => {
  const origin = event.target.closest("[data-origin]");
  if (!origin && event.target !== drawer && !event.target.closest("[data-close]")) return;
  event.preventDefault();
  goal = origin ? new URL(origin.href).hash.slice(1) : "";
  drawer.close();
});
// What opened it may have been drawn anew since: the browser would lose the place.
drawer.addEventListener("close", () => {
  drawer.replaceChildren();
  document.getElementById(opener)?.focus({ preventScroll: true });
  if (goal) find(goal);
  goal = "";
});

function find(id) {
  const found = document.getElementById(id);
  const band = found?.closest("[data-run]");
  if (!band) return;
  band.querySelector(".band-fold").open = true;
  const column = found.closest(".column");
  const place = column ?? band.querySelector(".message");
  if (column) callColumn(column);
  place.scrollIntoView({ block: "nearest", inline: "nearest" });
  place.dataset.found = "";
  place.addEventListener("animationend", () => delete place.dataset.found, { once: true });
  (column?.querySelector("[data-answer]") ?? band.querySelector("summary")).focus({ preventScroll: true });
}
