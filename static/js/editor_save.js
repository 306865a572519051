// Saves what is typed: soon, in turn, and again when the server could not be reached. Nothing typed is lost: until
// it is saved a copy lies in the browser's storage, and the next window of this draft finds it there.
import { clearRefusal, isRefused, readState, showRefusal, state } from "./editor_faults.js";
import { notice } from "./editor_notice.js";
import { token } from "./token.js";

const PAUSE_MS = 600;
const NAME_PAUSE_MS = 1_200; // a name is rewritten wherever it is used: not at every letter
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 10_000;
const KEPT_ALIVE_BYTES = 60_000; // a browser sends no more after its page has gone
const ABANDONED_MS = 6_000;
const DECISIONS = [404, 409, 413, 422]; // any other refusal may be over soon
const fieldLabels = JSON.parse(document.getElementById("field-labels").textContent);

const editor = document.querySelector("[data-editor]");
const prefix = `unsaved:${editor.dataset.editor}:`;
const key = prefix + (sessionStorage.editorWindow ??= crypto.getRandomValues(new Uint32Array(2)).join(""));
const unsaved = new Map(); // place (an agent's id or "settings") → Map of field → value
const stored = new WeakMap(); // control → what the server has, as far as this window knows
const blocked = new Map(); // place → the pairs of texts there that wait for a decision
let timer = null;
let saving = null;
let retry = FIRST_RETRY_MS;
let isKept = true; // whether the browser took the copy
let isLeaving = false;

export const placeOf = (control) => control.closest("[data-agent]").dataset.agent;
const partOf = (place) => document.querySelector(`[data-agent="${place}"]`);
export const valueOf = (control) => (control.type === "radio" ? groupOf(control).find((one) => one.checked)?.value : control.value);
const groupOf = (radio) => [...partOf(placeOf(radio)).querySelectorAll(`[data-field="${radio.dataset.field}"]`)];

export function controlOf(place, field) {
  const controls = [...(partOf(place)?.querySelectorAll(`[data-field="${field}"]`) ?? [])];
  return controls.find((control) => control.type !== "radio" || control.checked) ?? controls[0];
}

export function setValue(control, value) {
  if (control.type === "radio") groupOf(control).forEach((radio) => (radio.checked = radio.value === value));
  else control.value = value;
  control.dispatchEvent(new CustomEvent("editor:set", { bubbles: true }));
}

// Remember what the server has, and put what was typed meanwhile into controls that were drawn anew.
export function adopt(part) {
  for (const control of part.querySelectorAll("[data-field]")) stored.set(control, valueOf(control));
  for (const [place, fields] of unsaved) {
    for (const [field, value] of fields) {
      const control = controlOf(place, field);
      if (control && part.contains(control) && valueOf(control) !== value) setValue(control, value);
    }
  }
  for (const place of unsaved.keys()) if (!partOf(place)) gone(place);
  for (const [place, texts] of blocked) {
    if (part.contains(partOf(place))) showConflict(place, texts);
  }
  if (unsaved.size) showState();
}

export function storeValue(place, field, value) {
  const control = controlOf(place, field);
  if (!control) return;
  stored.set(control, value);
  if (!unsaved.get(place)?.has(field) && valueOf(control) !== value) setValue(control, value);
}

export function touched(control, pause) {
  const place = placeOf(control);
  const { field } = control.dataset;
  if (valueOf(control) === stored.get(control) && !unsaved.get(place)?.has(field)) return;
  if (!unsaved.has(place)) unsaved.set(place, new Map());
  unsaved.get(place).set(field, valueOf(control));
  clearRefusal(place, field);
  keepCopy();
  showState();
  plan(pause ?? (field === "name" ? NAME_PAUSE_MS : PAUSE_MS));
}

function plan(pause) {
  clearTimeout(timer);
  timer = setTimeout(() => flush(), pause);
}

// Save all that is unsaved. Resolves to whether everything that can be saved has been.
export async function flush() {
  clearTimeout(timer);
  timer = null;
  while (saving || nextPlace()) {
    saving ??= save(nextPlace()).finally(() => (saving = null));
    if (!(await saving)) return false;
  }
  return blocked.size === 0;
}

// What the server refused stays unsaved, and is sent again only once it has been changed.
const sendable = (place) => [...unsaved.get(place)].filter(([field]) => !isRefused(place, field));
const nextPlace = () => [...unsaved.keys()].find((place) => !blocked.has(place) && sendable(place).length);

