// Copy an answer's source, or one block of code.
const SHOWN_MS = 1_600;

async function put(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS a browser offers no clipboard: copy a selection, as browsers always could.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("not permitted");
}

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}

function say(button, words) {
  const label = button.querySelector("span") ?? button;
  button.dataset.words ??= label.textContent;
  label.textContent = words;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => (label.textContent = button.dataset.words), SHOWN_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-code]");
  if (!button) return;
  try {
    const code = button.closest(".code")?.querySelector("pre");
    await put(button.dataset.copy ? await read(button.dataset.copy) : code.textContent);
    say(button, "Copied");
  } catch {
    say(button, "Not copied");
  }
});
