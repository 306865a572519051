// The draft of this page's message: saved while one writes, brought back with the page, and the same in every window.
import { grow } from "./composer.js";
import { parse, read, write } from "./drafts.js";
import { showFiles } from "./files.js";
import { refresh } from "./outlook.js";
import { quotesOf, showQuotes } from "./quotes.js";

const PAUSE_MS = 200;
const composer = () => document.getElementById("composer");
const field = () => composer().querySelector("textarea[name=input]");
const picker = () => composer().querySelector("select[name=chain]");
let waiting = null;
let sent = null; // the message that is on its way, as collected
let isComposing = false;

function collect() {
  const select = picker();
  const isUsual = !select || select.selectedOptions[0]?.defaultSelected;
  return {
    text: field().value,
    quotes: quotesOf(composer()),
    chain: isUsual ? "" : select.value,
    files: [...composer().querySelectorAll("[data-file]")].map((chip) => chip.dataset.file),
  };
}

const isEmpty = (draft) => !draft.text && !draft.quotes.length && !draft.chain && !draft.files.length;
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export function changed() {
  clearTimeout(waiting);
  waiting = setTimeout(save, PAUSE_MS);
}

function save() {
  clearTimeout(waiting);
  waiting = null;
  const draft = collect();
  write(composer().dataset.draft, isEmpty(draft) ? null : draft);
}

const flush = () => waiting !== null && save();

// The draft is the newest that this browser knows of a message, so it counts more than what the server wrote.
export function restore() {
  const draft = read(composer().dataset.draft);
  if (draft) show(draft, collect());
  else grow(field());
  refresh();
}

function show(draft, shown) {
  if (draft.text !== shown.text) field().value = draft.text;
  if (!isSame(draft.quotes, shown.quotes)) showQuotes(composer(), draft.quotes);
  pick(draft.chain);
  grow(field());
}

function pick(chain) {
  const select = picker();
  const usual = [...(select?.options ?? [])].find((option) => option.defaultSelected)?.value;
  const wanted = [...(select?.options ?? [])].find((option) => option.value === (chain || usual));
  if (wanted) select.value = wanted.value;
}

// Another window wrote. What this one shows follows, unless somebody has written something else here meanwhile.
function follow(before, after) {
  const mine = collect();
  const isMine = (part) => !isSame(mine[part], before[part]);
  const next = { ...mine };
  for (const part of ["text", "quotes", "chain"]) if (!isMine(part)) next[part] = after[part];
  show(next, mine);
  if (isSame(mine.files, after.files)) refresh();
  else showFiles().then(refresh);
}

const NOTHING = { text: "", quotes: [], chain: "", files: [] };

window.addEventListener("storage", (event) => {
  if (event.key !== composer()?.dataset.draft || isComposing) return;
  follow(parse(event.oldValue) ?? NOTHING, parse(event.newValue) ?? NOTHING);
});
document.addEventListener("compositionstart", () => (isComposing = true));
document.addEventListener("compositionend", () => (isComposing = false));
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    if (!event.target.closest?.("[data-composer]") || event.target.type === "file") return;
    changed();
    refresh();
  });
}
window.addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", flush);

// Sending: what is sent is a draft no more; what was written since it left stays one.
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.matches?.("[data-composer]")) sent = { ...collect(), chain: picker()?.value };
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target?.id !== "composer") return;
  // The log-in page is an answer, too, and nothing that is swapped in.
  const isSent = detail.shouldSwap && detail.requestConfig.verb === "post" && detail.xhr.status === 200;
  if (!isSent) return flush();
  clearTimeout(waiting);
  waiting = null;
  const rest = restOf(collect());
  write(composer().dataset.draft, null);
  if (!isEmpty(rest)) write(usualKey(), joined(read(usualKey()) ?? NOTHING, rest));
});

function restOf({ text, quotes }) {
  const rest = text.startsWith(sent.text) ? text.slice(sent.text.length) : text;
  const chain = picker()?.value;
  return {
    ...NOTHING,
    text: rest.trim() ? rest : "",
    quotes: quotes.filter((quote) => !sent.quotes.some((other) => isSame(quote, other))),
    chain: chain === sent.chain ? "" : chain,
  };
}

// While a message is edited the usual draft may hold something already.
const joined = (usual, rest) => ({
  ...usual,
  text: [usual.text, rest.text].filter(Boolean).join("\n"),
  quotes: [...usual.quotes, ...rest.quotes],
  chain: rest.chain || usual.chain,
});

// A message that is edited has a draft beside the usual one of its session.
const usualKey = () => composer().dataset.draft.split(":").slice(0, 3).join(":");

document.addEventListener("htmx:load", (event) => event.detail.elt.id === "composer" && restore());
