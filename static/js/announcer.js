// The one voice for screen readers: what is said in quick succession is said as one sentence after another, not all
// at once, and never more often than somebody can listen.
const PAUSE_MS = 1_500;
const region = document.getElementById("announcer");
let waiting = [];
let isQuiet = true;

// A sentence, or a function that makes one when its turn has come.
export function say(words) {
  if (!region) return;
  waiting.push(words);
  if (isQuiet) speak();
}

function speak() {
  const sentences = waiting.map((words) => (typeof words === "function" ? words() : words)).filter(Boolean);
  waiting = [];
  isQuiet = sentences.length === 0;
  if (isQuiet) return;
  // The same words again are news to a screen reader only if they differ.
  const text = sentences.join(" ");
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  setTimeout(speak, PAUSE_MS);
}
