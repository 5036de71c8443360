import { expect, test } from 'vitest';
import { layerNames } from '../../solver/layer-names.ts';
import { type ImageOp, type Vertex, vertex } from '../../solver/vertex.ts';

const layer = {} as ImageOp['layers'][number];
const base = vertex({ kind: 'image', layers: [layer, layer] } as unknown as ImageOp, [], { name: 'FROM base' });
const file = (name: string, root: Vertex | undefined) =>
  vertex({ kind: 'file', root: root === undefined ? 'scratch' : 0, actions: [] }, root === undefined ? [] : [root], {
    name,
  });

test('the layers of a chain have the names of their steps, those of an image its name', () => {
  expect(layerNames(file('COPY b', file('COPY a', base)))).toEqual(['FROM base', 'FROM base', 'COPY a', 'COPY b']);
});

test('what is merged keeps the order of its inputs', () => {
  const merged = vertex(
    { kind: 'merge' },
    [file('COPY a', base), file('COPY b', undefined), file('COPY c', undefined)],
    {
      name: 'merge',
    },
  );
  expect(layerNames(file('COPY d', merged))).toEqual([
    'FROM base',
    'FROM base',
    'COPY a',
    'COPY b',
    'COPY c',
    'COPY d',
  ]);
});

test('a difference says nothing of its layers', () => {
  const difference = vertex({ kind: 'diff', lower: 'scratch', upper: 0 }, [base], { name: 'diff' });
  expect(layerNames(file('COPY a', difference))).toBeUndefined();
});

test('very many steps are named, too', () => {
  let top = base;
  for (let count = 0; count < 20_000; count++) top = file(`COPY ${count}`, top);
  expect(layerNames(top)).toHaveLength(20_002);
});
