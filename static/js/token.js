// The token that shows the server that a request comes from a page of ours. A log-in in another window replaces it,
// and what was drawn into this page is refused from then on: what the browser holds now is sent instead.
// Of two cookies with this name the server takes the last.
export const token = () => [...document.cookie.matchAll(/(?:^|; )csrftoken=([^;]*)/g)].at(-1)?.[1] ?? "";

document.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.headers["X-CSRFToken"] = token();
  // It would count more than the header.
  delete detail.parameters.csrfmiddlewaretoken;
});
document.addEventListener(
  "submit",
  ({ target }) => {
    const field = target.querySelector("input[name=csrfmiddlewaretoken]");
    if (field && token()) field.value = token();
  },
  { capture: true },
);
