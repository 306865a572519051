// A part that is asked for after the log-in has ended is answered with the log-in page: go there instead.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  if (!answered || new URL(answered).pathname === location.pathname) return;
  event.detail.shouldSwap = false;
  location.reload();
});
