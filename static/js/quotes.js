// The quotes of the message: chips that name their column, each with the fields that are sent.
import { say } from "./announcer.js";
import { removeChip, tell } from "./chips.js";

const SHOWN = 120;
const template = document.getElementById("quote-chip");
const listOf = (composer) => composer.querySelector("[data-quotes]");

function chipOf({ step, name, connection, text }) {
  const chip = template.content.firstElementChild.cloneNode(true);
  chip.dataset.connection = connection;
  chip.querySelector("[name=quote_step]").value = step;
  chip.querySelector("[name=quote_text]").value = text;
  chip.querySelector("[data-quote-name]").textContent = name;
  const words = chip.querySelector("[data-quote-words]");
  words.textContent = text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
  words.title = text.slice(0, 600);
  chip.querySelector("[data-unquote]").setAttribute("aria-label", `Remove the quote of ${name}`);
  return chip;
}

export function quotesOf(composer) {
  return [...composer.querySelectorAll("[data-quote]")].map((chip) => ({
    step: chip.querySelector("[name=quote_step]").value,
    name: chip.querySelector("[data-quote-name]").textContent,
    connection: chip.dataset.connection,
    text: chip.querySelector("[name=quote_text]").value,
  }));
}

export function showQuotes(composer, quotes) {
  listOf(composer).replaceChildren(...quotes.map(chipOf));
}

export function addQuote(quote) {
  const composer = document.getElementById("composer");
  listOf(composer).append(chipOf(quote));
  tell();
  composer.querySelector("textarea[name=input]").focus();
  say(`Quoted ${quote.name} in your message.`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-unquote]");
  if (button) removeChip(button.closest("[data-quote]"));
});
