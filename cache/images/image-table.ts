/**
 * The tables of the local image store (a step of the store's schema). `images`: what a reference names here. `blob_sources`: a
 * repository that a blob can be fetched from, for layers that were pulled but not needed yet, and for mounting on a push.
 */
export const IMAGE_TABLES = `
  CREATE TABLE images (
    reference TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    origin TEXT NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE blob_sources (
    digest TEXT NOT NULL,
    domain TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, domain, repository)
  ) STRICT, WITHOUT ROWID;
`;
