// The test run beside the editor: the page follows the session of the newest one.
import { flush } from "./editor_save.js";
import { showLife } from "./page.js";
import { watch } from "./session.js";

const watched = new Set();

document.body.addEventListener("htmx:afterSettle", () => {
  showLife();
  const { session } = document.getElementById("composer").dataset;
  if (!session || watched.has(session)) return;
  watched.add(session);
  watch(session);
});
document.addEventListener("click", (event) => {
  const sample = event.target.closest("[data-sample]");
  if (!sample) return;
  event.preventDefault();
  const field = document.getElementById("composer-input");
  field.value = sample.dataset.sample;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});
// What runs is what was typed last; a message can be kept whatever the draft says.
document.body.addEventListener("htmx:confirm", async (event) => {
  const { elt, issueRequest, triggeringEvent } = event.detail;
  if (!elt.matches("[data-composer]") || triggeringEvent.submitter?.hasAttribute("formaction")) return;
  event.preventDefault();
  if (await flush()) issueRequest(true);
  else document.getElementById("composer-error").textContent = "The draft was not run, because what you typed in it is not saved yet.";
});
