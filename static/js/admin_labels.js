// What a screen reader lacks in Django's admin: names of two controls; and heads of columns that are none.
const search = document.getElementById("searchbar");
search?.setAttribute("aria-label", "Search");

for (const head of document.querySelectorAll(".tabular thead th")) {
  if (!head.textContent.trim()) head.setAttribute("role", "none");
}

function nameBoxes() {
  for (const box of document.querySelectorAll(".select2-selection")) {
    const { labels } = box.closest(".select2-container").previousElementSibling;
    const name = labels[0]?.textContent.trim().replace(/:$/, "");
    for (const part of [box, box.querySelector("[role=textbox]")]) part?.setAttribute("aria-label", name);
  }
}
// jQuery draws them some time after the document is ready: whoever asked it later comes later.
window.django?.jQuery?.(nameBoxes);