async function save(place) {
  const sent = new Map(sendable(place));
  show("saving", "Saving…");
  let response;
  try {
    response = await send(place, sent);
  } catch {
    return later("Not connected: your text is kept here and saved as soon as that is possible");
  }
  if (new URL(response.url).pathname === document.body.dataset.login) {
    return later("You are logged out: log in in another window, then your text is saved");
  }
  if (!response.ok && !DECISIONS.includes(response.status)) {
    toTheEnd(place);
    return later(`The server did not take it (${response.status}): your text is kept here, and it is tried again`);
  }
  retry = FIRST_RETRY_MS;
  return take(place, sent, response);
}

// What is refused for other reasons than its text, perhaps for long, must not hold up the rest.
function toTheEnd(place) {
  const fields = unsaved.get(place);
  if (!fields) return; // settled meanwhile
  unsaved.delete(place);
  unsaved.set(place, fields);
}

function send(place, fields) {
  const body = new URLSearchParams({ revision: state.revision, ...Object.fromEntries(fields) });
  // Tags are the chain's and have no revision: what this window knows of them stands for it.
  if (fields.has("tags")) body.set("known_tags", stored.get(controlOf(place, "tags")));
  const isShort = body.toString().length < KEPT_ALIVE_BYTES;
  return fetch(partOf(place).querySelector("[data-fields]").getAttribute("action"), {
    method: "POST",
    body,
    keepalive: isShort,
    headers: { "HX-Request": "true", "X-CSRFToken": token() },
  });
}

