// The quick compare says which models are picked, and holds their number between two and eight.
import "./dialog.js";
import { comparison, read, write } from "./drafts.js";
import { sends } from "./enter.js";

const MIN = 2;
const MAX = 8;
const form = document.querySelector("[data-compare]");
const count = form.querySelector("[data-compare-count]");
const field = form.querySelector("textarea");
const chips = form.querySelector("[data-compare-picked]");
const chip = form.querySelector("[data-compare-chip]");
let isRefused = count.classList.contains("field-error");

const nameOf = (box) => box.closest("label").querySelector(".model-chip-name").textContent;

function chipOf(box) {
  const made = chip.content.firstElementChild.cloneNode(true);
  made.querySelector("[data-name]").textContent = nameOf(box);
  made.dataset.model = box.value;
  return made;
}

function show() {
  const boxes = [...form.querySelectorAll("[name=models]")];
  const picked = boxes.filter((box) => box.checked);
  for (const box of boxes) box.disabled = !box.checked && picked.length >= MAX;
  chips.replaceChildren(...picked.map(chipOf));
  chips.hidden = !picked.length;
  if (isRefused) return; // what is wrong stays until something changes
  count.className = "faint";
  count.setAttribute("role", "status");
  count.textContent = picked.length < MIN ? "Pick 2 to 8 models." : `${picked.length} models answer at the same time.`;
}

function changed() {
  isRefused = false;
  show();
}

function leaveOut(button) {
  const place = [...chips.children].indexOf(button);
  const box = form.querySelector(`[name=models][value="${button.dataset.model}"]`);
  box.checked = false;
  changed();
  (chips.children[Math.min(place, chips.children.length - 1)] ?? box).focus();
}

// What is sent after the log-in has ended leads to the log-in page, and from there back: then it is here again.
function keep() {
  const boxes = [...form.querySelectorAll("[name=models]")];
  write(comparison(), { text: field.value, models: boxes.filter((box) => box.checked).map((box) => box.value) });
}

function restore() {
  const kept = read(comparison());
  write(comparison(), null);
  const { login } = document.body.dataset;
  const accounts = new URL("..", new URL(login, location.href)).href;
  if (!kept || field.value || !document.referrer.startsWith(accounts)) return;
  field.value = kept.text;
  for (const box of form.querySelectorAll("[name=models]")) box.checked = kept.models.includes(box.value);
}

form.addEventListener("submit", keep);
form.addEventListener("change", changed);
form.addEventListener("click", ({ target }) => {
  const button = target.closest(".picked-chip");
  if (button) leaveOut(button);
});
field.addEventListener("keydown", (event) => {
  if (!sends(event)) return;
  event.preventDefault();
  form.requestSubmit();
});
window.addEventListener("pageshow", show);
restore();
show();
