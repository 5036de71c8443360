import { expect, test } from 'vitest';
import { heredocsOfLine, parseHeredocWord, stripLeadingTabs } from '../../../frontend/parser/heredoc.ts';

test.each(['<<EOF', "<<'EOF'", '<<"EOF"', '<<-EOF', "<<-'EOF'", '<<-"EOF"', '<<EO"F"', '<< EOF', '<<- EOF'])(
  '%j opens a heredoc that ends with EOF',
  (word) => {
    expect(parseHeredocWord(word)).toMatchObject({ name: 'EOF', written: word, chomp: word.includes('-') });
  },
);

test.each(['', 'EOF', '<<', '<<-', '<EOF', '<<<EOF', '<<EOF sh', "<<'EOF", '<<"EOF', "<<EOF'", '<<EOF"', 'a<<EOF'])(
  '%j opens none',
  (word) => {
    expect(parseHeredocWord(word)).toBeUndefined();
  },
);

test('any quote around any part of the delimiter shuts expansion off', () => {
  const expands = ['<<EOF', "<<'EOF'", '<<"EOF"', '<<E"O"F', "<<eo\\'f", "<<'e'o\\'f", '<<$EOF'].map(
    (word) => parseHeredocWord(word)?.expand,
  );
  expect(expands).toEqual([true, false, false, false, true, false, true]);
});

test('a number before << is the descriptor', () => {
  expect(parseHeredocWord('3<<EOF')?.fileDescriptor).toBe(3);
  expect(parseHeredocWord('<<EOF')?.fileDescriptor).toBe(0);
  expect(parseHeredocWord(`${'9'.repeat(400)}<<EOF`)?.fileDescriptor).toBe(Number.MAX_SAFE_INTEGER);
});

test.each([
  ['RUN <<EOF', ['EOF']],
  ['RUN <<-EOF', ['EOF']],
  ['RUN <<- EOF', []],
  ['RUN << -EOF', ['-EOF']],
  ["RUN <<'EOF'", ['EOF']],
  ["RUN <<'one two'", ['one two']],
  ['RUN 4<<EOF', ['EOF']],
  ['RUN <<EOF <<EOF2', ['EOF', 'EOF2']],
  ['RUN cat <<EOF > /a && cat <<-"X" > /b', ['EOF', 'X']],
  ['RUN <<  EOF  > foo', ['EOF']],
  ["RUN '<<EOF'", []],
  ['RUN "<<EOF"', []],
  ['RUN echo "it\'s <<EOF', []],
  ['RUN echo $((1<<2))', []],
  ['RUN <<${A}', ['${A}']],
  ['RUN <<${A:-b}', []],
  ["RUN <<'${A:-b}'", ['${A:-b}']],
])('%j opens %j', (line, names) => {
  expect(heredocsOfLine(line).map(({ name }) => name)).toEqual(names);
});

test('tabs are taken off each line, nothing else is', () => {
  expect(stripLeadingTabs('\thello\n\t\tworld\n  \tx\ny\tz\n')).toBe('hello\nworld\n  \tx\ny\tz\n');
});
