// What is loaded into the dialog opens it; without this script the same link leads to a page.
const dialog = document.getElementById("dialog");

// Not sooner: what is shown already works.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target !== dialog || !dialog.firstElementChild || dialog.open) return;
  document.getElementById("sidebar").hidePopover?.();
  dialog.showModal();
});
dialog?.addEventListener("click", (event) => {
  if (event.target !== dialog && !event.target.closest("[data-close]")) return;
  event.preventDefault();
  dialog.close();
});
// An offer was taken: what comes of it comes onto the page.
document.body.addEventListener("offertaken", () => dialog.close());
