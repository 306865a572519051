// A click that is not lost: when what somebody presses is drawn anew before they let go, the one in its place takes it.
const PRESSABLE = "a[href], button, summary, label, input:is([type=checkbox], [type=radio])";
const nameOf = (part) => part.getAttribute("aria-label") ?? part.textContent.trim();
const isSame = (one, other) => one.tagName === other.tagName && one.id === other.id && nameOf(one) === nameOf(other);
let pressed = null;

// A finger's click goes to what is there when it lifts, anyway; with a key held it means something else.
const isPlain = (event) => event.pointerType === "mouse" && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

document.addEventListener(
  "pointerdown",
  (event) => (pressed = isPlain(event) ? (event.target.closest?.(PRESSABLE) ?? null) : null),
  { capture: true },
);
document.addEventListener(
  "pointerup",
  (event) => {
    const before = pressed;
    pressed = null;
    if (!before || before.isConnected || !isPlain(event)) return;
    const now = document.elementFromPoint(event.clientX, event.clientY)?.closest(PRESSABLE);
    if (now && isSame(before, now)) now.click();
  },
  { capture: true },
);
