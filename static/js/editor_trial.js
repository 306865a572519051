// The test run beside the editor: the page follows the session of the newest one.
import { flush } from "./editor_save.js";
import { watch } from "./session.js";

const watched = new Set();

document.body.addEventListener("htmx:afterSettle", () => {
  const session = document.getElementById("composer").dataset.session;
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
// What runs is what was typed last.
document.body.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.elt.matches("[data-composer]")) return;
  event.preventDefault();
  await flush();
  event.detail.issueRequest(true);
});
