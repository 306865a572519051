// The page of all sessions: their times are the reader's own, also of those that a search brings.
import "./dialog.js";
import { showLocalTimes } from "./local_times.js";

showLocalTimes(document);
document.addEventListener("htmx:load", ({ detail }) => showLocalTimes(detail.elt));
