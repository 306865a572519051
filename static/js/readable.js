// Where words stand in an element's text as it is read; chains/rendering/plain.py reads answers in the same way.
const MAX_RANGES = 500;
const BREAK = "\0"; // ends a block; no text has it
const UNREAD = "button, sup";
const BLOCKS = new Set(
  "p hr h1 h2 h3 h4 h5 h6 ul ol li blockquote cite pre div table thead tbody tr th td".split(" "),
);

// The ranges of words in an element: across marks and line ends, but not across blocks.
export function rangesOf(element, words) {
  const { text, nodes } = read(element, { text: "", nodes: [] });
  let index = 0;
  const nodeAt = (place) => {
    while (nodes[index + 1]?.start <= place) index++;
    return [nodes[index].node, place - nodes[index].start];
  };
  const ranges = [];
  for (const match of text.matchAll(patternOf(words))) {
    const range = document.createRange();
    range.setStart(...nodeAt(match.index));
    const [last, offset] = nodeAt(match.index + match[0].length - 1);
    range.setEnd(last, offset + 1);
    if (ranges.push(range) === MAX_RANGES) break;
  }
  return ranges;
}

function read(element, seen) {
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      seen.nodes.push({ node: child, start: seen.text.length });
      seen.text += child.data;
    } else if (child.nodeType === Node.ELEMENT_NODE && !child.matches(UNREAD)) {
      const edge = BLOCKS.has(child.localName) ? BREAK : "";
      seen.text += edge;
      read(child, seen);
      seen.text += edge;
    }
  }
  return seen;
}

function patternOf(words) {
  const escaped = words.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  return new RegExp(escaped.join("\\s+"), "giu");
}
