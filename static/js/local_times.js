// The server writes times in UTC; a reader's clock is their own.
const timeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    time.textContent = timeFormat.format(new Date(time.dateTime));
  }
}
