// Menus that open without a script: with one they close as menus do.
const menus = () => document.querySelectorAll(".row-menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const menu = event.detail.elt.closest(".row-menu");
  if (!menu) return;
  menu.open = false;
  // A dialog that opens now gives the focus back to what had it.
  menu.querySelector("summary").focus();
});
