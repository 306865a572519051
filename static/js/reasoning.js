// One agent's reasoning while it streams: plain text that only grows. The server bounds it, and counts it in its own
// way: `start` and `end` of a piece are its places, not the browser's.
const CHUNK = 2_000; // characters: what stands in an earlier chunk is not laid out again
const painted = new WeakMap(); // element → { by, length }

export class Reasoning {
  constructor() {
    this.end = 0;
    this.text = "";
  }

  // Take a piece in. Returns false when one before it is missing.
  take({ start, end, text }) {
    if (start > this.end) return false;
    if (start === 0) this.text = text;
    else if (start === this.end) this.text += text;
    else return true;
    this.end = end;
    return true;
  }

  // It opens when its first words come; whoever folds it keeps it folded.
  paint(column) {
    const details = column.querySelector("[data-reasoning]");
    if (!this.text || !details) return;
    const element = textOf(details);
    const { by, length } = painted.get(element) ?? {};
    if (by !== this) element.replaceChildren(chunkOf(this.text));
    else if (length < this.text.length) append(element, this.text.slice(length));
    painted.set(element, { by: this, length: this.text.length });
    if (!details.hidden) return;
    details.hidden = false;
    details.open = true;
  }
}

// Another attempt begins to think anew.
export function clearReasoning(column) {
  const details = column.querySelector("[data-reasoning]");
  if (!details) return;
  details.hidden = true;
  textOf(details).replaceChildren();
}

function append(element, piece) {
  const last = element.lastElementChild;
  const cut = last.textContent.length > CHUNK ? piece.lastIndexOf("\n") : -1;
  if (cut < 0) {
    last.append(piece);
    return;
  }
  last.append(piece.slice(0, cut));
  element.append(chunkOf(piece.slice(cut + 1)));
}

function chunkOf(text) {
  const chunk = document.createElement("p");
  chunk.textContent = text;
  return chunk;
}

const textOf = (details) => details.querySelector("[data-reasoning-text]");
