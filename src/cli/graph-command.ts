import { BUILD_OPTIONS } from './build-options.ts';
import { graphAsDot, graphAsMermaid, graphAsText } from './graph-text.ts';
import { invalidOption } from './options/invalid-option.ts';
import type { CommandShape } from './parse-arguments.ts';
import { print, runOnRequest } from './run-on-request.ts';

const GRAPH_COMMAND: CommandShape = {
  name: 'graph',
  description:
    'Prints the vertices of a build without running any. Takes the options and the CONTEXT of slipway build.',
  options: [
    { name: 'format', kind: 'value', value: 'FORMAT', help: 'text, json, dot or mermaid (default: text)' },
    ...BUILD_OPTIONS,
  ],
};

/** `slipway graph`: resolves to the exit status (0 done, 1 failed, 2 the command line is wrong, 130 interrupted). */
export function runGraphCommand(args: readonly string[]): Promise<number> {
  return runOnRequest(args, GRAPH_COMMAND, async ({ request, rendered, ownOption }) => {
    const format = formatOf(ownOption('format') ?? 'text');
    const { buildGraph } = await import('../evaluate.ts');
    await print(format(await rendered((options) => buildGraph(request, options))));
    return 0;
  });
}

function formatOf(name: string): typeof graphAsText {
  switch (name) {
    case 'text':
      return graphAsText;
    case 'json':
      return (graph) => `${JSON.stringify(graph, undefined, 2)}\n`;
    case 'dot':
      return graphAsDot;
    case 'mermaid':
      return graphAsMermaid;
    default:
      throw invalidOption('--format', `"${name}": expected text, json, dot or mermaid`);
  }
}
