// The wall board: a clock, full screen, a screen that stays awake, and a pointer that gets out of the way.

const RESTS_AFTER_MS = 5_000;
const CLOCK_MS = 1_000;

export function startWall() {
  if (document.body.dataset.wall === undefined) return;
  startWallClock(document.querySelector("[data-wall-clock]"));
  offerFullScreen(document.querySelector("[data-wall-fullscreen]"));
  rest();
  stayAwake();
  document.addEventListener("visibilitychange", stayAwake);
}

function startWallClock(clock) {
  const show = () => {
    const now = new Date();
    clock.dateTime = now.toISOString();
    clock.textContent = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  };
  show();
  setInterval(show, CLOCK_MS);
}

function offerFullScreen(button) {
  if (!document.fullscreenEnabled) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {}); // the browser may forbid it; Leave stays
  });
}

function rest() {
  let timer = null;
  const moved = () => {
    delete document.body.dataset.wallRests;
    clearTimeout(timer);
    timer = setTimeout(() => (document.body.dataset.wallRests = ""), RESTS_AFTER_MS);
  };
  for (const name of ["pointermove", "keydown", "pointerdown"]) addEventListener(name, moved, { passive: true });
  moved();
}

// A screen that goes dark shows nothing; where the browser cannot keep it awake, the machine's own settings can.
function stayAwake() {
  if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {});
}
