// Lists with times, as the page of all sessions: they are the reader's own, also in what is brought later.
import "./dialog.js";
import { showLocalTimes } from "./local_times.js";

showLocalTimes(document);
document.addEventListener("htmx:load", ({ detail }) => showLocalTimes(detail.elt));
