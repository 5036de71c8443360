const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/**
 * The proxy build arguments as variables for RUN, in both spellings, without an ARG. They are in no key, history or image. Of two
 * spellings of one argument the lower-case one counts.
 */
export function proxyEnvironment(buildArgs: Readonly<Record<string, string>>): readonly string[] {
  const given = Object.entries(buildArgs).sort(([a], [b]) => (a < b ? -1 : 1));
  const values = new Map(given.map(([name, value]) => [name.toLowerCase(), value]));
  return PROXIES.flatMap((name) => {
    const value = values.get(name);
    return value ? [`${name.toUpperCase()}=${value}`, `${name}=${value}`] : [];
  });
}
