/** Runs work that several callers ask for at the same time once, by key. Failures are not kept. */
export interface Once {
  /**
   * The result of `work`, which may be that of another caller's. Where that one's signal ended it and this caller's did not, it is
   * done again.
   */
  run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Nothing running yet. */
export function createOnce(): Once {
  const running = new Map<string, { readonly result: Promise<unknown>; readonly signal: AbortSignal }>();
  return {
    async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
      for (;;) {
        signal.throwIfAborted();
        const other = running.get(key);
        if (other === undefined) break;
        try {
          return (await other.result) as T;
        } catch (error) {
          if (!other.signal.aborted) throw error;
        }
      }
      const result = work().finally(() => running.delete(key));
      running.set(key, { result, signal });
      return result;
    },
  };
}
