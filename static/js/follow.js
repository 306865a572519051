// Each answer scrolls alone and follows its text only while the reader is at its end.
const END_PX = 24;
const READERS_MS = 1_000; // so long after an input outside the composer a scroll is the reader's
const LINE_PX = 24; // of a wheel that counts in lines
const places = new WeakMap(); // answer → { top, follows, leftAt: when its reader asked for what is above }
const passages = new WeakMap(); // answer → what was read in it when it was last out of sight

// A column that takes its room again has its text a moment later.
const isShown = (answer) => answer.clientHeight > 0 && !answer.closest("[data-arriving]");
const atEnd = (answer) => answer.scrollHeight - answer.scrollTop - answer.clientHeight < END_PX;
const placeOf = (answer) => places.get(answer) ?? { top: 0, follows: true };

// A head or a foot that takes another line, as with the figures at the end, leaves an answer less height.
const widths = new WeakMap();
const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    // Where lines break anew, one that was seen whole begins at its beginning.
    const hadEnd = widths.get(target) === contentRect.width || placeOf(target).top > 0;
    if (hadEnd && isFollowed(target) && isShown(target)) toEnd(target);
    widths.set(target, contentRect.width);
  }
});

export const isFollowed = (answer) => placeOf(answer).follows;

function put(answer, place) {
  places.set(answer, place);
  if (place.follows) answer.addEventListener("wheel", turnBack, { passive: false });
  else answer.removeEventListener("wheel", turnBack);
}

export function toEnd(answer) {
  if (!places.has(answer)) sizes.observe(answer);
  answer.scrollTop = answer.scrollHeight;
  put(answer, { top: answer.scrollTop, follows: true });
  showJump(answer);
}

// Change a text; who follows it sees its end afterwards, too.
export function keepEnd(answer, change) {
  const wasFollowed = places.get(answer)?.follows;
  change();
  if (wasFollowed) toEnd(answer);
}

// Follow a text no more until something is written into it again.
export function rest(answer) {
  answer.removeEventListener("wheel", turnBack);
  places.delete(answer);
  sizes.unobserve(answer);
}

function showJump(answer) {
  const button = answer.parentElement.querySelector("[data-jump]");
  const isLive = answer.closest("[data-status]").dataset.status === "streaming";
  if (button) button.hidden = placeOf(answer).follows || !isLive;
}

let inputAt = -Infinity;

// A layout that changes for a moment also moves texts upwards: that is not the reader's wish.
const isReaders = () => performance.now() - inputAt < READERS_MS;

function scrolled(answer) {
  const { top, follows, leftAt } = placeOf(answer);
  if (performance.now() - leftAt < READERS_MS) {
    // A smooth way up begins near the end; and one further down is how it came there before its reader left it.
    if (answer.scrollTop < top) put(answer, { top: answer.scrollTop, follows: false, leftAt });
    return;
  }
  if (follows && answer.scrollTop < top && !atEnd(answer) && !isReaders()) return toEnd(answer);
  // Text that comes in between also leaves the end behind: only a move upwards is the reader's.
  const stays = atEnd(answer) || (follows && answer.scrollTop >= top);
  put(answer, { top: answer.scrollTop, follows: stays });
  showJump(answer);
}

// Change the look of columns without losing anybody's place in their texts: who follows goes on to follow, who reads
// has the same passage at the same height, however the lines break now.
export function keepPlaces(parts, change) {
  const restore = holdPlaces(parts);
  change();
  restore();
}

// For a change that somebody else makes: returns what brings the places back after it.
export function holdPlaces(parts) {
  const kept = parts.flatMap((part) => [...part.querySelectorAll("[data-answer]")]).map(anchorOf);
  return () => kept.forEach((back) => back());
}

