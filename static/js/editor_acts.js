// What changes the shape of a chain: one act after the other, each after what is typed has been saved.
import { readState, state } from "./editor_faults.js";
import { clearNotice, notice } from "./editor_notice.js";
import { adopt, flush } from "./editor_save.js";

// What changes nothing of the draft need not wait for its turn.
const UNORDERED = "[data-composer], [data-stop-form], [data-try], .rule-try, [type=search]";
let turn = Promise.resolve(); // when the acts that were asked for so far are over
let before = null; // what the canvas was when it was replaced, and who was there

const isEditors = (element) => element?.closest?.("[data-editor]") || element?.closest?.("[data-closes]");
const canvas = () => document.getElementById("canvas");
const agents = () => [...document.querySelectorAll(".agent-card")].map((card) => card.dataset.agent);

// An act that failed has told why by then, and the next one has its turn all the same.
function act(work) {
  turn = turn.then(() => take(work)).catch((error) => error && reportError(error));
  return turn;
}

async function take(work) {
  if (work !== redraw) clearNotice();
  // What waits for a decision between two texts does not hold up drawing them.
  if ((await flush()) || work === redraw) await work();
  else notice("That has to wait until what you typed is saved.");
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
  const { elt, issueRequest, triggeringEvent } = event.detail;
  // Requests of scripts have no event, and take their turn before they begin.
  if (!triggeringEvent || !isEditors(elt) || elt.matches(UNORDERED)) return;
  event.preventDefault();
  const id = (triggeringEvent.submitter ?? elt).id;
  act(() => {
    if (elt.isConnected) return done(elt, () => issueRequest(true));
    // The one in its place waits for a turn of its own.
    return id && document.getElementById(id)?.click();
  });
}

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
  before = {
    agents: agents(),
    agent: focused?.closest(".agent-card")?.dataset.agent,
    open: [...canvas().querySelectorAll(".agent-more[open]")].map(agentOf),
    caret: { id: focused?.id, start: focused?.selectionStart, end: focused?.selectionEnd },
    scroll: scrolled().scrollTop,
    canAdd: mayAdd(event.detail),
  };
}

// Who undoes goes on doing so, and what another window added is no reason to leave a text.
const mayAdd = ({ requestConfig, xhr }) => requestConfig.verb === "post" && xhr.status < 400 && !requestConfig.elt.matches(".editor-undo");
const agentOf = (part) => part.closest(".agent-card").dataset.agent;
const scrolled = () => document.getElementById("main");

function arrived() {
  readState();
  for (const more of canvas().querySelectorAll(".agent-more")) more.open ||= before.open.includes(agentOf(more));
  adopt(canvas());
  scrolled().scrollTop = before.scroll;
  const added = agents().filter((agent) => !before.agents.includes(agent));
  const isLost = document.activeElement === document.body || document.activeElement === null;
  const isOne = added.length === 1 && agents().length > before.agents.length;
  if (isOne && before.canAdd) focusName(added[0]);
  else if (isLost && before.agent) focusNear(before.agent);
  else putCaret(before.caret);
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
  (place?.querySelector(".agent-acts button") ?? document.getElementById("add-0")).focus();
  card?.scrollIntoView({ block: "nearest" });
}

// In a text that was drawn anew one goes on typing where one was.
function putCaret({ id, start, end }) {
  const field = document.activeElement;
  if (id && field.id === id && start !== undefined && start !== null) field.setSelectionRange(start, end);
}

function pressed(event) {
  const letter = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(letter)) return;
  // In a field the browser's own undo is the nearer one.
  if (event.target.matches("input:not([type=radio]), textarea, select") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  document.getElementById(letter === "y" || event.shiftKey ? "redo" : "undo").click();
}

function failed({ detail }, how) {
  if (["canvas", "dialog"].includes(detail.target?.id)) notice(`The server ${how}: nothing was changed. Try again.`);
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
  document.body.addEventListener("htmx:sendError", (event) => failed(event, "could not be reached"));
  document.body.addEventListener("htmx:responseError", (event) => failed(event, `answered with an error (${event.detail.xhr.status})`));
  document.addEventListener("keydown", pressed);
  document.addEventListener("editor:stale", () => void act(redraw));
  document.addEventListener("click", (event) => {
    if (event.target.closest("#editor-history [aria-disabled=true]")) event.preventDefault();
  }, { capture: true });
}
