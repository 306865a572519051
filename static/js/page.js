// What frames do to the page. Each function can be applied again, and out of turn, without harm.
import { blocksOf, putBlocks, removeTail } from "./answers.js";
import { restoreWraps } from "./code.js";
import { showRun } from "./composer.js";
import { showLive, tellEnd } from "./ending.js";
import { keepEnd, rest, reveal } from "./follow.js";
import { showLocalTimes } from "./local_times.js";
import { clearReasoning } from "./reasoning.js";

const LIVE_RUN = ["queued", "running"];
const LIVE_STEP = ["pending", "running", "streaming"];
const runLabels = JSON.parse(document.getElementById("run-labels").textContent);
const runs = document.getElementById("runs");
// The first and the last run that a page of older ones leaves out.
export const gap = document.getElementById("main").dataset.gap?.split(" ").map(Number);

export const bandOf = (run) => document.getElementById(`run-${run}`);
export const columnOf = (step) => document.getElementById(`step-${step}`);
export const answerOf = (step) => document.getElementById(`step-${step}-answer`);
export const isLiveRun = (band) => LIVE_RUN.includes(band.dataset.runStatus);
// How far a step has come: through its live statuses in their order, then to any of the final ones.
const placeOf = (status) => (LIVE_STEP.includes(status) ? LIVE_STEP.indexOf(status) : LIVE_STEP.length);
// A column's status, or that of its head: it is drawn anew only at the end.
export const drawnStatus = (column) =>
  LIVE_STEP.includes(column.dataset.status) ? column.dataset.status : column.querySelector(".column-head").dataset.stepStatus;
const isFinal = (answer) => answer.dataset.sha256 !== undefined;

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

export function setStepStatus({ step, attempt, status, label }) {
  const column = columnOf(step);
  const answer = answerOf(step);
  if (!column || attempt < Number(answer.dataset.attempt)) return;
  if (attempt > Number(answer.dataset.attempt)) beginAttempt(answer, attempt);
  else if (placeOf(status) < placeOf(column.dataset.status)) return;
  column.dataset.status = status;
  const words = label ?? column.getAttribute(`data-label-${status}`);
  if (words) column.querySelector(".state-label").textContent = words;
  if (status === "streaming") reveal(column);
}

function beginAttempt(answer, attempt) {
  answer.dataset.attempt = attempt;
  delete answer.dataset.length;
  delete answer.dataset.sha256;
  delete answer.dataset.wrapped;
  answer.replaceChildren();
  rest(answer);
  clearReasoning(answer.closest(".column"));
}

export function finishAnswer({ step, attempt, length, sha256 }) {
  const answer = answerOf(step);
  if (!answer || attempt < Number(answer.dataset.attempt)) return;
  Object.assign(answer.dataset, { attempt, length, sha256 });
  removeTail(answer);
}

export function setRunStatus({ run, status }) {
  const band = bandOf(run);
  if (!band || (!isLiveRun(band) && LIVE_RUN.includes(status))) return;
  const hasEnded = isLiveRun(band) && !LIVE_RUN.includes(status);
  band.dataset.runStatus = status;
  band.querySelector("[data-run-label]").textContent = runLabels[status];
  if (hasEnded) tellEnd(band, status);
}

// Put a part in place of the one with its id; what a person opened or focused in it stays so.
export function replacePart(id, html) {
  const old = document.getElementById(id);
  if (old) swapPart(old, parse(html));
}

function withoutHidden(part) {
  const copy = part.cloneNode(true);
  for (const field of copy.querySelectorAll("input[type=hidden]")) field.remove();
  copy.normalize();
  return copy;
}

