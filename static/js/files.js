// Files for the message: picked, dropped or pasted, sent to the server at once, each a chip that can be taken away.
import { removeChip, tell } from "./chips.js";
import { token } from "./token.js";

const MAX_BYTES = 10 * 1024 * 1024;
const UNREACHED = "could not be sent: the server could not be reached. Attach it again.";
const template = document.getElementById("fault-chip");
const composer = () => document.getElementById("composer");
const list = () => composer().querySelector("[data-files]");
let queue = Promise.resolve();
let underWay = 0;
let cameMeanwhile = false; // a file arrived while a message was on its way: the answer may not know of it

const headers = () => ({ "X-CSRFToken": token(), "X-Requested-With": "fetch" });

function faultOf(words) {
  const chip = template.content.firstElementChild.cloneNode(true);
  chip.querySelector("[data-words]").textContent = words;
  return chip;
}

function waitingChip(name) {
  const chip = document.createElement("li");
  chip.className = "chip chip-waiting";
  chip.textContent = `${name}, sending…`;
  return chip;
}

async function upload(file, waiting) {
  if (file.size > MAX_BYTES) throw new Error("is too large: a file may have 10 MB.");
  const body = new FormData();
  body.append("files", file, file.name);
  let response;
  try {
    response = await fetch(composer().dataset.attach, { method: "POST", body, headers: headers() });
  } catch {
    throw new Error(UNREACHED);
  }
  // The log-in has ended: the page leads to it, and what was typed is kept.
  if (response.redirected) return location.reload();
  if (response.status === 413) throw new Error("is too large for this server.");
  if (response.status !== 200 && response.status !== 422) throw new Error(`could not be sent (${response.status}).`);
  const chips = document.createElement("template");
  chips.innerHTML = await response.text();
  cameMeanwhile = true;
  put(waiting, chips.content);
}

// The composer may have been replaced while the file was on its way.
function put(waiting, chips) {
  if (waiting.isConnected) waiting.replaceWith(chips);
  else list().append(chips);
}

export function attach(files) {
  for (const file of files) {
    const waiting = waitingChip(file.name);
    list().append(waiting);
    underWay += 1;
    // One after the other: so they stand in the order in which they were chosen.
    queue = queue
      .then(() => upload(file, waiting))
      .catch((error) => put(waiting, faultOf(`“${file.name}” ${error.message}`)))
      .finally(() => {
        underWay -= 1;
        tell();
      });
  }
}

// Show the files that wait for this message on the server: another window attached some, took some away, or sent.
export async function showFiles() {
  const response = await fetch(composer().dataset.files);
  if (response.ok && !response.redirected && underWay === 0) list().innerHTML = await response.text();
}

function remove(button) {
  fetch(button.dataset.remove, { method: "POST", headers: headers() });
  removeChip(button.closest("li"));
}

// What is picked is sent at once, so that it is not sent again with the message.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-composer] input[type=file]")) return;
  attach([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-remove]");
  if (button) {
    event.preventDefault();
    remove(button);
  }
  const fault = event.target.closest("[data-dismiss-fault]");
  if (fault) removeChip(fault.closest("li"));
});
document.addEventListener("paste", (event) => {
  if (!event.target.matches?.("[data-composer] textarea[name=input]")) return;
  const { files, types } = event.clipboardData;
  // Programs for tables offer a picture of what is text.
  if (!files.length || types.includes("text/plain")) return;
  event.preventDefault();
  attach([...files]);
});

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.matches?.("[data-composer]")) cameMeanwhile = false;
});
document.addEventListener("htmx:load", ({ detail }) => {
  if (detail.elt.id === "composer" && cameMeanwhile) showFiles();
});

// A file may be dropped anywhere on the page.
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
window.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  composer().dataset.drop = "";
});
window.addEventListener("dragleave", (event) => event.relatedTarget === null && delete composer().dataset.drop);
window.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  delete composer().dataset.drop;
  attach([...event.dataTransfer.files]);
});

// A message waits for its files.
document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches("[data-composer]") || underWay === 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const faults = composer().querySelectorAll("[data-fault]").length;
    queue.then(() => {
      const form = composer().querySelector("[data-composer]");
      if (composer().querySelectorAll("[data-fault]").length === faults) form.requestSubmit(form.querySelector("[data-send]"));
    });
  },
  { capture: true },
);
