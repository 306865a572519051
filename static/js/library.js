// The library and the import: focus that stays, and pasted text that nothing takes away.
import "./dialog.js";
import "./row_menu.js";

// What an act brings takes the place of what had the focus.
document.addEventListener("htmx:load", (event) => {
  const row = event.detail.elt;
  const faulty = row.matches(".chain-row") && row.querySelector("[aria-invalid]");
  if (faulty) faulty.focus();
  else if (row.matches("[data-new]")) row.querySelector("button, a, summary").focus();
});

const form = document.getElementById("import");
const text = () => document.getElementById("import-text");
const size = () => new Blob([text().value]).size;
let earlier = "";
let isAsked = false; // until it is answered, by whichever request comes through

// What came of it is seen: whoever asked for it goes there, whoever types goes on typing.
function tell(elt) {
  const looked = document.getElementById("import-looked");
  if (looked.querySelector(".import-faults, .field-error")) text().setAttribute("aria-invalid", "true");
  else text().removeAttribute("aria-invalid");
  if (elt === text() && !isAsked) return;
  isAsked = false;
  const head = document.getElementById("import-head");
  head?.focus({ preventScroll: true });
  (head ?? looked).scrollIntoView({ block: "nearest", behavior: "smooth" });
}

// The server would refuse so much before it could answer with the text.
function isTooLong(event) {
  const bytes = size();
  if (bytes <= Number(form.dataset.max)) return false;
  event.preventDefault();
  const fault = document.createElement("p");
  fault.className = "field-error";
  fault.textContent = `The text has ${bytes.toLocaleString("en")} bytes: at most ${Number(form.dataset.max).toLocaleString("en")} are read.`;
  document.getElementById("import-looked").replaceChildren(fault);
  tell(null);
  return true;
}

form?.addEventListener("submit", isTooLong);
form?.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "import-file" && isTooLong(event)) return;
  isAsked ||= event.target !== text();
  if (event.target.id === "import-file") earlier = text().value;
});
form?.addEventListener("htmx:afterSettle", ({ detail }) => {
  tell(detail.requestConfig?.elt);
  const isReplaced = earlier.trim() !== "" && text().value !== earlier;
  document.getElementById("import-earlier").hidden = !isReplaced;
});
form?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-earlier]")) return;
  [text().value, earlier] = [earlier, text().value];
  text().dispatchEvent(new Event("input", { bubbles: true }));
});
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  form?.addEventListener(name, () => {
    const fault = document.createElement("p");
    fault.className = "field-error";
    fault.textContent = "The server could not look at it. Your text is still here: try again.";
    document.getElementById("import-looked").replaceChildren(fault);
  });
}
