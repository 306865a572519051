// What the message will do and may cost: asked of the server when the chain, the length or the files change.
import { say } from "./announcer.js";

const PAUSE_MS = 400;
const FINE_STEP = 400; // characters
const composer = () => document.getElementById("composer");
let waiting = null;
let asked = "";

// Roughly: a few more letters change nothing that anybody could read off an estimate.
function length() {
  const fields = composer().querySelectorAll("textarea[name=input], textarea[name=quote_text]");
  const characters = [...fields].reduce((sum, field) => sum + field.value.length, 0);
  const step = Math.max(FINE_STEP, 10 ** Math.floor(Math.log10(characters || 1)) / 5);
  return Math.ceil(characters / step) * step;
}

function question() {
  const question = new URLSearchParams({ characters: length() });
  const chain = composer().querySelector("select[name=chain]")?.value;
  if (chain) question.set("chain", chain);
  for (const chip of composer().querySelectorAll("[name=attachments]")) question.append("attachments", chip.value);
  return question;
}

async function ask({ isPicked = false } = {}) {
  const params = question();
  if (params.toString() === asked) return;
  asked = params.toString();
  // A session without messages introduces its chain.
  if (isPicked && document.getElementById("session-empty")) params.set("empty", "1");
  const wasBlind = isBlind();
  const address = `${composer().dataset.outlook}?${params}`;
  const place = { source: "#composer-outlook", target: "#composer-outlook", swap: "outerHTML" };
  try {
    await htmx.ajax("GET", address, place);
  } catch {
    return; // a later question took its place
  }
  if (isBlind() && !wasBlind) say(document.querySelector(".composer-blind").textContent);
}

const isBlind = () => document.querySelector(".composer-blind") !== null;

export function refresh() {
  clearTimeout(waiting);
  waiting = setTimeout(() => composer() && ask(), PAUSE_MS);
}

// Another chain was picked: that must show at once.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-composer] select[name=chain]")) return;
  clearTimeout(waiting);
  ask({ isPicked: true });
});
// A fresh composer shows the usual outlook.
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt.id === "composer") asked = "";
});
