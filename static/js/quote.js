// Quoting: a passage that is selected in an answer, by mouse, finger or keyboard, goes into the message.
import { addQuote } from "./quotes.js";

const MAX = 20_000; // characters
const SETTLE_MS = 150;
const GAP_PX = 6;
const button = document.createElement("button");
button.type = "button";
button.className = "button button-small quote-button";
button.textContent = "Quote";
let selected = null; // { answer, text }: a tap on the button may clear the selection first
let settling = null;

const elementOf = (node) => (node?.nodeType === Node.ELEMENT_NODE ? node : node?.parentElement);
const answerAt = (node) => elementOf(node)?.closest("[data-answer]");

function selection() {
  const range = document.getSelection();
  const answer = answerAt(range?.anchorNode);
  if (!range || range.isCollapsed || !answer || answer !== answerAt(range.focusNode)) return null;
  const text = range.toString().trim();
  return text ? { answer, text, place: range.getRangeAt(0).getBoundingClientRect() } : null;
}

function offer() {
  selected = selection();
  if (!selected) return button.remove();
  const box = selected.answer.parentElement;
  // After the answer in the document, so that the Tab key leads to it.
  if (button.parentElement !== box) selected.answer.after(button);
  const frame = box.getBoundingClientRect();
  const { place } = selected;
  const below = place.bottom - frame.top + GAP_PX;
  button.style.insetBlockStart = `${Math.max(0, Math.min(below, frame.height - button.offsetHeight - GAP_PX))}px`;
  const start = place.left - frame.left;
  button.style.insetInlineStart = `${Math.max(GAP_PX, Math.min(start, frame.width - button.offsetWidth - GAP_PX))}px`;
}

function quote(answer, text) {
  const column = answer.closest(".column");
  addQuote({
    step: column.dataset.step,
    name: column.querySelector("h3").textContent,
    connection: column.dataset.connection,
    text: text.length > MAX ? `${text.slice(0, MAX - 1)}…` : text,
  });
}

function quoteSelected() {
  const { answer, text } = selected;
  document.getSelection().removeAllRanges();
  button.remove();
  selected = null;
  quote(answer, text);
}

async function quoteAnswer(column) {
  const answer = column.querySelector("[data-answer]");
  if (selected?.answer === answer) return quoteSelected();
  const response = await fetch(column.querySelector("[data-copy]").dataset.copy);
  quote(answer, response.ok && !response.redirected ? await response.text() : answer.innerText);
}

document.addEventListener("selectionchange", () => {
  clearTimeout(settling);
  // The Tab key may move the selection's focus into our own button: what was selected still counts.
  settling = setTimeout(() => document.activeElement !== button && offer(), SETTLE_MS);
});
// A press on the button must not clear what it is about.
document.addEventListener("pointerdown", (event) => event.target.closest(".quote-button, [data-quote-answer]") && event.preventDefault());
document.addEventListener("click", (event) => {
  if (event.target.closest(".quote-button") && selected) quoteSelected();
  const whole = event.target.closest("[data-quote-answer]");
  if (whole) quoteAnswer(whole.closest(".column"));
});