async function take(place, sent, response) {
  if (response.status === 409) return conflict(place, sent, await response.json());
  if (response.status === 422) return refused(place, sent, await response.json());
  if (response.status === 413) return tooLong(place, sent);
  if (response.status === 404) return gone(place);
  const html = await response.text();
  settle(place, sent);
  htmx.swap(document.body, html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
  readState();
  showState();
  return true;
}

// What was sent is saved, unless it was changed meanwhile.
function settle(place, sent) {
  const fields = unsaved.get(place);
  for (const [field, value] of sent) {
    const control = controlOf(place, field);
    if (control) stored.set(control, value);
    if (fields?.get(field) === value) fields.delete(field);
  }
  if (fields?.size === 0) unsaved.delete(place);
  keepCopy();
}

function refused(place, sent, { field, message }) {
  // No field of it: the whole place has gone, and what stands there now is drawn.
  if (!field) {
    gone(place);
    document.dispatchEvent(new CustomEvent("editor:stale"));
    return true;
  }
  // The rest of what was sent is as good as before: it goes again, without the part that was refused.
  showRefusal(place, sent.has(field) ? field : [...sent.keys()][0], message);
  showState();
  return true;
}

function tooLong(place, sent) {
  const [[field]] = [...sent].sort(([, one], [, other]) => other.length - one.length);
  return refused(place, sent, { field, message: "This is too long for the server: shorten it." });
}

function gone(place) {
  if (!unsaved.has(place)) return true;
  const texts = [...unsaved.get(place).values()].join("\n\n");
  forget(place);
  keepCopy();
  notice("That agent is not there any more, perhaps because of another window. What you typed:", texts);
  return true;
}

function forget(place) {
  for (const [field, value] of unsaved.get(place)) {
    clearRefusal(place, field);
    const control = controlOf(place, field);
    if (control) stored.set(control, value); // on its way off the page it says once more that it was changed
  }
  unsaved.delete(place);
  blocked.delete(place);
}

function later(words) {
  show("offline", words);
  keepCopy();
  plan(retry);
  retry = Math.min(retry * 2, LAST_RETRY_MS);
  return false;
}

// Two windows

function conflict(place, sent, { revision, theirs }) {
  state.revision = revision;
  const texts = [...sent].map(([name, mine]) => ({ name, mine, theirs: String(theirs[name] ?? "") }));
  const clashing = texts.filter((text) => text.theirs !== text.mine && text.theirs !== stored.get(controlOf(place, text.name)));
  if (clashing.length) showConflict(place, clashing);
  else notice("This draft was also changed in another window. Its changes are shown here.");
  document.dispatchEvent(new CustomEvent("editor:stale"));
  return true;
}

export function showConflict(place, texts) {
  blocked.set(place, texts);
  const banner = document.getElementById("conflict-template").content.firstElementChild.cloneNode(true);
  const pair = banner.querySelector(".conflict-texts");
  for (const text of texts) {
    const shown = pair.cloneNode(true);
    shown.dataset.name = text.name;
    shown.querySelector("[data-mine]").value = inWords(place, text.name, text.mine);
    shown.querySelector("[data-theirs]").value = inWords(place, text.name, text.theirs);
    shown.querySelectorAll("[data-what]").forEach((what) => (what.textContent = fieldLabels[text.name] ?? text.name));
    pair.before(shown);
  }
  pair.remove();
  for (const choice of ["mine", "theirs"]) {
    banner.querySelector(`[data-keep="${choice}"]`).addEventListener("click", () => decide(place, texts, choice));
  }
  partOf(place).querySelector("[data-conflict]").replaceChildren(banner);
  showState();
}

// A choice is told by its name.
function inWords(place, field, value) {
  const options = controlOf(place, field)?.options ?? [];
  const model = field === "model" && document.querySelector(`[data-model="${value}"] .model-name`)?.textContent;
  return model || ([...options].find((option) => option.value === value)?.text ?? value);
}

function decide(place, texts, choice) {
  blocked.delete(place);
  partOf(place).querySelector("[data-conflict]").replaceChildren();
  for (const { name, theirs } of texts) {
    const control = controlOf(place, name);
    stored.set(control, theirs);
    if (choice === "mine") continue;
    unsaved.get(place)?.delete(name);
    if (unsaved.get(place)?.size === 0) unsaved.delete(place);
    setValue(control, theirs);
  }
  keepCopy();
  controlOf(place, texts[0].name)?.focus();
  showState();
  flush();
}

// The line that says how it stands

function show(name, words) {
  const line = document.getElementById("save-state");
  line.dataset.state = name;
  line.querySelector("[data-save-words]").textContent = words;
}

function showState() {
  if (blocked.size) return show("refused", "Changed in two windows: choose a text");
  if (nextPlace()) return show("unsaved", "Not saved yet");
  if (unsaved.size) return show("refused", "Everything but the marked fields is saved");
  const time = new Date().toLocaleTimeString([], { timeStyle: "short" });
  show("saved", `Saved · ${time}`);
}

// The copy in the browser

// The copy of a window that goes is there for the next one at once.
function keepCopy() {
  const at = isLeaving ? 0 : Date.now();
  const places = [...unsaved].map(([place, fields]) => [
    place,
    [...fields].map(([field, value]) => [field, value, stored.get(controlOf(place, field)) ?? ""]),
  ]);
  try {
    if (places.length) localStorage.setItem(key, JSON.stringify({ at, places }));
    else localStorage.removeItem(key);
    isKept = true;
  } catch {
    // A full or forbidden storage: what is typed is still here, and saved over the wire.
    isKept = false;
  }
}

function findCopies(isFirst) {
  for (const name of Object.keys(localStorage).filter((one) => one.startsWith(prefix))) {
    const copy = JSON.parse(localStorage.getItem(name));
    const isMine = name === key;
    if (isMine ? !isFirst : Date.now() - copy.at < ABANDONED_MS) continue;
    localStorage.removeItem(name);
    copy.places.forEach(([place, fields]) => takeCopy(place, fields));
  }
}

function takeCopy(place, fields) {
  const clashing = [];
  for (const [field, value, known] of fields) {
    const control = controlOf(place, field);
    if (!control) notice("You typed this into an agent that is not there any more:", value);
    if (!control || valueOf(control) === value) continue;
    const theirs = valueOf(control);
    setValue(control, value);
    touched(control);
    if (theirs !== known) clashing.push({ name: field, mine: value, theirs });
  }
  if (clashing.length) showConflict(place, clashing);
}

// What somebody typed before this script was there.
function takeEarly() {
  if (performance.getEntriesByType("navigation")[0]?.type !== "navigate") return;
  for (const control of editor.querySelectorAll("textarea[data-field], input[data-field]:not([type=radio], [type=hidden])")) {
    if (control.value === control.defaultValue) continue;
    stored.set(control, control.defaultValue);
    touched(control);
  }
}

function leave() {
  isLeaving = true;
  if (!unsaved.size) return;
  keepCopy();
  flush();
}

export function start() {
  adopt(editor);
  takeEarly();
  findCopies(true);
  setTimeout(() => findCopies(false), ABANDONED_MS + 1_000);
  setInterval(() => unsaved.size && keepCopy(), 2_000);
  window.addEventListener("online", () => flush());
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", () => (isLeaving = false));
  document.addEventListener("visibilitychange", () => document.hidden && unsaved.size && flush());
  // A copy that lies in the browser is found again: only without one is there something to lose.
  window.addEventListener("beforeunload", (event) => unsaved.size && !isKept && event.preventDefault());
}
