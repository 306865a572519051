// The session page: watches its socket, tells it what the page shows, and brings frames onto the page.
import { Answer } from "./answers.js";
import { say } from "./banner.js";
import "./cards.js";
import "./column_menu.js";
import "./copy.js";
import "./dialog.js";
import { comparison, write } from "./drafts.js";
import "./drawer.js";
import "./find.js";
import "./fit.js";
import { isFollowed, toEnd } from "./follow.js";
import { showLocalTimes } from "./local_times.js";
import "./older.js";
import * as page from "./page.js";
import "./progress.js";
import "./row_menu.js";
import "./session_keys.js";
import { Wire } from "./socket.js";
import "./strip.js";
import "./waterfall.js";

const HIDDEN_PAUSE_MS = 250;
const ASK_PAUSE_MS = 1_000;
// So many tries in vain are more than a restart of the server.
const MANY_TRIES = 4;
const answers = new Map(); // step → Answer, of the attempts that are live
const states = new Map(); // step → the last status that was told
const ends = new Map(); // step → the last end that was told
const incomplete = new Set(); // steps that ended without their whole text
let asked = []; // those that the last greeting named: a line that broke may not have brought them
let frames = [];
let isScheduled = false;
let isAwaited = false; // somebody pressed something: the picture that answers it comes first
let greetedAt = 0;
let asking = null;
let wire = null;

// Follow a session, and no other any more.
export function watch(session) {
  wire?.end();
  for (const known of [answers, states, ends, incomplete]) known.clear();
  frames = [];
  asked = [];
  wire = new Wire(`/ws/sessions/${session}/`, {
    opened() {
      say(null);
      for (const answer of answers.values()) answer.isWhole = false;
      for (const step of asked) incomplete.add(step);
      greet();
    },
    received(frame) {
      frames.push(frame);
      schedule();
    },
    lost(tries) {
      say(tries < MANY_TRIES ? "lost" : "away");
    },
    // Never a reload: what somebody is typing stays.
    refused: say,
  });
}

// Say what the page shows; the server sends whatever differs, and every live answer in full.
function greet() {
  clearTimeout(asking);
  asking = null;
  greetedAt = Date.now();
  const shown = describe([...document.querySelectorAll("[data-run]")]);
  asked = [...incomplete];
  incomplete.clear();
  wire.send({ type: "hello", ...shown });
}

function describe(bands) {
  const runs = {};
  const steps = {};
  for (const band of bands) {
    runs[band.dataset.run] = band.dataset.runStatus;
    for (const column of band.querySelectorAll("[data-step-index]")) {
      const step = Number(column.dataset.step);
      // No row has such a status: the server shows the run anew.
      if (incomplete.has(step)) runs[band.dataset.run] = "incomplete";
      if (page.isLiveRun(band)) steps[step] = page.drawnStatus(column);
      // Its end was told, and the line broke before what is drawn of it came.
      else if (page.drawnStatus(column) !== column.dataset.status) runs[band.dataset.run] = "incomplete";
    }
    if (!page.isLiveRun(band) && band.querySelector("[data-waterfall][data-live]")) runs[band.dataset.run] = "incomplete";
  }
  return { runs, steps, gap: page.gap };
}

// Something is missing: greet again, but leave the answer to the last greeting time to come.
function askAnew() {
  asking ??= setTimeout(greet, Math.max(0, greetedAt + ASK_PAUSE_MS - Date.now()));
}

// Frames gather until the browser paints; a window that nobody sees paints nothing and still keeps up.
function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  if (document.hidden) setTimeout(apply, HIDDEN_PAUSE_MS);
  else requestAnimationFrame(apply);
}

// Whoever turned away meanwhile would never be painted for.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && isScheduled) setTimeout(apply, HIDDEN_PAUSE_MS);
});

function apply() {
  if (!isScheduled) return;
  isScheduled = false;
  if (isAwaited) {
    isAwaited = false;
    schedule();
    return;
  }
  const taken = frames;
  frames = [];
  const touched = new Set();
  for (const frame of taken) applyFrame(frame, touched);
  paint(touched);
  page.showLife();
  for (const { seq } of taken) wire.send({ type: "ack", seq });
}

