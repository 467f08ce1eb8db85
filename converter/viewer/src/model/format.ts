// Numbers as text. Units are always shown; digits stand under digits.

const counts = new Intl.NumberFormat('en-US');

export function formatCount(value: number): string {
  return counts.format(value);
}

/** Three significant digits or more: 1.234 s, 12.3 ms, 850 µs, 120 ns. */
export function formatNs(ns: number): string {
  if (ns === 0) return '0';
  const size = Math.abs(ns);
  if (size < 999.5) return `${Math.round(ns)} ns`;
  if (size < 999_500) return `${digits(ns / 1e3)} µs`;
  if (size < 999_500_000) return `${digits(ns / 1e6)} ms`;
  if (size < 120e9) return `${(ns / 1e9).toFixed(size < 10e9 ? 3 : 2)} s`;
  const seconds = Math.round(ns / 1e9);
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** A time of a single call: rounded down to the quantum, so 0 says only that it is below it. */
export function formatCallNs(ns: number, quantumNs: number): string {
  return ns === 0 && quantumNs > 1 ? `< ${formatNs(quantumNs)}` : formatNs(ns);
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** A time on the run's clock, in a unit that fits the run and with digits down to the quantum. */
export function clockFormat(wallNs: number, quantumNs: number): { unit: string; format: (ns: number) => string } {
  const [unit, scale] = wallNs >= 1e9 ? (['s', 1e9] as const) : wallNs >= 1e6 ? (['ms', 1e6] as const) : (['µs', 1e3] as const);
  const decimals = Math.max(0, Math.round(Math.log10(scale / quantumNs)));
  return { unit, format: (ns) => (ns / scale).toFixed(decimals) };
}

/** Calls that overlap in time sum up to more than the run: said as a factor. */
export function formatPercent(part: number, whole: number): string {
  if (whole <= 0) return '';
  if (part > 1.005 * whole) return `${(part / whole).toFixed(part < 99.5 * whole ? 1 : 0)} ×`;
  const percent = (100 * part) / whole;
  return percent >= 99.95 ? '100 %' : percent >= 9.95 ? `${percent.toFixed(0)} %` : percent >= 0.05 ? `${percent.toFixed(1)} %` : '< 0.1 %';
}

/** Right-to-left and invisible controls could make a name look like another: shown as their code point. */
export function visibleText(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) =>
    `\u2039U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}\u203a`);
}
