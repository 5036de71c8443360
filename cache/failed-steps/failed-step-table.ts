/** RUN steps that failed and may be entered (a step of the store's schema). `step`: see failed-step-store.ts, as JSON. */
export const FAILED_STEP_TABLES = `
  CREATE TABLE failed_steps (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    step TEXT NOT NULL
  ) STRICT;
`;
