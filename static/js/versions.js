// The versions of a chain: when each was published, by the reader's clock.
import "./dialog.js";
import { showLocalTimes } from "./local_times.js";

showLocalTimes(document);
