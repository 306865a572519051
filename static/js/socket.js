// The line to the server: it stays up, or comes back after a pause that grows and differs from window to window.
const FIRST_PAUSE_MS = 2_000;
const LAST_PAUSE_MS = 15_000;
const REFUSED = new Map([[4001, "logged-out"], [4003, "gone"]]);
// The server says something every 20 s, if only that it is there: two that stay out mean that the line is dead.
const SILENT_MS = 45_000;
const OPENING_MS = 15_000;
const LOOK_EVERY_MS = 5_000;

// Windows that lost their server in the same moment come back spread evenly over the whole pause.
export function pauseBefore(attempt, spread = 0) {
  return Math.random() * Math.max(spread, Math.min(FIRST_PAUSE_MS * 2 ** attempt, LAST_PAUSE_MS));
}

export class Wire {
  constructor(path, { opened, received, lost, refused }) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.address = `${scheme}//${location.host}${path}`;
    this.on = { opened, received, lost, refused };
    this.attempt = 0;
    this.spread = 0;
    this.timer = null;
    this.watch = setInterval(() => this.isSilent() && this.lose(), LOOK_EVERY_MS);
    this.life = new AbortController();
    const { signal } = this.life;
    window.addEventListener("online", () => this.retry(), { signal });
    window.addEventListener("focus", () => this.retry(), { signal });
    window.addEventListener("offline", () => this.socket && this.lose(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.retry(), { signal });
    window.addEventListener("pagehide", () => this.socket?.close(), { signal });
    window.addEventListener("pageshow", (event) => event.persisted && this.retry(), { signal });
    this.connect();
  }

  connect() {
    this.drop();
    const socket = new WebSocket(this.address);
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onopen = () => {
      this.heardAt = Date.now();
      this.on.opened();
    };
    socket.onmessage = (event) => this.heard(JSON.parse(event.data));
    socket.onclose = (event) => this.closed(event.code);
  }

  // What has no number is about the line itself: a sign of life, or how far apart all windows shall come back.
  heard(frame) {
    this.heardAt = Date.now();
    this.attempt = 0;
    if (frame.seq) this.on.received(frame);
    else if (frame.spread) this.spread = frame.spread;
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Nobody listens any more: it does not come back.
  end() {
    this.life.abort();
    clearInterval(this.watch);
    this.drop();
  }

  // A dead line answers no goodbye: nothing is awaited from this socket, nor heard.
  drop() {
    clearTimeout(this.timer);
    const { socket } = this;
    this.timer = this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  lose() {
    this.drop();
    this.closed();
  }

  closed(code) {
    this.socket = null;
    if (REFUSED.has(code)) {
      this.end();
      this.on.refused(REFUSED.get(code));
      return;
    }
    this.on.lost(this.attempt);
    this.timer = setTimeout(() => this.connect(), pauseBefore(this.attempt, this.spread));
    this.attempt += 1;
    this.spread = 0;
  }

  isSilent() {
    const limit = this.socket?.readyState === WebSocket.OPEN ? SILENT_MS : OPENING_MS;
    return this.socket !== null && Date.now() - this.heardAt > limit;
  }

  // Somebody looks at the page again, or the network is back: do not let them wait, nor trust a line that slept.
  retry() {
    if (this.timer || this.isSilent()) this.connect();
  }
}
