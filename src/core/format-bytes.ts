const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `512B`, `1.50kB`, `45.00MB`: powers of 1000, as docker's progress has them. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(2)}${UNITS[unit]}`;
}
