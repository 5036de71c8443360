import { parentPort } from 'node:worker_threads';
import { hashBatch } from './hash-batch.ts';
import { fileHasher } from './hash-file.ts';

// A thread of `hashInThreads`: each message is a batch, and its answer the facts.
const hashFile = fileHasher();
parentPort?.on('message', (batch) => parentPort?.postMessage(hashBatch(batch, hashFile)));
