// A form that leads to another page is sent once, however often its button is pressed meanwhile.
const AGAIN_MS = 2_000; // whoever stopped the page from loading may send it again
const leaving = new Set();

document.addEventListener("submit", (event) => {
  const form = event.target;
  // What a script sends has been taken by it.
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (leaving.has(form)) return event.preventDefault();
  leaving.add(form);
  setTimeout(() => leaving.delete(form), AGAIN_MS);
});
window.addEventListener("pageshow", () => leaving.clear());