function anchorOf(answer) {
  const isLive = answer.closest("[data-status]").dataset.status === "streaming";
  if (isLive && isFollowed(answer)) return () => toEnd(answer);
  const { scrollTop, clientHeight } = answer;
  if (!scrollTop || !clientHeight) return () => recall(answer);
  const top = answer.getBoundingClientRect().top;
  const block = [...answer.children].find((child) => child.getBoundingClientRect().bottom > top);
  const passage = { block, offset: block ? block.getBoundingClientRect().top - top : 0, scrollTop };
  passages.set(answer, passage);
  return () => recall(answer);
}

function recall(answer) {
  const passage = passages.get(answer);
  if (!passage || !isShown(answer)) return;
  if (passage.block?.isConnected) {
    const top = answer.getBoundingClientRect().top;
    answer.scrollTop += passage.block.getBoundingClientRect().top - top - passage.offset;
  } else {
    answer.scrollTop = passage.scrollTop;
  }
  passages.delete(answer);
  // From now on this passage is what is read, not the end.
  put(answer, { top: answer.scrollTop, follows: false });
}

// Bring a group's running columns into sight, unless the reader moved the row.
export function reveal(column) {
  const row = column.closest("[data-stages]");
  if (!row || row.dataset.moved !== undefined || row.scrollWidth <= row.clientWidth) return;
  const stage = column.closest(".stage").getBoundingClientRect();
  const seen = row.getBoundingClientRect();
  if (stage.left < seen.left || stage.right > seen.right) {
    row.scrollBy({ left: stage.left - seen.left - 12, behavior: "smooth" });
  }
}

document.addEventListener("scroll", (event) => event.target.dataset?.answer !== undefined && scrolled(event.target), {
  capture: true,
  passive: true,
});
for (const kind of ["wheel", "pointerdown", "pointermove", "touchmove", "keydown"]) {
  document.addEventListener(
    kind,
    ({ target, buttons }) => {
      if ((kind !== "pointermove" || buttons) && !target.closest?.("#composer")) inputAt = performance.now();
    },
    { capture: true, passive: true },
  );
}
// Whoever asks for what is above leaves the end at once: text that is written before the browser scrolls must not take
// the reader back there.
const asksUp = ({ deltaY, key, shiftKey }) =>
  deltaY < 0 || ["ArrowUp", "PageUp", "Home"].includes(key) || (key === " " && shiftKey);

// A wheel that zooms, or that moves the row of columns, is not meant for the text; fingers never draw quite straight.
const isAside = ({ type, ctrlKey, deltaX, deltaY }) =>
  type === "wheel" && (ctrlKey || Math.abs(deltaX) >= Math.abs(deltaY));

function leave(answer) {
  put(answer, { top: answer.scrollTop, follows: false, leftAt: performance.now() });
  showJump(answer);
}

// The browser turns the wheel beside the page's script, and gives it up where the script moves the text at that moment.
// So the turn that leaves a followed text is made here; those after it are the browser's again.
function turnBack(event) {
  const { currentTarget: answer, deltaY, deltaMode } = event;
  if (isAside(event) || !asksUp(event) || !event.cancelable || answer.scrollTop <= 0) return;
  event.preventDefault();
  answer.scrollTop += deltaY * [1, LINE_PX, answer.clientHeight][deltaMode];
  leave(answer);
}

for (const kind of ["wheel", "pointerdown", "keydown"]) {
  document.addEventListener(
    kind,
    (event) => {
      const answer = event.target.closest?.("[data-answer]");
      if (!answer || isAside(event)) return;
      if (!asksUp(event)) delete places.get(answer)?.leftAt;
      else if (answer.scrollTop > 0) leave(answer);
    },
    { passive: true },
  );
}
for (const kind of ["wheel", "pointerdown", "keydown"]) {
  document.addEventListener(
    kind,
    (event) => {
      const row = event.target.closest?.("[data-stages]");
      if (row) row.dataset.moved = "";
    },
    { passive: true },
  );
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-jump]");
  if (!button) return;
  toEnd(button.parentElement.querySelector("[data-answer]"));
  inputAt = -Infinity; // what moves the text from now on is not whoever pressed it
});
