// The objects that this tab has shown lately, for the command palette. They are forgotten with the tab, and on signing out.

const KEY = "recent";
const MOST = 6;

/** Remembers this page if it is that of one object. */
export function startRecent() {
  if (!document.body.dataset.preferencesUrl) return write([]); // nobody is signed in here
  const here = { href: location.pathname, label: document.title.replace(/ · [^·]*$/, ""), icon: iconOfRoom() };
  if (isObject(location.pathname)) write([here, ...read().filter(({ href }) => href !== here.href)]);
}

/** Whether a path is that of one object: a room, then a number or a name. */
export function isObject(path) {
  return /^\/(?!settings\/|filters\/)[a-z]+\/(\d+|(?=.*[_-])[\w-]+)\/$/.test(path);
}

/** The latest first, without the page that is shown. */
export function recall() {
  return read().filter(({ href }) => href !== location.pathname);
}

function iconOfRoom() {
  return document.querySelector(".bar-room[aria-current] use")?.getAttribute("href");
}

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries.slice(0, MOST)));
  } catch {
    // A full or forbidden store: the palette does without.
  }
}
