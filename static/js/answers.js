// One agent's answer as the socket tells it: frozen blocks and an open tail, kept here and painted into the page.
// Text may come before its column is on the page, and a column may be replaced; what is known stays known.
import { restoreWraps } from "./code.js";
import { Reasoning } from "./reasoning.js";

export class Answer {
  constructor(attempt) {
    this.attempt = attempt;
    this.forget();
  }

  // Start over: only a frame that begins at the first block can be built upon.
  forget() {
    this.rev = -1;
    this.blocks = [];
    this.tail = "";
    this.isWhole = false;
    this.staleFrom = 0;
    this.reasoning = new Reasoning();
  }

  // Take a frame in. Returns false when text before it is missing.
  take(frame) {
    if (frame.attempt < this.attempt) return true;
    if (frame.attempt > this.attempt) {
      this.attempt = frame.attempt;
      this.forget();
    }
    const hasReasoning = !frame.reasoning || this.reasoning.take(frame.reasoning);
    return this.takeBlocks(frame) && hasReasoning;
  }

  takeBlocks(frame) {
    if (this.isWhole && frame.rev <= this.rev && frame.first_block > 0) return true;
    if (frame.first_block > 0 && (!this.isWhole || frame.first_block > this.blocks.length)) {
      this.isWhole = false;
      return false;
    }
    this.blocks.length = frame.first_block;
    this.blocks.push(...frame.closed);
    this.tail = frame.tail;
    this.rev = frame.rev;
    this.isWhole = true;
    this.staleFrom = Math.min(this.staleFrom, frame.first_block);
    return true;
  }

  // Bring an element up to date. What is the same stays as it is, so that nothing that is read or selected moves.
  paint(element) {
    element.dataset.attempt = this.attempt;
    if (this.blocks.length > this.staleFrom) closeTail(element, this.staleFrom);
    putBlocks(element, this.blocks.slice(this.staleFrom).map(blockOf), this.staleFrom);
    putTail(element, this.tail);
    this.staleFrom = this.blocks.length;
    restoreWraps(element);
    this.reasoning.paint(element.closest(".column"));
  }
}

export function blocksOf(element) {
  return [...element.children].filter((child) => child.hasAttribute("data-block"));
}

// Make these the element's blocks from a place on.
export function putBlocks(element, blocks, from = 0) {
  const tail = tailOf(element);
  const count = () => element.childElementCount - (tail ? 1 : 0);
  blocks.forEach((block, index) => {
    const old = from + index < count() ? element.children[from + index] : null;
    if (!old) element.insertBefore(block, tail);
    else if (!old.isEqualNode(block)) old.replaceWith(block);
  });
  while (count() > from + blocks.length) element.children[count() - 1].remove();
}

// What was the tail is the next block now: it stays where it is, instead of giving way to one that looks the same.
function closeTail(element, place) {
  const tail = tailOf(element);
  if (!tail || element.childElementCount - 1 !== place) return;
  delete tail.dataset.tail;
  tail.dataset.block = "";
}

export function removeTail(element) {
  tailOf(element)?.remove();
}

function putTail(element, html) {
  let tail = tailOf(element);
  if (!html) {
    tail?.remove();
    return;
  }
  if (!tail) {
    tail = document.createElement("div");
    tail.dataset.tail = "";
    element.append(tail);
  }
  // The server made this HTML safe, as it did that of the blocks.
  tail.innerHTML = html;
}

function tailOf(element) {
  const last = element.lastElementChild;
  return last?.hasAttribute("data-tail") ? last : null;
}

function blockOf(html) {
  const block = document.createElement("div");
  block.dataset.block = "";
  block.innerHTML = html;
  return block;
}
