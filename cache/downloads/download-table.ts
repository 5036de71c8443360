/** What was fetched from URLs, by a digest of the URL, which may have a password in it. "mtime": seconds since 1970. */
export const DOWNLOAD_TABLES = `
  CREATE TABLE downloads (
    url TEXT PRIMARY KEY,
    etag TEXT NOT NULL,
    digest TEXT NOT NULL,
    mtime INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;