function applyFrame(frame, touched) {
  for (const { run, html } of frame.bands ?? []) takeBand(page.showBand(run, html, isKnown, forget), touched);
  for (const status of frame.status ?? []) takeStatus(status);
  for (const column of frame.columns ?? []) takeText(column, touched);
  for (const end of frame.final ?? []) takeEnd(end, touched);
  for (const [id, html] of Object.entries(frame.html ?? {})) page.replacePart(id, html);
  for (const run of frame.runs ?? []) page.setRunStatus(run);
}

const isKnown = (step, attempt) => answers.get(step)?.isWhole && answers.get(step).attempt >= attempt;

function forget(step) {
  for (const known of [states, ends, answers]) known.delete(step);
}

function takeStatus(status) {
  states.set(status.step, status);
  page.setStepStatus(status);
}

function takeText(column, touched) {
  if (!answers.has(column.step)) answers.set(column.step, new Answer(column.attempt));
  const isTaken = answers.get(column.step).take(column);
  if (isTaken) touched.add(column.step);
  else askAnew();
}

function takeEnd(end, touched) {
  const answer = answers.get(end.step);
  if (answer?.attempt > end.attempt) return; // the next attempt goes on already
  ends.set(end.step, end);
  paint(touched);
  touched.clear();
  if (answer?.isWhole && answer.attempt === end.attempt && !page.answerOf(end.step)) return; // its column is on its way
  if (answer && !answer.isWhole) {
    incomplete.add(end.step);
    askAnew();
  }
  answers.delete(end.step);
  page.finishAnswer(end);
}

// A band was rendered a moment ago: bring it up to what frames have told since, which was in vain without it.
function takeBand(band, touched) {
  for (const column of band.querySelectorAll("[data-step-index]")) {
    const step = Number(column.dataset.step);
    if (states.has(step)) page.setStepStatus(states.get(step));
    takeAnswer(step, page.answerOf(step).dataset, touched);
  }
}

function takeAnswer(step, shown, touched) {
  const answer = answers.get(step);
  const end = ends.get(step);
  if (shown.sha256 !== undefined) {
    if (answer?.attempt <= Number(shown.attempt)) answers.delete(step);
  } else if (answer?.isWhole) {
    answer.staleFrom = 0;
    touched.add(step);
    if (end?.attempt === answer.attempt) takeEnd(end, touched);
  } else if (end?.attempt >= Number(shown.attempt)) {
    incomplete.add(step);
    askAnew();
  }
}

function paint(touched) {
  const followed = [];
  for (const step of touched) {
    const element = page.answerOf(step);
    const answer = answers.get(step);
    if (!element || !answer?.isWhole || answer.attempt < Number(element.dataset.attempt)) continue;
    if (isFollowed(element)) followed.push(element);
    answer.paint(element);
  }
  // All writing first, then all measuring: one layout for all columns.
  for (const element of followed) toEnd(element);
}

// The answer to our own message brings its band too, before or after the socket does: one of them stays.
document.addEventListener("htmx:load", (event) => {
  const band = event.detail.elt;
  showLocalTimes(band);
  if (!band.matches?.("[data-run]")) return;
  const [first, ...others] = document.querySelectorAll(`[id="${band.id}"]`);
  for (const other of others) other.remove();
  if (first === band) {
    const touched = new Set();
    takeBand(band, touched);
    paint(touched);
    page.bandCame(band);
  }
  page.showLife();
});

// So that the server draws the run of our message once, and not for the socket as well.
const isMessage = ({ detail }) => detail.requestConfig.elt.matches("[data-composer]");
document.addEventListener("htmx:beforeSend", (event) => isMessage(event) && wire?.send({ type: "sends" }));
document.addEventListener("htmx:afterRequest", (event) => {
  if (isMessage(event)) wire?.send({ type: "shows", ...describe([...document.querySelectorAll("[data-run]")].slice(-1)) });
});

for (const act of ["click", "keydown"]) document.addEventListener(act, () => (isAwaited = true), { capture: true });

const shown = document.querySelector("main[data-session]");
if (shown) {
  write(comparison(), null);
  watch(shown.dataset.session);
  showLocalTimes(document);
  page.showLife();
  if (!location.hash) page.showNewest();
}
