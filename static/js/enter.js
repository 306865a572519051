// Which press of Enter sends a message. On a phone it makes a line, as its keyboard says.
export const makesLines = window.matchMedia("(pointer: coarse) and (hover: none)");

export function sends(event) {
  // While a word is being composed Enter chooses it; Safari tells that by the old code alone.
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return !event.shiftKey && !event.altKey && !makesLines.matches;
}
