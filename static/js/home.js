// The quick compare says how many models are picked, and holds their number between two and eight.
import "./dialog.js";
import { sends } from "./enter.js";

const MIN = 2;
const MAX = 8;
const form = document.querySelector("[data-compare]");
const count = form.querySelector("[data-compare-count]");
const field = form.querySelector("textarea");

function show() {
  const boxes = [...form.querySelectorAll("[name=models]")];
  const picked = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.disabled = !box.checked && picked >= MAX;
  count.textContent = picked < MIN ? "Pick two to eight models." : `${picked} models answer at the same time.`;
}

form.addEventListener("change", show);
field.addEventListener("keydown", (event) => {
  if (!sends(event)) return;
  event.preventDefault();
  form.requestSubmit();
});
window.addEventListener("pageshow", show);
show();
