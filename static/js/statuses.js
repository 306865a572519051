// Tells whoever wants to know when a column or a run gets another status, however that came about.
const listeners = [];

// A listener is called with all that changed in one turn: [{ element, before, now }], once for each element.
export const watchStatuses = (listener) => listeners.push(listener);

function changesIn(records) {
  const befores = new Map();
  for (const { target, oldValue } of records) {
    if (!befores.has(target) && target.matches(".column, .band")) befores.set(target, oldValue);
  }
  return [...befores]
    .map(([element, before]) => ({ element, before, now: element.dataset.status ?? element.dataset.runStatus }))
    .filter(({ before, now }) => before !== now);
}

new MutationObserver((records) => {
  const changes = changesIn(records);
  if (changes.length) for (const listener of listeners) listener(changes);
}).observe(document.getElementById("runs"), {
  attributes: true,
  attributeFilter: ["data-status", "data-run-status"],
  attributeOldValue: true,
  subtree: true,
});
