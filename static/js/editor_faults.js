// What the server says about the draft, brought to the fields: faults, names, texts that a rename rewrote.
export const state = { revision: 0, names: {}, faults: [] };
const refusals = new Map(); // "place field" → message

export function readState() {
  const { texts, ...said } = JSON.parse(document.getElementById("editor-state").value);
  Object.assign(state, said);
  for (const part of document.querySelectorAll("[data-agent]")) showFaults(part);
  for (const fault of state.faults.filter((one) => one.agent === null)) showChainFault(fault);
  listRefusals();
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

const shownControl = (part, field) => part.querySelector(field === "model" ? "[data-model-pick]" : `[data-field="${field}"]`);

function markControl(part, field, isWrong) {
  const control = shownControl(part, field);
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
  listRefusals();
}

// The server's lists of what is to do know nothing of what it refused: it is added here, each a link to its field.
export function listRefusals() {
  const found = [...refusals].map(([key, message]) => refusalItem(...key.split(" "), message)).filter(Boolean);
  for (const part of document.querySelectorAll("[data-refusals]")) {
    const list = part.querySelector("ul");
    const words = part.querySelector("[data-refused-words]");
    for (const item of list.querySelectorAll("[data-refused]")) item.remove();
    list.append(...found.map((item) => item.cloneNode(true)));
    part.hidden = list.childElementCount === 0;
    if (words && found.length) words.textContent = words.dataset.refusedWords;
  }
}

function refusalItem(place, field, message) {
  const part = document.querySelector(`[data-agent="${place}"]`);
  const control = part && shownControl(part, field);
  if (!control) return null;
  const item = document.createElement("li");
  const link = document.createElement("a");
  item.dataset.refused = "";
  link.href = `#${control.id}`;
  link.textContent = `${spokenName(part)}: ${message}`;
  item.append(link);
  return item;
}

function spokenName(part) {
  const number = part.querySelector(".agent-number")?.textContent;
  if (!number) return "Chain settings";
  const name = part.querySelector(".agent-name").value.trim();
  return name && name !== `Agent ${number}` ? `Agent ${number} (“${name}”)` : `Agent ${number}`;
}

export const isRefused = (place, field) => refusals.has(`${place} ${field}`);

export function clearRefusal(place, field) {
  if (refusals.delete(`${place} ${field}`)) listRefusals();
}
