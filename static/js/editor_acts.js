// What changes the shape of a chain: one act after the other, each after what is typed has been saved.
import { readState, state } from "./editor_faults.js";
import { adopt, flush, notice } from "./editor_save.js";

// What changes nothing of the draft need not wait for its turn.
const UNORDERED = "[data-composer], [data-stop-form], [data-try], .rule-try, [type=search]";
const acts = []; // what waits: functions that return a promise
let isActing = false;
let before = null; // who had the focus when the canvas was replaced, and who was there

const isEditors = (element) => element?.closest?.("[data-editor]") || element?.closest?.("[data-closes]");
const canvas = () => document.getElementById("canvas");
const agents = () => [...document.querySelectorAll(".agent-card")].map((card) => card.dataset.agent);

async function act(work) {
  acts.push(work);
  if (isActing) return;
  isActing = true;
  while (acts.length) {
    const next = acts.shift();
    // What waits for a decision between two texts does not hold up drawing them.
    if ((await flush()) || next === redraw) await next();
    else {
      acts.length = 0;
      notice("That has to wait until what you typed is saved.");
    }
  }
  isActing = false;
}

// Ask the server to do an act. It answers with the canvas as it is then.
export function post(address, values) {
  return act(() => htmx.ajax("POST", address, { source: canvas(), target: canvas(), swap: "outerHTML", values: { ...values, revision: state.revision } }));
}

function redraw() {
  const { address } = document.querySelector("[data-editor]").dataset;
  return htmx.ajax("GET", address, { source: canvas(), target: canvas(), swap: "outerHTML" });
}

// A form or link of the editor waits for its turn; by then another act may have drawn it anew.
function confirm(event) {
  const { elt, issueRequest, triggeringEvent, path } = event.detail;
  // Requests of scripts have no event, and take their turn before they begin.
  if (!triggeringEvent || !isEditors(elt) || elt.matches(UNORDERED)) return;
  event.preventDefault();
  const { submitter } = triggeringEvent;
  const id = submitter?.id || elt.id;
  act(() => {
    if (elt.isConnected) return done(elt, () => issueRequest(true));
    const again = id && document.getElementById(id);
    if (!again || again.getAttribute("aria-disabled") === "true") return null;
    return htmx.ajax("POST", path, { source: again.form, target: canvas(), swap: "outerHTML", values: { revision: state.revision, ...valueOf(submitter) } });
  });
}

const valueOf = (button) => (button?.name ? { [button.name]: button.value } : {});

function done(elt, begin) {
  return new Promise((resolve) => {
    const end = (event) => {
      if (event.detail.requestConfig?.elt !== elt) return;
      document.removeEventListener("htmx:afterRequest", end);
      setTimeout(resolve); // after the swap has settled
    };
    document.addEventListener("htmx:afterRequest", end);
    begin();
  });
}

function configure(event) {
  const { parameters, triggeringEvent, verb } = event.detail;
  if (verb === "post" && isEditors(event.detail.elt)) parameters.revision = state.revision;
  const submitter = triggeringEvent?.submitter;
  if (submitter?.name) parameters[submitter.name] = submitter.value;
}

// The canvas comes whole: who was working in it goes on at the same place.
function leaving(event) {
  if (event.detail.target.id !== "canvas") return;
  const focused = document.activeElement;
  before = { agents: agents(), agent: focused?.closest(".agent-card")?.dataset.agent, scroll: scrolled().scrollTop };
}

const scrolled = () => document.getElementById("main");

function arrived() {
  readState();
  adopt(canvas());
  scrolled().scrollTop = before.scroll;
  const added = agents().filter((agent) => !before.agents.includes(agent));
  const isLost = document.activeElement === document.body || document.activeElement === null;
  const isOne = added.length === 1 && agents().length > before.agents.length;
  if (isOne && document.activeElement?.closest(".editor-history") === null) focusName(added[0]);
  else if (isLost && before.agent) focusNear(before.agent);
}

function focusName(agent) {
  const name = document.getElementById(`name-${agent}`);
  name.focus();
  name.select();
  name.closest(".agent-card").scrollIntoView({ block: "nearest" });
}

function focusNear(agent) {
  const card = document.getElementById(`agent-${agent}`);
  const place = card ?? document.getElementById(`agent-${agents()[Math.max(0, before.agents.indexOf(agent) - 1)]}`);
  place?.querySelector(".agent-acts button").focus();
  card?.scrollIntoView({ block: "nearest" });
}

function pressed(event) {
  const letter = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(letter)) return;
  // In a field the browser's own undo is the nearer one.
  if (event.target.matches("input:not([type=radio]), textarea, select") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  document.getElementById(letter === "y" || event.shiftKey ? "redo" : "undo").click();
}

export function start() {
  document.body.addEventListener("htmx:confirm", confirm);
  document.body.addEventListener("htmx:configRequest", configure);
  document.body.addEventListener("htmx:beforeSwap", leaving);
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (!before || event.detail.target?.id !== "canvas") return;
    arrived();
    before = null;
    document.dispatchEvent(new CustomEvent("editor:drawn"));
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.failed && event.detail.target?.id === "canvas" && !event.detail.xhr.status) {
      notice("The server could not be reached: nothing was changed. Try again.");
    }
  });
  document.addEventListener("keydown", pressed);
  document.addEventListener("editor:stale", () => act(redraw));
  document.addEventListener("click", (event) => {
    if (event.target.closest("#editor-history [aria-disabled=true]")) event.preventDefault();
  }, { capture: true });
}
