import { expect, test } from 'vitest';
import { isLoopbackHost, refusalOf } from '../../src/registry/destination.ts';

/** [from, to, whether it is followed] */
const CASES: readonly (readonly [string, string, boolean])[] = [
  ['https://reg.example.com', 'https://cdn.example.net/x', true],
  ['https://reg.example.com', 'https://10.0.0.5/x', true],
  ['https://reg.example.com', 'http://reg.example.com/x', false],
  ['https://reg.example.com', 'ftp://reg.example.com/x', false],
  ['https://reg.example.com', 'file:///etc/passwd', false],
  ['https://reg.example.com', 'https://user:pass@cdn.example.net/', false],
  ['https://reg.example.com', 'https://localhost/x', false],
  ['https://reg.example.com', 'https://localhost./x', false],
  ['https://reg.example.com', 'https://x.localhost/x', false],
  ['https://reg.example.com', 'https://127.9.9.9/x', false],
  ['https://reg.example.com', 'https://0x7f.1/x', false],
  ['https://reg.example.com', 'https://2130706433/x', false],
  ['https://reg.example.com', 'https://0.0.0.0/x', false],
  ['https://reg.example.com', 'https://[::1]/x', false],
  ['https://reg.example.com', 'https://[::ffff:127.0.0.1]/x', false],
  ['https://reg.example.com', 'https://169.254.169.254/latest/meta-data', false],
  ['https://reg.example.com', 'https://[::ffff:169.254.169.254]/', false],
  ['https://reg.example.com', 'https://[fe80::1]/x', false],
  ['https://reg.example.com', 'https://[fd00:ec2::254]/x', false],
  ['http://reg.internal:5000', 'http://169.254.169.254/', false],
  ['http://reg.internal:5000', 'https://cdn.example.net/', true],
  ['http://localhost:5000', 'http://127.0.0.1:9000/minio', true],
  ['http://localhost:5000', 'https://cdn.example.net/', true],
];

test.each(CASES)('from %s to %s: followed %s', (from, to, isFollowed) => {
  expect(refusalOf(new URL(from), new URL(to)) === undefined).toBe(isFollowed);
});

test('loopback is localhost, 127.0.0.0/8 and ::1', () => {
  expect(['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.3', '[::1]', '::1'].every(isLoopbackHost)).toBe(true);
  expect(['localhost.example.com', '128.0.0.1', '[::2]', '10.0.0.1', 'example.com'].some(isLoopbackHost)).toBe(false);
});
