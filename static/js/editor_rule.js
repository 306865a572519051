// The builder of a rule and its expression, always in step: each writes the other. What the builder cannot draw
// stays an expression, written by hand.
import { state } from "./editor_faults.js";

const TEXT = String.raw`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'`;
const COMPARISON = "[=!<>]=|[<>]";
const NUMBER = String.raw`-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`;
const TEST = new RegExp(
  String.raw`\s*(?<negated>not\s+)?(?:(?<subject>input|agents\.[A-Za-z0-9_-]+)\.)?(?:` +
    String.raw`(?<probe>contains|starts_with|ends_with|matches)\s*\(\s*(?<text>${TEXT})\s*\)|` +
    String.raw`(?<count>length|words)\s*(?<than>${COMPARISON})\s*(?<number>${NUMBER})|` +
    String.raw`json\s*\(\s*(?<path>${TEXT})\s*\)\s*(?<comparison>${COMPARISON})\s*(?<value>${TEXT}|${NUMBER}|true|false|null)|` +
    String.raw`(?<empty>empty)\b)`,
  "sy",
);
const JOINER = /\s*\b(and|or)\b|\s*$/y;
const LITERAL = new RegExp(`^(?:${TEXT}|${NUMBER}|true|false|null)$`, "s");
const NUMBERED = ["length", "words"];
const ORDERS = ["<", "<=", ">", ">="];
const fresh = () => ({ negated: "", subject: "", probe: "contains", path: "", comparison: ">", value: "" });

// Read an expression. Returns null for one that only a hand can write.
export function read(source) {
  const text = source.trim();
  if (!text) return { joiner: "and", tests: [] };
  if (text === "otherwise") return { otherwise: true, tests: [] };
  const rule = { joiner: null, tests: [] };
  let at = 0;
  while (true) {
    TEST.lastIndex = at;
    const test = TEST.exec(text);
    if (!test) return null;
    rule.tests.push(testOf(test.groups));
    JOINER.lastIndex = TEST.lastIndex;
    const joiner = JOINER.exec(text);
    if (!joiner) return null;
    if (!joiner[1]) break;
    if (rule.joiner && rule.joiner !== joiner[1]) return null;
    rule.joiner = joiner[1];
    at = JOINER.lastIndex;
  }
  rule.joiner ??= "and";
  return rule;
}

