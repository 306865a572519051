// The message of a session's page: its draft, its files, its quotes, and what it will do.
import { say } from "./announcer.js";
import { restore } from "./draft.js";
import { attach } from "./files.js";
import "./drafts.js";
import "./outlook.js";
import { showLocalTimes } from "./local_times.js";
import "./quote.js";

// Picked before this script was there.
const early = document.querySelector("[data-composer] input[type=file]");
restore();
if (early.files.length) {
  attach([...early.files]);
  early.value = "";
}
document.addEventListener("htmx:load", ({ detail }) => detail.elt.id === "composer" && showLocalTimes(detail.elt));
// The answer that was chosen: the keyboard stays beside it. The socket may have drawn its foot anew before the request
// is answered, and a form that is gone tells nobody of its end.
let choosing = null;
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.matches?.("[data-choose]")) choosing = detail.elt.closest(".column-foot").id;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.matches?.("[data-choose]") && !detail.successful) choosing = null;
});
document.addEventListener("htmx:load", ({ detail }) => {
  const foot = detail.elt;
  if (!choosing || foot.id !== choosing) return;
  choosing = null;
  foot.querySelector("[data-choose] button")?.focus({ preventScroll: true });
  say(foot.querySelector(".choice-made")?.textContent ?? "The conversation continues with all answers.");
});
