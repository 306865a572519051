// Older runs come by themselves when somebody scrolls up to where they begin, and move nothing that is read.
const runs = document.getElementById("runs");
const scroller = runs.closest("main");
const linkOf = () => runs.querySelector(":scope > .older");
let loading = null;
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
  loading ??= htmx
    .ajax("GET", address ?? link.getAttribute("hx-get"), { source: link, target: link, swap: "outerHTML" })
    .catch(() => {})
    .finally(() => (loading = null));
  return loading;
}

// Load all runs down to one, and wait until they stand where they stay.
export async function loadUntil(run) {
  for (let link = linkOf(); link && !document.getElementById(`run-${run}`); link = linkOf()) {
    await load(link, `${link.getAttribute("hx-get")}&until=${run}`);
    // It could not be loaded.
    if (link.isConnected) return;
  }
  while (anchor) await new Promise(requestAnimationFrame);
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.shouldSwap || !detail.target.matches(".older")) return;
  const band = detail.target.nextElementSibling;
  anchor = { band, top: band.getBoundingClientRect().top };
});
document.addEventListener("htmx:afterSettle", () => {
  if (!anchor) return;
  scroller.scrollTop += anchor.band.getBoundingClientRect().top - anchor.top;
  anchor = null;
  observe();
});
if (document.querySelector("main[data-session]")) observe();
