import type { MadeNodes } from './made-nodes.ts';
import type { ListenerStage } from './step-listener.ts';

/** What the supervisor's thread is told; after each message a byte comes through its pipe, because it waits for many things at once. */
export type SupervisorRequest =
  /** The thread closes the descriptor. `device`: number of the filesystem that the step's layer is made from. */
  | { readonly type: 'watch'; readonly step: string; readonly stage: ListenerStage; readonly device: number }
  /** All processes of the step have ended. */
  | { readonly type: 'end'; readonly step: string };

/** What the supervisor's thread tells. */
export type SupervisorReply =
  /** First of all: whether it can do anything on this machine. */
  | { readonly type: 'started'; readonly canSupervise: boolean }
  | { readonly type: 'ended'; readonly step: string; readonly made: MadeNodes };

/** `workerData` of the thread. */
export interface SupervisorData {
  /** The end of its pipe to read from, which the thread closes. It ends when the other end is closed. */
  readonly wake: number;
}