function testOf({ negated, subject, probe, text, count, than, number, path, comparison, value, empty }) {
  const test = { ...fresh(), negated: negated ? "not" : "", subject: subject ?? "" };
  if (probe) return { ...test, probe, value: unquote(text) };
  if (count) return { ...test, probe: count, comparison: than, value: number };
  if (empty) return { ...test, probe: "empty" };
  const isPlain = /^["']/.test(value) && !LITERAL.test(unquote(value));
  return { ...test, probe: "json", path: unquote(path), comparison, value: isPlain ? unquote(value) : value };
}

export function write({ otherwise, joiner, tests }) {
  if (otherwise) return "otherwise";
  return tests.map(writeTest).join(` ${joiner} `);
}

function writeTest({ negated, subject, probe, path, comparison, value }) {
  const start = `${negated ? "not " : ""}${subject ? `${subject}.` : ""}`;
  if (probe === "empty") return `${start}empty`;
  if (NUMBERED.includes(probe)) return `${start}${probe} ${comparison} ${value.trim() || "0"}`;
  if (probe !== "json") return `${start}${probe}(${quote(value)})`;
  return `${start}json(${quote(path)}) ${comparison} ${LITERAL.test(value) ? value : quote(value)}`;
}

// A backslash is doubled only where it would otherwise mean something, so that patterns stay readable.
const quote = (text) =>
  `"${text.replace(/\\(?=[nt"'\\]|$)/g, "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n").replaceAll("\t", "\\t")}"`;

const ESCAPES = { n: "\n", t: "\t", '"': '"', "'": "'", "\\": "\\" };
const unquote = (text) => text.slice(1, -1).replace(/\\(.)/gs, (whole, letter) => ESCAPES[letter] ?? whole);

// On the page

const sourceOf = (card) => card.querySelector("[data-field=condition]");
const part = (element, name) => element.querySelector(`[data-part="${name}"]`);
const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export function draw(card) {
  const place = card.querySelector("[data-rule-builder]");
  const rule = read(sourceOf(card).value);
  const isGroup = card.dataset.connection === "parallel";
  const tests = rule?.otherwise ? [] : (rule?.tests ?? []);
  const isBare = rule !== null && !rule.otherwise && !tests.length;
  if (isBare && !isGroup) tests.push(fresh());
  place.replaceChildren(...tests.map((test) => drawTest(card, test, tests.length > 1 || isGroup)), drawBar(rule, tests, isGroup));
}

function drawTest(card, test, canGo) {
  const row = copyOf("rule-template");
  const names = (state.names[card.dataset.agent] ?? []).filter((name) => name !== "previous");
  const known = ["", ...names, ...(test.subject && !names.includes(test.subject) ? [test.subject] : [])];
  part(row, "subject").replaceChildren(...known.map(subjectOption));
  for (const name of ["subject", "negated", "probe", "path", "comparison", "value"]) part(row, name).value = test[name];
  part(row, "remove").hidden = !canGo;
  showParts(row);
  return row;
}

function subjectOption(name) {
  const words = name === "" ? "The text before" : name === "input" ? "Your message" : `The output of ${name.slice(7)}`;
  return new Option(words, name);
}

function showParts(row) {
  const probe = part(row, "probe").value;
  const hasOrder = probe === "json" || NUMBERED.includes(probe);
  part(row, "path").hidden = probe !== "json";
  part(row, "comparison").hidden = !hasOrder;
  part(row, "value").hidden = probe === "empty";
  part(row, "value").inputMode = NUMBERED.includes(probe) ? "numeric" : "text";
  part(row, "value").placeholder = { matches: "pattern", json: "value", length: "100", words: "50" }[probe] ?? "text";
  for (const option of part(row, "comparison").options) option.hidden = false;
}

function drawBar(rule, tests, isGroup) {
  const bar = copyOf("rule-bar-template");
  part(bar, "joiner").hidden = tests.length < 2;
  part(bar, "joiner").value = rule?.joiner ?? "and";
  part(bar, "more").hidden = rule === null;
  part(bar, "otherwise").hidden = !isGroup || rule === null;
  part(bar, "otherwise").setAttribute("aria-pressed", String(Boolean(rule?.otherwise)));
  part(bar, "by-hand").hidden = rule !== null;
  return bar;
}

const testsOf = (place) =>
  [...place.querySelectorAll(".rule-test")].map((row) =>
    Object.fromEntries(["negated", "subject", "probe", "path", "comparison", "value"].map((name) => [name, part(row, name).value])),
  );

// Write what the builder shows into the expression, as if it had been typed there.
function put(card, rule) {
  const source = sourceOf(card);
  source.value = write(rule);
  source.dataset.built = "";
  source.dispatchEvent(new InputEvent("input", { bubbles: true }));
  delete source.dataset.built;
}

function ruleOf(place) {
  return { joiner: part(place, "joiner").value || "and", tests: testsOf(place) };
}

function changed(event) {
  const place = event.target.closest("[data-rule-builder]");
  if (!place) return;
  const row = event.target.closest(".rule-test");
  if (row && event.target.dataset.part === "probe") {
    const comparison = part(row, "comparison");
    if (event.target.value === "json" && ORDERS.includes(comparison.value)) comparison.value = "==";
    showParts(row);
  }
  put(place.closest(".agent-card"), ruleOf(place));
}

function clicked(event) {
  const place = event.target.closest("[data-rule-builder]");
  const button = event.target.closest("button[data-part]");
  if (!place || !button) return;
  const card = place.closest(".agent-card");
  const rule = ruleOf(place);
  if (button.dataset.part === "remove") rule.tests.splice([...place.querySelectorAll(".rule-test")].indexOf(button.closest(".rule-test")), 1);
  else if (button.dataset.part === "more") rule.tests.push(fresh());
  else rule.otherwise = button.getAttribute("aria-pressed") !== "true";
  put(card, rule);
  draw(card);
  part(place, button.dataset.part === "more" ? "" : button.dataset.part)?.focus();
  if (button.dataset.part === "more") [...place.querySelectorAll('[data-part="value"]')].at(-1)?.focus();
}

export function start() {
  document.addEventListener("input", (event) => {
    const isSource = event.target.dataset?.field === "condition";
    if (isSource && event.target.dataset.built === undefined) draw(event.target.closest(".agent-card"));
    else if (!isSource) changed(event);
    const form = isSource && event.target.closest("[data-rule]").querySelector("[data-try]");
    if (form) htmx.trigger(form, "tryrule");
  });
  document.addEventListener("editor:set", (event) => {
    if (event.target.dataset.field === "condition") draw(event.target.closest(".agent-card"));
  });
  document.addEventListener("click", (event) => {
    clicked(event);
    const answer = event.target.closest("[data-try-answer]");
    if (!answer) return;
    const form = answer.closest("[data-try]");
    form.querySelector("[name=text]").value = answer.dataset.tryAnswer;
    htmx.trigger(form, "tryrule");
  });
}

export function refresh() {
  for (const card of document.querySelectorAll(".agent-card")) {
    if (!card.querySelector("[data-rule]").hidden) draw(card);
  }
}
