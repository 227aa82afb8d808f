/** Moments and spans as people read them; all moments are milliseconds since 1970. */

const HOUR_MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const WITH_SECONDS = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function clock(moment) {
  return HOUR_MINUTE.format(moment);
}

export function clockWithSeconds(moment) {
  return WITH_SECONDS.format(moment);
}

export function wholeDate(moment) {
  return WHOLE.format(moment);
}

/** A span as `4:05`, `2 h 03 min` or `3 days`; never negative. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  if (hours >= 1) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}
