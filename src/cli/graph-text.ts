import type { BuildGraph, GraphVertex } from '../graph.ts';
import { printableLine } from '../progress/printable.ts';

/** One vertex a line: its number, its op, its name, and the numbers of its inputs. */
export function graphAsText(graph: BuildGraph): string {
  const numbers = numbersOf(graph);
  const width = String(graph.vertices.length).length;
  const rows = graph.vertices.map(({ digest, op, name, inputs }) => {
    const below = inputs.length === 0 ? '' : `  <- ${inputs.map((input) => numbers.get(input)).join(' ')}`;
    return `${String(numbers.get(digest)).padStart(width)}  ${op.kind.padEnd(5)}  ${printableLine(name)}${below}\n`;
  });
  return [...rows, ...resultsOf(graph).map(({ platform, number }) => `=> ${platform}: ${number ?? 'scratch'}\n`)].join(
    '',
  );
}

/** A digraph of Graphviz, the results as boxes with two frames. */
export function graphAsDot(graph: BuildGraph): string {
  const numbers = numbersOf(graph);
  const lines = graph.vertices.flatMap(({ digest, op, name, inputs }) => [
    `  v${numbers.get(digest)} [label=${dotText(`${op.kind}\n${printableLine(name)}`)}];`,
    ...inputs.map((input) => `  v${numbers.get(input)} -> v${numbers.get(digest)};`),
  ]);
  const results = resultsOf(graph).flatMap(({ platform, number }, index) => [
    `  r${index + 1} [label=${dotText(platform)}, peripheries=2];`,
    ...(number === undefined ? [] : [`  v${number} -> r${index + 1};`]),
  ]);
  return ['digraph build {', '  node [shape=box];', ...lines, ...results, '}', ''].join('\n');
}

/** A flowchart of Mermaid. */
export function graphAsMermaid(graph: BuildGraph): string {
  const numbers = numbersOf(graph);
  const lines = graph.vertices.flatMap(({ digest, op, name, inputs }) => [
    `  v${numbers.get(digest)}["${mermaidText(`${op.kind}: ${printableLine(name)}`)}"]`,
    ...inputs.map((input) => `  v${numbers.get(input)} --> v${numbers.get(digest)}`),
  ]);
  const results = resultsOf(graph).flatMap(({ platform, number }, index) => [
    `  r${index + 1}(["${mermaidText(platform)}"])`,
    ...(number === undefined ? [] : [`  v${number} --> r${index + 1}`]),
  ]);
  return ['flowchart TD', ...lines, ...results, ''].join('\n');
}

function numbersOf({ vertices }: BuildGraph): ReadonlyMap<GraphVertex['digest'], number> {
  return new Map(vertices.map(({ digest }, index) => [digest, index + 1]));
}

function resultsOf(graph: BuildGraph): readonly { readonly platform: string; readonly number: number | undefined }[] {
  const numbers = numbersOf(graph);
  return graph.results.map(({ platform, vertex }) => ({
    platform,
    number: vertex === null ? undefined : numbers.get(vertex),
  }));
}

function dotText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** Mermaid has entities for what its texts may not hold, and takes an unescaped < for markup. */
function mermaidText(text: string): string {
  return text.replace(/[#"<>&`]/g, (character) => `#${character.codePointAt(0)};`);
}
