// What the editor says above the chain: it stays until somebody closes it, or until the next act makes it old.
const place = () => document.getElementById("editor-notice");

export function notice(words, text = "") {
  if (!text) clearNotice();
  const entry = document.createElement("div");
  const sentence = document.createElement("p");
  sentence.textContent = words;
  entry.className = "notice-entry";
  entry.append(sentence, closeButton(entry));
  if (text) entry.append(keptText(text));
  place().append(entry);
  place().hidden = false;
}

// What holds a text that stands nowhere else goes only by hand.
export function clearNotice() {
  for (const entry of place().querySelectorAll(".notice-entry:not(:has(textarea))")) entry.remove();
  place().hidden = place().childElementCount === 0;
}

function keptText(text) {
  const area = document.createElement("textarea");
  area.readOnly = true;
  area.value = text;
  area.setAttribute("aria-label", "What you typed");
  return area;
}

function closeButton(entry) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button button-small", textContent: "Close" });
  button.addEventListener("click", () => {
    entry.remove();
    place().hidden = place().childElementCount === 0;
  });
  return button;
}
