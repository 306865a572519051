// Drags that Escape ends. The browser tells of that by no key, only by a drag that ends without effect: so that it is
// known from one that ended beside every list, things may be let go anywhere meanwhile.
const allowDrop = (event) => event.preventDefault();
const isCancelled = ({ type, dataTransfer }) => type === "dragend" && dataTransfer.dropEffect === "none";

// Options for Sortable: `onEnd` hears of drags that count, `onCancel` of those that Escape ended.
export const escapable = ({ onStart, onEnd, onCancel }) => ({
  onStart(event) {
    document.addEventListener("dragover", allowDrop);
    onStart(event);
  },
  onEnd(event) {
    document.removeEventListener("dragover", allowDrop);
    (isCancelled(event.originalEvent) ? onCancel : onEnd)(event);
  },
});
