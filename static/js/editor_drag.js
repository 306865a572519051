// Agents by drag and drop: between stages, beside a companion, or within a group. Buttons do the same by keyboard.
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

function dropped({ item, from, to, oldDraggableIndex, newDraggableIndex }) {
  document.querySelector(".canvas").removeAttribute("data-dragging");
  if (from === to && oldDraggableIndex === newDraggableIndex) return;
  const cards = [...document.querySelectorAll(".canvas .agent-card")];
  const values = { index: cards.indexOf(item) };
  const wasGrouped = from.querySelectorAll(".agent-card").length > (from === to ? 1 : 0);
  if (to.dataset.cards !== undefined && from !== to) {
    const companion = item.previousElementSibling ?? item.nextElementSibling;
    Object.assign(values, { connection_type: "parallel", beside: companion.dataset.agent });
  } else if (from !== to && wasGrouped) {
    values.connection_type = "direct";
  }
  post(item.querySelector(".agent-acts").getAttribute("action"), values);
}

export function refresh() {
  for (const list of document.querySelectorAll("[data-cards], [data-gap]")) {
    new Sortable(list, {
      ...OPTIONS,
      onStart: () => document.querySelector(".canvas").setAttribute("data-dragging", ""),
      onEnd: dropped,
    });
  }
}
