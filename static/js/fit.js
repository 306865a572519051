// Tells the stylesheets how much of the window the composer and the session's head take, so that the columns fill
// what is left and nothing that has the focus is covered.
import { withBands } from "./bands.js";
import { watchStatuses } from "./statuses.js";

const main = document.querySelector("main[data-session]");
const SIZES = { composer: "--composer-size", "session-head": "--session-head-size" };

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const name = SIZES[target.className] ?? SIZES[target.id];
    if (name) main.style.setProperty(name, `${Math.round(target.getBoundingClientRect().height)}px`);
  }
});

function observe() {
  for (const part of main.querySelectorAll(".composer, .session-head")) observer.observe(part);
}

if (main) {
  observe();
  // A message that was sent brings a composer of its own.
  document.addEventListener("htmx:load", (event) => event.detail.elt.matches?.(".composer") && observe());
}

// A run that was watched keeps its height when it ends: what is read must not jump.
const isLive = ({ runStatus }) => ["queued", "running"].includes(runStatus);
const steady = (band) => isLive(band.dataset) && (band.dataset.steady = "");
withBands(steady);
watchStatuses((changes) => changes.forEach(({ element }) => element.matches(".band") && steady(element)));
