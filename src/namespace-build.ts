// The program that builds for a library whose process is not root: it takes a request on standard input, goes on as root of a user
// namespace, and speaks in lines on standard error (see namespace-messages.ts). What `dest=-` writes goes to standard output.
import { build } from './build.ts';
import { ensureUserNamespace } from './executor/rootless.ts';
import { messageLine, type NamespaceMessage, readRequestFrame } from './namespace-messages.ts';

const say = (message: NamespaceMessage) => void process.stderr.write(`${messageLine(message)}\n`);
const controller = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => controller.abort());

try {
  await ensureUserNamespace();
  const request = await readRequestFrame(process.stdin);
  const outcome = await build(request, {
    signal: controller.signal,
    stdout: process.stdout,
    onEvent: (event) => say({ type: 'event', event }),
  });
  say({ type: 'outcome', outcome });
} catch (error) {
  say({ type: 'failure', error });
}
// A standard input that nobody reads to its end would keep the process.
process.stdin.destroy();
