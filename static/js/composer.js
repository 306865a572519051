// The composer: grows with its text, sends on Enter, and holds Stop in the place of Send while a run is live.
import { makesLines, sends } from "./enter.js";

const MAX_ROWS_PX = 320;
const TOO_MUCH = 413;
let isNextMeant = false; // what stands in the field shall go as soon as the answer to the last message is here
let hasLeft = false; // somebody turned to something else since the last request for a composer
const field = () => document.querySelector("[data-composer] textarea[name=input]");

export function grow(textarea) {
  textarea.style.blockSize = "auto";
  if (!textarea.scrollHeight) return; // nobody sees it yet
  textarea.style.blockSize = `${Math.min(textarea.scrollHeight + 2, MAX_ROWS_PX)}px`;
}

export function showRun(run) {
  const composer = document.getElementById("composer");
  const stop = composer.querySelector("[data-stop-form]");
  composer.toggleAttribute("data-live", run !== null);
  composer.querySelector("[data-send]").hidden = run !== null;
  stop.hidden = run === null;
  if (run === null) return;
  const address = stop.dataset.address.replace("/0/", `/${run}/`);
  if (stop.getAttribute("hx-post") === address) return;
  stop.action = address;
  stop.setAttribute("hx-post", address);
  htmx.process(stop);
}

// Say beside the message what is wrong with it.
export function showFault(words) {
  const fault = document.getElementById("composer-error");
  if (fault) fault.textContent = words;
}

function prepare(textarea) {
  grow(textarea);
  if (makesLines.matches) textarea.setAttribute("enterkeyhint", "enter");
}

function submit(form) {
  const send = form.querySelector("[data-send]");
  if (send.disabled) isNextMeant = true;
  else if (!send.hidden) form.requestSubmit(send);
}

const isField = (element) => element.matches("[data-composer] textarea[name=input]");

document.addEventListener("input", (event) => isField(event.target) && grow(event.target));
document.addEventListener("keydown", (event) => {
  if (!isField(event.target) || !sends(event)) return;
  event.preventDefault();
  submit(event.target.form);
});
document.addEventListener("htmx:afterSettle", (event) => {
  const textarea = field();
  if (!textarea) return;
  prepare(textarea);
  if (event.target.id !== "composer" || !isNextMeant) return;
  isNextMeant = false;
  if (textarea.value.trim()) submit(textarea.form);
});
// Refused or not sent: whoever reads why decides what goes next.
for (const moment of ["htmx:beforeOnLoad", "htmx:afterRequest"]) {
  document.addEventListener(moment, ({ detail }) => {
    if (detail.elt.matches?.("[data-composer]") && detail.xhr.status !== 200) isNextMeant = false;
  });
}
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.target.id === "composer") hasLeft = false;
});
for (const act of ["pointerdown", "keydown"]) {
  document.addEventListener(act, ({ target, key }) => (hasLeft ||= key === "Tab" || !target.closest?.("#composer")));
}
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt.id !== "composer" || hasLeft) return;
  const textarea = field();
  textarea.focus({ preventScroll: true });
  textarea.setSelectionRange(textarea.value.length, textarea.value.length);
});
// A fault on the way leaves the message where it is, and says so beside it.
function notSent(element, reason) {
  if (element.querySelector("#composer-error")) showFault(`${reason} Your message is still here.`);
}

document.addEventListener("htmx:sendError", ({ detail }) =>
  notSent(detail.elt, "The server could not be reached: try again."),
);
document.addEventListener("htmx:responseError", ({ detail }) =>
  notSent(
    detail.elt,
    detail.xhr.status === TOO_MUCH
      ? "That was too much to send at once: shorten it, or attach long texts as files."
      : `The server answered with an error (${detail.xhr.status}): try again.`,
  ),
);

if (field()) prepare(field());