function swapPart(old, next) {
  // Hidden fields count not: who draws a part for a socket knows no token of a browser.
  const marks = (part) => [...part.querySelectorAll("summary, button, a, input:not([type=hidden])")];
  const focused = marks(old).indexOf(document.activeElement);
  const opened = [...old.querySelectorAll("details")].map((details) => details.open);
  next.querySelectorAll("details").forEach((details, index) => (details.open = opened[index] ?? details.open));
  for (const state of ["aria-expanded", "aria-pressed"]) {
    const value = old.querySelector(`[${state}]`)?.getAttribute(state);
    if (value) next.querySelector(`[${state}]`)?.setAttribute(state, value);
  }
  // What somebody is about to press stays where it is.
  if (withoutHidden(old).isEqualNode(withoutHidden(next))) return;
  old.replaceWith(next);
  htmx.process(next);
  const status = next.dataset.stepStatus; // a skipped agent's end is told by its head alone
  if (status && !LIVE_STEP.includes(status)) next.closest("[data-status]").dataset.status = status;
  if (focused >= 0) marks(next)[focused]?.focus({ preventScroll: true });
}

// Show a run: a new one in its place, one that is there already part by part. Returns its band. A run that goes on
// after its end is in a later epoch: what was told of its steps before counts no more.
export function showBand(run, html, keepsAnswer, forget) {
  const next = parse(html);
  const old = bandOf(run);
  if (old) {
    if (Number(next.dataset.epoch) > Number(old.dataset.epoch)) revive(old, next, forget);
    mergeBand(old, next, keepsAnswer);
    return old;
  }
  const after = [...runs.querySelectorAll(":scope > [data-run]")].find((band) => Number(band.dataset.run) > run);
  runs.insertBefore(next, after ?? null);
  showLocalTimes(next);
  htmx.process(next);
  // Whoever reads older runs is not taken away from them.
  if (!gap) bandCame(next);
  return next;
}

function revive(old, next, forget) {
  old.dataset.epoch = next.dataset.epoch;
  if (isLiveRun(old) || !isLiveRun(next)) return;
  old.dataset.runStatus = next.dataset.runStatus;
  for (const column of old.querySelectorAll("[data-step-index]")) forget(Number(column.dataset.step));
}

// A band that just came onto the page takes the attention: the ones before it fold.
export function bandCame(band) {
  document.getElementById("session-empty")?.remove();
  if (band.nextElementSibling) return;
  for (const other of runs.querySelectorAll(":scope > [data-run]")) {
    if (other !== band && !isLiveRun(other)) other.querySelector(".band-fold").open = false;
  }
  // One that was over before it could be drawn has ended for whoever looks elsewhere, too.
  if (!isLiveRun(band)) tellEnd(band, band.dataset.runStatus);
  band.scrollIntoView({ block: "start", behavior: "smooth" });
}

function mergeBand(old, next, keepsAnswer) {
  for (const column of next.querySelectorAll("[data-step-index]")) {
    const present = columnOf(column.dataset.step);
    if (present) mergeColumn(present, column, keepsAnswer);
  }
  const summary = next.querySelector(".run-summary");
  replacePart(summary.id, summary.outerHTML);
  setRunStatus({ run: next.dataset.run, status: next.dataset.runStatus });
}

function mergeColumn(column, next, keepsAnswer) {
  const answer = column.querySelector("[data-answer]");
  const told = next.querySelector("[data-answer]");
  // What was rendered before the last frames came must not take them back.
  const isOlder = Number(told.dataset.attempt) < Number(answer.dataset.attempt);
  if (isOlder || (isFinal(answer) && !isFinal(told) && told.dataset.attempt === answer.dataset.attempt)) return;
  column.dataset.status = next.dataset.status;
  for (const part of ["head", "foot"]) {
    swapPart(column.querySelector(`.column-${part}`), next.querySelector(`.column-${part}`));
  }
  if (isFinal(told) || !keepsAnswer(Number(next.dataset.step), Number(told.dataset.attempt))) {
    keepEnd(answer, () => {
      Object.assign(answer.dataset, told.dataset);
      removeTail(answer);
      putBlocks(answer, blocksOf(told));
      restoreWraps(answer);
    });
  }
}

// A session opens at its newest run.
export function showNewest() {
  const bands = runs.querySelectorAll(":scope > [data-run]");
  if (bands.length > 1) bands[bands.length - 1].scrollIntoView({ block: "start", behavior: "instant" });
}

export function showLife() {
  const live = [...document.querySelectorAll("[data-run]")].filter(isLiveRun).at(-1);
  showLive(live !== undefined);
  showRun(live ? live.dataset.run : null);
}
