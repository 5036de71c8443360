/** Of each step by the text of its instruction: whether it was cached. */
export function cachedSteps(progress: string): Record<string, boolean> {
  const names = new Map([...progress.matchAll(/^#(\d+) \[.*?\d+\/\d+\] (.*)$/gm)].map(([, id, name]) => [id, name]));
  return Object.fromEntries([...names].map(([id, name]) => [name, new RegExp(`^#${id} CACHED`, 'm').test(progress)]));
}
