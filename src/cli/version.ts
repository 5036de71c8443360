/** The version in the package's own package.json, which lies above this file, in the sources as in the bundle. */
export function packageVersion(): string {
  // See main.ts, of which this becomes a part.
  const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
  for (const place of ['../package.json', '../../package.json']) {
    const file = new URL(place, import.meta.url);
    if (!existsSync(file)) continue;
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown; version?: unknown };
    if (name === 'slipway' && typeof version === 'string') return version;
  }
  throw new Error('internal: the package.json of slipway is not where it should be');
}
