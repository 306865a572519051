// What single keys do on a session's page. The column that they mean is the one with the focus, else the first in sight.
import { ACTS } from "./column_menu.js";
import { allBands, columnsOf } from "./bands.js";
import { onKey } from "./keys.js";
import { callColumn } from "./strip.js";

const openBands = () => allBands().filter((band) => band.querySelector(".band-fold").open);
const shownOf = (band) => [...band.querySelectorAll("[data-stages] .column:not([data-hidden])")];

function currentBand() {
  const focused = document.activeElement.closest("[data-run]");
  if (focused) return focused;
  const middle = innerHeight / 2;
  const isInSight = (band) => band.getBoundingClientRect().bottom > middle;
  return openBands().find(isInSight) ?? allBands().at(-1);
}

function currentColumn() {
  const focused = document.activeElement.closest(".column");
  if (focused) return focused;
  const band = currentBand();
  if (!band) return undefined;
  const row = band.querySelector("[data-stages]").getBoundingClientRect();
  return shownOf(band).find((column) => column.getBoundingClientRect().left >= row.left - 1) ?? shownOf(band)[0];
}

const withColumn = (act) => () => {
  const column = currentColumn();
  if (column) act(column);
};

function step(by) {
  const column = currentColumn();
  if (!column) return;
  const columns = shownOf(column.closest("[data-run]"));
  const isThere = column.contains(document.activeElement);
  callColumn(columns[columns.indexOf(column) + (isThere ? by : 0)] ?? column);
}

function stepRun(by) {
  const bands = allBands();
  const band = bands[bands.indexOf(currentBand()) + by];
  if (!band) return;
  band.scrollIntoView({ block: "start", behavior: "instant" });
  band.querySelector("summary").focus({ preventScroll: true });
}

const press = (selector) => withColumn((column) => column.querySelector(selector)?.click());

if (document.querySelector("main[data-session]")) {
  onKey("c", () => document.querySelector("[data-composer] textarea").focus());
  onKey("l", () => step(1));
  onKey("h", () => step(-1));
  onKey("j", () => stepRun(1));
  onKey("k", () => stepRun(-1));
  onKey("o", () => currentBand()?.querySelector("summary").click());
  for (let number = 1; number <= 9; number++) {
    onKey(String(number), () => {
      const column = currentBand() && columnsOf(currentBand()).find(({ dataset }) => dataset.stepIndex === String(number - 1));
      if (column) callColumn(column);
    });
  }
  onKey("f", withColumn(ACTS.focus));
  onKey("p", withColumn(ACTS.pin));
  onKey("[", withColumn(ACTS.left));
  onKey("]", withColumn(ACTS.right));
  onKey("x", withColumn(ACTS.hide));
  onKey("u", () => currentBand()?.querySelector("[data-show-hidden]").click());
  onKey("e", press("[data-jump]"));
  onKey("y", press("[data-copy]"));
  onKey("w", press(".column-seen"));
  onKey("s", press("[data-stop=step]"));
  onKey("S", () => document.querySelector("[data-stop-form]:not([hidden]) [data-stop=run]")?.click());
}
