// Everything that a page does by itself begins here; without it pages still work, by links and forms.

import { startAutosave } from "./autosave.js";
import { startCharts } from "./chart.js";
import { startClock } from "./clock.js";
import { startDialogs } from "./dialog.js";
import { startEditor } from "./editor.js";
import { startForms } from "./forms.js";
import { startGraph } from "./graph.js";
import { startKeys } from "./keys.js";
import { startLiveText } from "./live-text.js";
import { startNav } from "./nav.js";
import { startPalette } from "./palette.js";
import { startRecent } from "./recent.js";
import { startSelection } from "./selection.js";
import { startTheme } from "./theme.js";
import { startToasts } from "./toasts.js";
import { startUpdates } from "./updates.js";
import { startZone } from "./zone.js";

startNav();
startTheme();
startToasts();
startDialogs();
startForms();
startEditor();
startAutosave();
startGraph();
startKeys();
startLiveText();
startClock();
startCharts();
startSelection();
startPalette();
startRecent();
startUpdates();
startZone();
