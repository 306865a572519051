// What the server says about the draft, brought to the fields: faults, names, texts that a rename rewrote.
export const state = { revision: 0, names: {}, faults: [] };
const refusals = new Map(); // "place field" → message

export function readState() {
  const { texts, ...said } = JSON.parse(document.getElementById("editor-state").value);
  Object.assign(state, said);
  for (const part of document.querySelectorAll("[data-agent]")) showFaults(part);
  for (const fault of state.faults.filter((one) => one.agent === null)) showChainFault(fault);
  document.dispatchEvent(new CustomEvent("editor:state", { detail: { texts: texts ?? {} } }));
}

function showChainFault({ message }) {
  const place = document.querySelector('.canvas > [data-faults="agents"]');
  if (place) put(place, [{ message, severity: "fault" }]);
}

// Of an agent's card, or of the chain's settings, which have no faults of their own.
function showFaults(card) {
  const place = card.dataset.agent;
  const mine = state.faults.filter((fault) => String(fault.agent) === place);
  for (const part of card.querySelectorAll("[data-faults]")) {
    const field = part.dataset.faults;
    const found = mine.filter((fault) => fault.field === field || (fault.field === "slug" && field === "name"));
    const refusal = refusals.get(`${place} ${field}`);
    put(part, refusal ? [{ message: refusal, severity: "fault" }] : found);
    markControl(card, field, Boolean(refusal) || found.some((fault) => fault.severity === "fault"));
  }
}

// What stays the same is left alone, so that a screen reader does not say it again.
function put(part, faults) {
  const now = [...part.children].map((line) => line.dataset.severity + line.textContent).join("\n");
  if (now === faults.map((fault) => fault.severity + fault.message).join("\n")) return;
  part.replaceChildren(
    ...faults.map((fault) => {
      const line = document.createElement("p");
      line.className = "fault";
      line.dataset.severity = fault.severity;
      line.textContent = fault.message;
      return line;
    }),
  );
}

function markControl(part, field, isWrong) {
  const control = part.querySelector(field === "model" ? "[data-model-pick]" : `[data-field="${field}"]`);
  if (!control || control.type === "radio") return;
  if (isWrong) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
}

export function showRefusal(place, field, message) {
  refusals.set(`${place} ${field}`, message);
  const part = document.querySelector(`[data-agent="${place}"]`);
  const line = part.querySelector(`[data-faults="${field}"]`) ?? part.querySelector("[data-faults]");
  put(line, [{ message, severity: "fault" }]);
  markControl(part, field, true);
}

export const isRefused = (place, field) => refusals.has(`${place} ${field}`);

export function clearRefusal(place, field) {
  refusals.delete(`${place} ${field}`);
}
