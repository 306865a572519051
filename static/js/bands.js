// Runs as they come onto the page: with it, over the socket, with the answer to a message, or from further back.
const runs = document.getElementById("runs");

export const columnsOf = (band) => [...band.querySelectorAll(".column")];
export const allBands = () => [...runs.querySelectorAll(":scope > [data-run]")];

// Call a function with every run's band, now or when it comes, before it is painted for the first time.
export function withBands(take) {
  allBands().forEach(take);
  new MutationObserver((records) => {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) if (node.isConnected && node.matches?.("[data-run]")) take(node);
    }
  }).observe(runs, { childList: true });
}
