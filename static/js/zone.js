// The person's time zone, for pages that show times in it beside another: the server reads it from a cookie.

const YEAR_S = 60 * 60 * 24 * 365;
const NAME = /^[\w+/-]+$/;

export function startZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && NAME.test(zone)) document.cookie = `zone=${zone}; path=/; max-age=${YEAR_S}; samesite=lax`;
}
