import { DockerfileParser, Keyword } from 'dockerfile-ast';
import { expect, test } from 'vitest';
import { KEYWORDS } from '../../../frontend/instructions/parse-instruction.ts';
import { parseDockerfile, parseTrigger } from '../../../frontend/parser/parse-dockerfile.ts';
import { SlipwayError } from '../../../src/core/errors.ts';

function only(instruction: string) {
  const [, parsed] = parseDockerfile('Dockerfile', `FROM scratch\n${instruction}`).instructions;
  return parsed;
}

function errorOf(text: string): SlipwayError {
  try {
    parseDockerfile('Dockerfile', text);
  } catch (error) {
    if (error instanceof SlipwayError) return error;
    throw error;
  }
  throw new Error(`no error for ${text}`);
}

test('the instructions are those that dockerfile-ast knows', () => {
  expect([...KEYWORDS].sort()).toEqual(Object.values(Keyword).sort());
});

test('on plain Dockerfiles, dockerfile-ast sees the same instructions on the same lines', () => {
  const text = 'FROM a\n\n# c\nRUN a \\\n  b\nCOPY --chown=1 a \\\n\n b\nRUN <<X\nCOPY\nX\nCMD ["a"]\n';
  const ours = parseDockerfile('Dockerfile', text).instructions.map(({ keyword, range }) => [
    keyword,
    range.startLine,
    range.endLine,
  ]);
  const theirs = DockerfileParser.parse(text)
    .getInstructions()
    .map((instruction) => {
      const { start, end } = instruction.getRange();
      return [instruction.getInstruction(), start.line + 1, end.line + 1];
    });
  expect(ours).toEqual(theirs);
});

