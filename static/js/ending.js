// How a run's end reaches somebody who looks elsewhere: the tab's title, and a notification for those who want one.
import { say } from "./announcer.js";

const MARKS = {
  completed: "✓ Done: ",
  failed: "✗ Failed: ",
  interrupted: "✗ Interrupted: ",
  cancelled: "■ Stopped: ",
};
const LIVE = "● ";
const PREFIX = new RegExp(`^(${[LIVE, ...Object.values(MARKS)].join("|")})`);
const SETTING = "notify-of-ends";
let isLive = false;
let news = "";

const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();
const bareTitle = () => document.title.replace(PREFIX, "");

function showTitle() {
  document.title = (isLive ? LIVE : news) + bareTitle();
}

export function showLive(live) {
  isLive = live;
  if (live) news = "";
  showTitle();
}

export function tellEnd(band, status) {
  if (!isLookedAt()) news = MARKS[status] ?? "";
  if (document.hidden && wantsNotes()) notify(band, status);
}

function looked() {
  if (!isLookedAt() || !news) return;
  news = "";
  showTitle();
}

// Notifications

function remembered() {
  try {
    return localStorage.getItem(SETTING) === "on";
  } catch {
    return false;
  }
}

function remember(isOn) {
  try {
    if (isOn) localStorage.setItem(SETTING, "on");
    else localStorage.removeItem(SETTING);
  } catch {
    // it is asked again on the next page
  }
}

const wantsNotes = () => window.Notification?.permission === "granted" && remembered();

function notify(band, status) {
  const about = band.querySelector(".band-excerpt").textContent;
  try {
    // One for all windows that show this run.
    const note = new Notification(bareTitle().split(" · ")[0], {
      body: `${MARKS[status] ?? ""}${about}`,
      tag: band.id,
    });
    note.addEventListener("click", () => {
      window.focus();
      band.scrollIntoView({ block: "start" });
      note.close();
    });
  } catch {
    // Some phones let no page notify by itself.
  }
}

function showSetting() {
  const isOn = wantsNotes();
  for (const button of document.querySelectorAll("[data-notify]")) {
    button.hidden = !("Notification" in window);
    button.setAttribute("aria-pressed", String(isOn));
    const blocked = window.Notification?.permission === "denied";
    button.title = blocked
      ? "Your browser blocks notifications of this site"
      : `Notify me when a run ends and I look elsewhere: ${isOn ? "on" : "off"}`;
    button.setAttribute("aria-label", button.title);
  }
}

async function toggle() {
  const isOn = !wantsNotes();
  if (isOn && Notification.permission === "default") await Notification.requestPermission();
  remember(isOn);
  showSetting();
  say(document.querySelector("[data-notify]").title);
}

document.addEventListener("click", (event) => event.target.closest("[data-notify]") && toggle());
document.addEventListener("visibilitychange", looked);
window.addEventListener("focus", looked);
window.addEventListener("storage", (event) => event.key === SETTING && showSetting());
document.addEventListener("htmx:load", showSetting);
showSetting();
