// Columns by hand: unfold a card on a phone; on a wide screen show one column alone, or hide one.
const isPhone = window.matchMedia("(width < 48rem)");

function toggleCard(column) {
  const button = column.querySelector("[data-expand]");
  const isOpen = button.getAttribute("aria-expanded") === "true" || column.dataset.expanded === "true";
  column.dataset.expanded = String(!isOpen);
  button.setAttribute("aria-expanded", String(!isOpen));
}

const isOnHead = (target) =>
  target.closest(".column-title, .column-model") && !target.closest("button, a, form");

function focusColumn(column) {
  const row = column.closest("[data-stages]");
  const isAlone = column.hasAttribute("data-alone");
  for (const other of row.querySelectorAll("[data-alone]")) {
    other.removeAttribute("data-alone");
    other.querySelector("[data-focus]").setAttribute("aria-pressed", "false");
  }
  column.toggleAttribute("data-alone", !isAlone);
  row.toggleAttribute("data-has-alone", !isAlone);
  column.querySelector("[data-focus]").setAttribute("aria-pressed", String(!isAlone));
}

function hideColumn(column) {
  if (column.hasAttribute("data-alone")) focusColumn(column);
  column.dataset.hidden = "";
  const show = column.closest("[data-run]").querySelector("[data-show-hidden]");
  show.hidden = false;
  show.focus();
}

function showHidden(button) {
  for (const column of button.closest("[data-run]").querySelectorAll("[data-hidden]")) delete column.dataset.hidden;
  button.hidden = true;
}

document.addEventListener("click", (event) => {
  const show = event.target.closest("[data-show-hidden]");
  if (show) showHidden(show);
  const column = event.target.closest(".column");
  if (!column) return;
  if (event.target.closest("[data-focus]")) focusColumn(column);
  else if (event.target.closest("[data-hide]")) hideColumn(column);
  else if (event.target.closest("[data-expand]")) toggleCard(column);
  else if (isPhone.matches && isOnHead(event.target)) toggleCard(column);
});
