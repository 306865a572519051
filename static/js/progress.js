// Says how a run goes on: who finished, how many still write, and that it has ended.
import { say } from "./announcer.js";
import { allBands, columnsOf } from "./bands.js";
import { watchStatuses } from "./statuses.js";

const ENDS = {
  completed: "finished",
  failed: "failed",
  interrupted: "broke off",
  cancelled: "stopped",
  skipped: "skipped",
};
const WORKING = ["running", "streaming"];
const LIVE = ["pending", ...WORKING];
const runLabels = JSON.parse(document.getElementById("run-labels").textContent);
let ended = new Map(); // how → names, since the last time something was said

function listed(names) {
  if (names.length > 3) return `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
}

function progress() {
  if (!ended.size) return "";
  const parts = [...ended].map(([how, names]) => `${listed(names)} ${how}`);
  ended = new Map();
  const writing = allBands().flatMap(columnsOf).filter(({ dataset }) => WORKING.includes(dataset.status)).length;
  if (writing) parts.push(`${writing} still writing`);
  return `${parts.join("; ")}.`;
}

watchStatuses((changes) => {
  const steps = changes.filter(({ element, before, now }) => element.matches(".column") && LIVE.includes(before) && ENDS[now]);
  for (const { element, now } of steps) {
    const name = element.querySelector("h3").textContent;
    ended.set(ENDS[now], [...(ended.get(ENDS[now]) ?? []), name]);
  }
  if (steps.length) say(progress);
  for (const { element, before, now } of changes) {
    const hasEnded = element.matches(".band") && ["queued", "running"].includes(before) && !["queued", "running"].includes(now);
    if (hasEnded) say(`Run ended: ${runLabels[now]}.`);
  }
});
