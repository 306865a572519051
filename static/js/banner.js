// The words above the answers while the line to the server is not up.
const banner = document.getElementById("connection-lost");

// Show the words for a state, or none.
export function say(state) {
  for (const words of banner.children) words.hidden = words.dataset.when !== state;
  banner.hidden = !state;
}
