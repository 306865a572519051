// The composer: grows with its text, sends on Enter, and holds Stop in the place of Send while a run is live.
const MAX_ROWS_PX = 320;
const field = () => document.querySelector("[data-composer] textarea");

function grow(textarea) {
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

document.addEventListener("input", (event) => event.target.matches("[data-composer] textarea") && grow(event.target));
document.addEventListener("keydown", (event) => {
  if (!event.target.matches("[data-composer] textarea")) return;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  const form = event.target.form;
  if (!form.querySelector("[data-send]").hidden) form.requestSubmit();
});
document.addEventListener("htmx:afterSettle", () => {
  const textarea = field();
  if (textarea) grow(textarea);
});
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt.id === "composer") field().focus({ preventScroll: true });
});
// A fault on the way leaves the message where it is, and says so beside it.
function notSent(element, reason) {
  const fault = element.querySelector("#composer-error");
  if (fault) fault.textContent = `${reason} Your message is still here: try again.`;
}

document.addEventListener("htmx:sendError", ({ detail }) => notSent(detail.elt, "The server could not be reached."));
document.addEventListener("htmx:responseError", ({ detail }) =>
  notSent(detail.elt, `The server answered with an error (${detail.xhr.status}).`),
);

if (field()) grow(field());
