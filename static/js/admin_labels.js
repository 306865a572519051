// Names for two controls of Django's admin that a screen reader finds none for.
const search = document.getElementById("searchbar");
search?.setAttribute("aria-label", "Search");

function nameBoxes() {
  for (const box of document.querySelectorAll(".select2-selection")) {
    const { labels } = box.closest(".select2-container").previousElementSibling;
    const name = labels[0]?.textContent.trim().replace(/:$/, "");
    for (const part of [box, box.querySelector("[role=textbox]")]) part?.setAttribute("aria-label", name);
  }
}
// jQuery draws them when it hears that the document is ready, later than this module.
window.addEventListener("load", nameBoxes);
