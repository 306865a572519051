// Long lines of a block of code: wrapped or not, as its reader wants it. A live answer draws its open block anew again and
// again, so the answer itself remembers which of its blocks are wrapped.
const blocksOf = (answer) => [...answer.querySelectorAll(".code")];

function wrap(code, isWrapped) {
  code.toggleAttribute("data-wrapped", isWrapped);
  code.querySelector("[data-wrap-code]").setAttribute("aria-pressed", String(isWrapped));
}

export function restoreWraps(answer) {
  if (!answer.dataset.wrapped) return;
  const blocks = blocksOf(answer);
  for (const index of answer.dataset.wrapped.split(" ")) if (blocks[index]) wrap(blocks[index], true);
}

document.addEventListener("click", (event) => {
  const code = event.target.closest("[data-wrap-code]")?.closest(".code");
  if (!code) return;
  wrap(code, !code.hasAttribute("data-wrapped"));
  const answer = code.closest("[data-answer]");
  const wrapped = blocksOf(answer).flatMap((block, index) => (block.hasAttribute("data-wrapped") ? [index] : []));
  answer.dataset.wrapped = wrapped.join(" ");
});