test.each([
  ['MAINTAINER', 'MAINTAINER requires exactly one argument'],
  ['WORKDIR', 'WORKDIR requires exactly one argument'],
  ['USER', 'USER requires exactly one argument'],
  ['STOPSIGNAL', 'STOPSIGNAL requires exactly one argument'],
  ['ENV', 'ENV requires at least one argument'],
  ['LABEL', 'LABEL requires at least one argument'],
  ['ARG', 'ARG requires at least one argument'],
  ['ONBUILD', 'ONBUILD requires at least one argument'],
  ['HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
  ['EXPOSE', 'EXPOSE requires at least one argument'],
  ['VOLUME', 'VOLUME requires at least one argument'],
  ['SHELL', 'SHELL requires at least one argument'],
  ['SHELL []', 'SHELL requires at least one argument'],
  ['SHELL powershell -command', 'SHELL requires the arguments to be in JSON form'],
  ['ADD arg1', 'ADD requires at least two arguments'],
  ['COPY arg1', 'COPY requires at least two arguments'],
  ['COPY\t\n\t\tquux \\\n      bar', 'COPY requires at least two arguments'],
  ['COPY a <<EOF\nEOF', 'COPY cannot accept a heredoc as a destination'],
  ['ENV =arg2', 'ENV names can not be blank'],
  ['LABEL =arg2', 'LABEL names can not be blank'],
  ['ARG =arg2', 'ARG names can not be blank'],
  ['ENV PATH', 'ENV must have two arguments'],
  ['ENV a=b c', 'can\'t find = in "c"'],
  ['FROM', 'FROM requires either one or three arguments'],
  ['FROM a b', 'FROM requires either one or three arguments'],
  ['FROM a us b', 'FROM requires either one or three arguments'],
  ['FROM a as 2nd', 'invalid name for build stage: "2nd"'],
  ['ONBUILD FROM scratch', "FROM isn't allowed as an ONBUILD trigger"],
  ['ONBUILD maintainer me', "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ['ONBUILD ONBUILD RUN touch foobar', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ['ONBUILD ENV a', 'ENV must have two arguments'],
  ['MAINTAINER --boo joe@example.com', 'unknown flag: --boo'],
  ['RUN --mout=type=cache true', 'unknown flag: --mout'],
  ['RUN --network=sideways true', 'invalid network mode "sideways"'],
  ['RUN --security=none true', 'security "none" is not valid'],
  ['RUN --mount=from=$A true', "'from' doesn't support variable expansion"],
  ['HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
  ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK CMD []', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK curl', 'Unknown type "CURL" in HEALTHCHECK (try CMD)'],
  ['HEALTHCHECK --interval=30 CMD a', 'missing unit in duration "30"'],
  ['HEALTHCHECK --interval=50ns CMD a', 'cannot be less than 1ms'],
  ['HEALTHCHECK --interval=-1s CMD a', 'cannot be less than 1ms'],
  ['HEALTHCHECK --retries=-1 CMD a', '--retries cannot be negative (-1)'],
  ['HEALTHCHECK --retries=many CMD a', '--retries: expected a number'],
  ['VOLUME [" "]', 'VOLUME specified can not be an empty string'],
  ['CMD [ "echo", [ "nested json" ] ]', 'arrays must be comprised of strings only'],
  ['FOO bar', 'unknown instruction: FOO'],
  ['foo bar', 'unknown instruction: foo'],
])('%j is refused', (instruction, message) => {
  const error = errorOf(`FROM scratch\n${instruction}`);
  expect(error.message).toContain(message);
  expect(error.source?.range.startLine).toBe(2);
});

test('flags that BuildKit ignores are no error', () => {
  expect(only('ARG --what a=b')).toMatchObject({ args: [{ key: 'a', value: 'b' }] });
  expect(only('STOPSIGNAL --what 9')).toMatchObject({ signal: '9' });
  expect(only('HEALTHCHECK --what NONE')).toMatchObject({ test: ['NONE'] });
});

test('-- ends the flags', () => {
  expect(only('COPY --link -- --a /b')).toMatchObject({ link: true, sources: [{ path: '--a' }], destination: '/b' });
});

test('quotes and escapes in flags are taken off, in words they stay', () => {
  expect(only('COPY --chown="a b":c\\ d --exclude=\'x y\' "a" b')).toMatchObject({
    chown: 'a b:c d',
    exclude: ['x y'],
    sources: [{ path: '"a"' }],
  });
});

test('every byte of a flag is a character, as in BuildKit', () => {
  expect(only('COPY --exclude=à/ü.txt a ü')).toMatchObject({ exclude: ['Ã\u00a0/Ã¼.txt'], destination: 'ü' });
});

test('a no-break space is no space between flags', () => {
  expect(only('COPY --link \u00a0--chown=1 b')).toMatchObject({ flags: ['--link'], sources: [{ path: '--chown=1' }] });
});

test('a text that is no JSON is a command of the shell', () => {
  expect(only("RUN ['a', 'b']")).toMatchObject({ command: { form: 'shell', text: "['a', 'b']" } });
  expect(only('RUN ["a", "b"]')).toMatchObject({ command: { form: 'exec', args: ['a', 'b'] } });
});

test('COPY takes heredocs and files side by side, in the order written', () => {
  expect(only('COPY <<-"A" x <<B /d/\n\t$a\n\tA\n$b\nB\n')).toMatchObject({
    sources: [
      { kind: 'heredoc', heredoc: { name: 'A', content: '$a\n', rawContent: '\t$a\n', expand: false } },
      { kind: 'path', path: 'x' },
      { kind: 'heredoc', heredoc: { name: 'B', content: '$b\n', expand: true } },
    ],
    destination: '/d/',
  });
});

test('comments above an instruction describe it; an empty one and an instruction start anew', () => {
  const { instructions } = parseDockerfile(
    'Dockerfile',
    '# foo sets foo\nARG foo=bar\n\n# base defines first stage\nFROM busybox AS base\n# this is irrelevant\nARG foo\n# bar defines bar\n# baz is something else\nARG bar baz=123\n# lost\n#\n# kept\n\nRUN a\n',
  );
  expect(instructions).toMatchObject([
    { args: [{ key: 'foo', comment: 'sets foo' }] },
    { stageName: 'base', comment: 'defines first stage' },
    { args: [{ key: 'foo' }] },
    { args: [{ comment: 'defines bar' }, { comment: 'is something else' }] },
    { comments: ['kept'] },
  ]);
  expect(instructions[2]).not.toHaveProperty('args.0.comment');
});

test.each(['', '\n\n', '# only\n# comments\n', '\ufeff'])('a file without instructions (%j) is refused', (text) => {
  expect(errorOf(text)).toMatchObject({ code: 'SLIPWAY_DOCKERFILE_EMPTY' });
});

test('a line is as long as BuildKit reads it', () => {
  const name = 'LABEL a=';
  expect(() => parseDockerfile('f', `FROM a\n${name}${'x'.repeat(65_535 - name.length)}\n`)).not.toThrow();
  expect(() => parseDockerfile('f', `FROM a\n${name}${'x'.repeat(65_536 - name.length)}\n`)).toThrow(
    'dockerfile line greater than max allowed size of 65535',
  );
  expect(() => parseDockerfile('f', `FROM a\n${name}${'é'.repeat(40_000)}`)).toThrow('greater than max allowed size');
});

test('independent errors are reported together, in the order of lines, and not more than twenty', () => {
  const { message, others } = errorOf('FROM a\nRUNN x\nCOPY a\nENV b\n');
  expect([message, ...others.map((other) => other.message)]).toEqual([
    'unknown instruction: RUNN',
    expect.stringContaining('COPY requires'),
    expect.stringContaining('ENV must'),
  ]);
  expect(errorOf('?\n'.repeat(1000)).others).toHaveLength(19);
});

test('a misspelt FROM is not also blamed for the stage that is missing', () => {
  expect(errorOf('FORM a\nRUN b\n')).toMatchObject({ hint: 'did you mean FROM?', others: [] });
});

test('the flag of an instruction of several lines is pointed at', () => {
  const { source } = errorOf('FROM a\nCOPY \\\n  --link \\\n  --chwon=1 \\\n  a b\n');
  expect(source?.range).toEqual({ file: 'Dockerfile', startLine: 4, endLine: 4 });
});

const ORIGIN = { range: { file: 'Dockerfile', startLine: 3, endLine: 3 }, text: '\n\nFROM busybox:onbuild\n' };

test('a trigger takes the place of the FROM that triggers it', () => {
  expect(parseTrigger('COPY . /src', ORIGIN)).toMatchObject({ kind: 'copy', destination: '/src', range: ORIGIN.range });
  expect(parseTrigger('RUN <<E\nls\nE', ORIGIN)).toMatchObject({ kind: 'run', heredocs: [{ content: 'ls\n' }] });
});

test.each([
  ['FROM a', "FROM isn't allowed as an ONBUILD trigger"],
  ['RUN a\nRUN b', 'onbuild trigger should be a single expression'],
  ['', 'onbuild trigger should be a single expression'],
  ['RUN <<E\nls', 'unterminated heredoc'],
  ['FETCH x', 'unknown instruction: FETCH'],
])('the trigger %j is refused at its FROM', (text, message) => {
  const read = () => parseTrigger(text, ORIGIN);
  expect(read).toThrow(message);
  expect(read).toThrow(expect.objectContaining({ source: ORIGIN }));
});

test('a file of 10,000 instructions is read', () => {
  const instructions = [
    'RUN echo a && \\\n  b',
    'ENV A="b c" D=$E',
    'COPY --chown=1:2 a b /c/',
    'RUN <<EOF\nx\nEOF',
    'LABEL a=b',
  ];
  const text = `FROM a\n${Array.from({ length: 10_000 }, (_, index) => instructions[index % 5]).join('\n')}`;
  expect(parseDockerfile('Dockerfile', text).instructions).toHaveLength(10_001);
});

test.each([
  ['continuations', `FROM a\nRUN ${'a \\\n'.repeat(100_000)} b`],
  ['blanks', `FROM a\nRUN ${' '.repeat(60_000)}x\nENV a=${' '.repeat(60_000)}b=c\n# escape ${' '.repeat(60_000)}`],
  ['directives', `#syntax=a${' '.repeat(60_000)}b\nFROM a`],
  ['quotes', `FROM a\nENV a=${'"\''.repeat(30_000)}`],
  ['heredocs', `FROM a\nRUN ${'<<A '.repeat(10_000)}\n${'A\n'.repeat(10_000)}`],
  ['triggers', `FROM a\n${'ONBUILD '.repeat(8_000)}RUN a`],
  ['brackets', `FROM a\nRUN ${'['.repeat(60_000)}\nVOLUME ${'["a",'.repeat(12_000)}`],
  ['variables', `FROM a\nRUN ${'${a:-'.repeat(12_000)} <<EOF`],
])('a long text is read or refused: %s', (_, text) => {
  try {
    parseDockerfile('Dockerfile', text);
  } catch (error) {
    expect(error).toBeInstanceOf(SlipwayError);
  }
});
