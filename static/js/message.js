// The message of a session's page: its draft, its files, its quotes, and what it will do.
import { say } from "./announcer.js";
import { restore } from "./draft.js";
import { attach } from "./files.js";
import "./drafts.js";
import "./outlook.js";
import { showLocalTimes } from "./page.js";
import "./quote.js";

// Picked before this script was there.
const early = document.querySelector("[data-composer] input[type=file]");
restore();
if (early.files.length) {
  attach([...early.files]);
  early.value = "";
}
document.addEventListener("htmx:load", ({ detail }) => detail.elt.id === "composer" && showLocalTimes(detail.elt));
// The answer that was chosen: the keyboard stays beside it.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.requestConfig.elt;
  if (!form.matches?.("[data-choose]") || !detail.successful) return;
  const foot = document.getElementById(new URL(form.action).pathname.replace(/.*\/steps\/(\d+)\/.*/, "step-$1-foot"));
  foot?.querySelector("[data-choose] button")?.focus({ preventScroll: true });
  say(foot?.querySelector(".choice-made")?.textContent ?? "The conversation continues with all answers.");
});
