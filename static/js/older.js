// Older runs come by themselves when somebody scrolls up to where they begin, and move nothing that is read.
const runs = document.getElementById("runs");
const scroller = runs.closest("main");
const linkOf = () => runs.querySelector(":scope > .older");
let anchor = null; // { band, top }: what stood below the link before older runs came

const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting && target.isConnected) load(target);
});

function observe() {
  observer.disconnect();
  const link = linkOf();
  if (link) observer.observe(link);
}

function load(link, address) {
  if (link.dataset.asked !== undefined) return undefined;
  link.dataset.asked = "";
  return htmx.ajax("GET", address ?? link.getAttribute("hx-get"), { source: link, target: link, swap: "outerHTML" });
}

// Load all runs down to one.
export async function loadUntil(run) {
  const link = linkOf();
  if (link) await load(link, `${link.getAttribute("hx-get")}&until=${run}`);
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.target.matches(".older")) return;
  const band = detail.target.nextElementSibling;
  anchor = { band, top: band.getBoundingClientRect().top };
});
document.addEventListener("htmx:afterSettle", () => {
  if (!anchor) return;
  scroller.scrollTop += anchor.band.getBoundingClientRect().top - anchor.top;
  anchor = null;
  observe();
});
// What could not be loaded can be asked for again, by the link.
for (const fault of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(fault, ({ detail }) => delete detail.elt.dataset.asked);
}
if (document.querySelector("main[data-session]")) observe();
