// Single keys for what the pages can do, and the sheet that lists them. They work while no field has the focus, and can
// be switched off in the sheet (WCAG 2.2, 2.1.4).
const STORE = "keys";
const sheet = document.getElementById("keys");
const toggle = sheet?.querySelector("[data-keys-switch]");
const acts = new Map(); // key → what it does

export const onKey = (key, act) => acts.set(key, act);

function areOn() {
  try {
    return localStorage.getItem(STORE) !== "off";
  } catch {
    return true; // storage may be forbidden
  }
}

function switchTo(isOn) {
  try {
    localStorage.setItem(STORE, isOn ? "on" : "off");
  } catch {
    // it then lasts for this page
  }
  toggle.checked = isOn;
}

function openSheet() {
  document.querySelector(":popover-open")?.hidePopover();
  toggle.checked = areOn();
  sheet.showModal();
}

const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const isElsewhere = () => document.querySelector("dialog[open], :popover-open:not(#sidebar)");

function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const act = acts.get(event.key);
  if (!act || isTyping(event.target) || isElsewhere() || !areOn()) return;
  event.preventDefault();
  act(event);
}

if (sheet) {
  onKey("?", openSheet);
  onKey("n", () => document.querySelector("[data-new-session]")?.click());
  onKey("/", () => document.getElementById("session-words")?.focus());
  document.addEventListener("keydown", pressed);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-open-keys]")) openSheet();
    else if (target === sheet || target.closest("#keys [data-close-keys]")) sheet.close();
  });
  toggle.addEventListener("change", () => switchTo(toggle.checked));
}
