// Everything that a page does by itself begins here; without it pages still work, by links and forms.

import { startAutosave } from "./autosave.js";
import { startClock } from "./clock.js";
import { startDialogs } from "./dialog.js";
import { startForms } from "./forms.js";
import { startKeys } from "./keys.js";
import { startNav } from "./nav.js";
import { startTheme } from "./theme.js";
import { startToasts } from "./toasts.js";
import { startUpdates } from "./updates.js";

startNav();
startTheme();
startToasts();
startDialogs();
startForms();
startAutosave();
startKeys();
startClock();
startUpdates();
