/** A repeatable source of random numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const WORDS = [
  ...[
    'FROM a',
    'RUN',
    'COPY',
    'ADD',
    'ENV',
    'LABEL',
    'ARG',
    'ONBUILD',
    'HEALTHCHECK',
    'SHELL',
    'CMD',
    'VOLUME',
    'EXPOSE',
  ],
  ...[
    '--mount=',
    'type=cache,',
    'from=$X',
    '--from=b',
    '--link',
    '--chown=',
    '--',
    '--network=host',
    '--interval=5s',
    '--device=a',
  ],
  ...['<<EOF', '<<-"E"', "3<<'X'", 'EOF', 'E', '<<', '["a", "b"]', '["a', '[1]', '[]', '{"syntax": "x"}'],
  ...['$A', '${A}', '${A:-b}', '${A:?m}', '${A#*/}', '${A%%.*}', '${A//a/b}', '${', '${A/', '$', '}', '\\$'],
  ...[
    'a=b',
    'a="b c"',
    "'",
    '"',
    '\\',
    '`',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\\\n',
    '`\n',
    '#',
    '# escape=`\n',
    '# syntax=a\n',
    '#!x\n',
  ],
  ...[
    '\0',
    '\ufeff',
    '\u00a0',
    '\u0085',
    'é',
    '🚀',
    '\ud800',
    '=',
    ',',
    'AS b',
    'NONE',
    'CMD',
    '*',
    '?',
    '\\*',
    ' '.repeat(50),
  ],
];

/** `text` changed in a few places: pieces of Dockerfile grammar put in, parts cut out, doubled, moved or shortened. */
export function mutate(text: string, random: () => number): string {
  let mutated = text;
  for (let count = 1 + Math.floor(random() * 6); count > 0; count--) {
    const [from, to] = [random(), random()]
      .map((share) => Math.floor(share * (mutated.length + 1)))
      .sort((a, b) => a - b);
    const [start, end] = [from ?? 0, Math.min(to ?? 0, (from ?? 0) + 40)];
    const [before, part, after] = [mutated.slice(0, start), mutated.slice(start, end), mutated.slice(end)];
    const word = WORDS[Math.floor(random() * WORDS.length)] ?? '';
    const choices = [
      before + word + part + after,
      before + after,
      before + part + part + after,
      before + word + after,
      part + before + after,
    ];
    mutated = choices[Math.floor(random() * choices.length)] ?? mutated;
  }
  return mutated;
}
