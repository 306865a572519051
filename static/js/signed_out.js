import "./drafts.js";

// A fragment asked for after the log-in has ended is answered with the log-in page: go there, do not swap it in.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  const login = document.body.dataset.login;
  if (!login || !answered || new URL(answered).pathname !== login) return;
  event.detail.shouldSwap = false;
  // What nobody asked for takes nobody away from what they type.
  if (event.detail.requestConfig.elt.closest("[data-unasked]")) return;
  location.reload();
});
