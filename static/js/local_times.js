// The server writes times in UTC; a reader's clock is their own. For lists by days the server is told which.
const timeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const { timeZone } = timeFormat.resolvedOptions();
document.cookie = `timezone=${timeZone}; path=/; max-age=31536000; samesite=lax`;

export function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    time.textContent = timeFormat.format(new Date(time.dateTime));
  }
}
