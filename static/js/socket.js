// The wire to the server: it stays up, or comes back after a pause that grows and differs from window to window.
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 15_000;
const REFUSED = [4001, 4003];
const SILENT_MS = 30_000;

export class Wire {
  constructor(path, { opened, received, lost, refused }) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.address = `${scheme}//${location.host}${path}`;
    this.on = { opened, received, lost, refused };
    this.pause = FIRST_PAUSE_MS;
    this.timer = null;
    window.addEventListener("online", () => this.retry());
    window.addEventListener("focus", () => this.retry());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
    window.addEventListener("pagehide", () => this.socket?.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.retry());
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE_MS;
      this.heardAt = Date.now();
      this.on.opened();
    };
    socket.onmessage = (event) => {
      this.heardAt = Date.now();
      this.on.received(JSON.parse(event.data));
    };
    socket.onclose = (event) => socket === this.socket && this.closed(event.code);
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Nobody listens any more: it does not come back.
  end() {
    clearTimeout(this.timer);
    this.timer = null;
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  closed(code) {
    this.socket = null;
    if (REFUSED.includes(code)) {
      this.on.refused();
      return;
    }
    this.on.lost();
    this.timer = setTimeout(() => this.connect(), this.pause * (0.5 + Math.random()));
    this.pause = Math.min(this.pause * 2, LAST_PAUSE_MS);
  }

  // Somebody looks at the page again: do not let them wait, and do not trust a wire that slept.
  retry() {
    if (this.timer) this.connect();
    else if (this.socket?.readyState === WebSocket.OPEN && Date.now() - this.heardAt > SILENT_MS) this.on.opened();
  }
}
