// Copy an answer's source, a block of code, or whatever else a button names.
import { say as announce } from "./announcer.js";

const SHOWN_MS = 1_600;

async function put(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS a browser offers no clipboard: copy a selection, as browsers always could.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("not permitted");
}

async function read(address) {
  const response = await fetch(address);
  // The log-in page is no answer's text.
  if (!response.ok || response.redirected) throw new Error(`status ${response.status}`);
  return response.text();
}

// A button names an address whose text is meant, or the text itself, or stands in a block of code.
function textFor(button) {
  const { copy, copyText } = button.dataset;
  if (copy) return read(copy);
  return copyText ?? button.closest(".code").querySelector("pre").textContent;
}

// A button of words says what happened, one with an icon shows a tick.
function say(button, words, isCopied) {
  const hasWords = !button.querySelector("svg");
  const before = button.textContent;
  if (hasWords && button.dataset.words === undefined) {
    button.dataset.words = before;
    button.textContent = words;
  }
  button.toggleAttribute("data-copied", isCopied);
  announce(words);
  setTimeout(() => {
    button.removeAttribute("data-copied");
    if (hasWords) button.textContent = button.dataset.words ?? before;
    delete button.dataset.words;
  }, SHOWN_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-code], [data-copy-text]");
  if (!button) return;
  try {
    await put(await textFor(button));
    say(button, "Copied", true);
  } catch {
    say(button, "Not copied", false);
  }
});
