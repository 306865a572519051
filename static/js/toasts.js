// Lets a person close a message before it leaves by itself, and clears away those that have left.
const list = document.getElementById("toasts");

list?.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
});
list?.addEventListener("animationend", (event) => {
  if (event.animationName === "toast-out") event.target.remove();
});
