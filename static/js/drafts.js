// What was written and not sent, kept in this browser under a key of its person and session. Storage may be full or
// forbidden: then a draft lasts as long as its page.
export function read(key) {
  try {
    return parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

export function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null; // not written by us
  }
}

// A comparison that is on its way; a session's page shows that it has arrived.
export const comparison = () => `draft:${document.body.dataset.person}:compare`;

let isLeaving = false;

export function write(key, draft) {
  if (isLeaving) return;
  try {
    if (draft) localStorage.setItem(key, JSON.stringify(draft));
    else localStorage.removeItem(key);
  } catch {
    // it stays in its field
  }
}

function forgetAll(person) {
  try {
    const own = Object.keys(localStorage).filter((key) => key.startsWith(`draft:${person}:`));
    for (const key of own) localStorage.removeItem(key);
  } catch {
    // there is nothing to forget
  }
}

// Whoever logs out leaves nothing behind for the next person at this browser.
document.addEventListener("submit", (event) => {
  const person = document.body.dataset.person;
  if (!person || !new URL(event.target.action, location.href).pathname.endsWith("/logout/")) return;
  forgetAll(person);
  isLeaving = true;
});
window.addEventListener("pageshow", () => (isLeaving = false));
