// Agents by drag and drop: between stages, beside a companion, or within a group. Buttons do the same by keyboard.
import { escapable } from "./drag.js";
import { post } from "./editor_acts.js";

const OPTIONS = {
  group: "agents",
  draggable: ".agent-card",
  handle: "[data-grip]",
  animation: 150,
  ghostClass: "agent-ghost",
  scrollSensitivity: 80,
  bubbleScroll: true,
};

const showDragging = (isDragging) => document.querySelector(".canvas").toggleAttribute("data-dragging", isDragging);

function cancelled({ item, from, oldDraggableIndex }) {
  showDragging(false);
  putBack(item, from, oldDraggableIndex);
}

async function dropped({ item, from, to, oldDraggableIndex, newDraggableIndex }) {
  showDragging(false);
  if (from === to && oldDraggableIndex === newDraggableIndex) return;
  await post(item.querySelector(".agent-acts").getAttribute("action"), placeOf(item, from, to));
  // The canvas that took it was drawn anew: if this one is still there, the chain is what it was.
  if (item.isConnected) putBack(item, from, oldDraggableIndex);
}

function placeOf(item, from, to) {
  const values = { index: [...document.querySelectorAll(".canvas .agent-card")].indexOf(item) };
  if (from === to) return values;
  if (to.dataset.cards !== undefined) {
    const companion = item.previousElementSibling ?? item.nextElementSibling;
    return { ...values, connection_type: "parallel", beside: companion.dataset.agent };
  }
  const wasGrouped = from.querySelector(".agent-card") !== null;
  return wasGrouped ? { ...values, connection_type: "direct" } : values;
}

function putBack(item, list, index) {
  item.remove();
  list.insertBefore(item, list.querySelectorAll(":scope > .agent-card")[index] ?? null);
}

let lists = [];

export function refresh() {
  // Those of a canvas that was drawn anew would be kept for good.
  for (const list of lists) list.destroy();
  lists = [];
  for (const list of document.querySelectorAll("[data-cards], [data-gap]")) {
    const acts = escapable({ onStart: () => showDragging(true), onEnd: dropped, onCancel: cancelled });
    lists.push(new Sortable(list, { ...OPTIONS, ...acts }));
  }
}
