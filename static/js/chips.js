// Chips of the message: what it quotes, what it carries. Whatever changes them tells the form, as a field does.
export function tell() {
  document.querySelector("[data-composer]").dispatchEvent(new Event("change", { bubbles: true }));
}

// The keyboard goes on at the next chip, or where the message is written.
export function removeChip(chip) {
  const next = chip.nextElementSibling ?? chip.previousElementSibling;
  const form = chip.closest("form");
  chip.remove();
  (next?.querySelector("button") ?? form.querySelector("textarea[name=input]")).focus();
  tell();
}
