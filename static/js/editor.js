// The editor's page: every edit works as a form; here they are sent while one types, drags and picks.
import "./dialog.js";
import * as acts from "./editor_acts.js";
import * as drag from "./editor_drag.js";
import { listRefusals, readState } from "./editor_faults.js";
import * as models from "./editor_models.js";
import * as names from "./editor_names.js";
import * as rules from "./editor_rule.js";
import { flush, start, storeValue, touched } from "./editor_save.js";
import "./editor_trial.js";

const TYPED = "textarea, input:not([type=radio], [type=hidden])";

document.addEventListener("input", ({ target }) => {
  if (target.dataset?.field && target.matches(TYPED)) touched(target);
});
document.addEventListener("change", async ({ target }) => {
  if (!target.dataset?.field) return;
  if (target.type === "radio") return connect(target);
  touched(target, 0);
});

// Another connection changes the stages: the chain is drawn anew.
function connect(radio) {
  const values = { connection_type: radio.value };
  return acts.post(radio.form.getAttribute("action"), values);
}

document.addEventListener("editor:state", ({ detail }) => {
  for (const [place, texts] of Object.entries(detail.texts)) {
    for (const [field, value] of Object.entries(texts)) storeValue(place, field, value);
  }
  names.refresh();
});
document.addEventListener("editor:drawn", () => {
  names.refresh();
  rules.refresh();
  drag.refresh();
});

// What is said of an agent says the name that it has now.
function relabel({ target }) {
  if (!target.matches(".agent-name")) return;
  const card = target.closest(".agent-card");
  for (const part of [card, ...card.querySelectorAll("[data-label]")]) {
    part.setAttribute("aria-label", part.dataset.label.replace("…", () => target.value));
  }
}

document.addEventListener("input", relabel);
document.addEventListener("editor:set", relabel);

// A link to a fault leads into its field.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".fault-list a, .fault-lines a");
  const control = link && document.getElementById(link.hash.slice(1));
  if (!control) return;
  event.preventDefault();
  document.getElementById("dialog").close();
  control.closest("details")?.setAttribute("open", "");
  document.getElementById("editor-aside").removeAttribute("data-open");
  control.scrollIntoView({ block: "center", behavior: "smooth" });
  control.focus({ preventScroll: true });
});
document.body.addEventListener("htmx:afterSwap", () => listRefusals());
document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-aside-toggle]");
  if (!toggle) return;
  const isOpen = document.getElementById("editor-aside").toggleAttribute("data-open");
  toggle.setAttribute("aria-expanded", String(isOpen));
});
// Before the canvas comes: in a page behind a dialog nothing can take the focus.
document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.elt.matches("[data-closes]")) document.getElementById("dialog").close();
});
// Enter in a field of one line saves it now instead of sending the page.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-fields]")) return;
  event.preventDefault();
  flush();
});

readState();
acts.start();
models.start();
names.start();
rules.start();
rules.refresh();
drag.refresh();
start();
