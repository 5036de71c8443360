import { describe, expect, it } from 'vitest';
import { grantedDevices } from '../../../../solver/ops/exec/granted-devices.ts';
import { SlipwayError } from '../../../../src/core/errors.ts';

const MACHINE = { 'v/c=a': false, 'v/c=b': false, 'v/free=a': true } as const;

/** A machine with these devices; `v/c` is the first of its kind. */
function machine(name: string, whenMissing: 'fail' | 'nothing') {
  const found = Object.entries(MACHINE).filter(([device]) => device === name || (name === 'v/c' && device === 'v/c=a'));
  if (found.length === 0 && whenMissing === 'fail') throw new SlipwayError('SLIPWAY_DEVICE_UNKNOWN', name);
  return found.map(([device, autoAllow]) => ({ name: device, autoAllow }));
}

type Asked = readonly [name: string, required?: 'required'];
const grant = (asked: readonly Asked[], allow: readonly string[]) =>
  grantedDevices(
    asked.map(([name, required]) => ({ name, required: required !== undefined })),
    allow,
    machine,
  );

describe('the devices of a RUN', () => {
  it.each<[string, readonly Asked[], readonly string[], readonly string[]]>([
    ['all, where all are allowed', [['v/c=a'], ['v/c=b', 'required']], ['device'], ['v/c=a', 'v/c=b']],
    ['those that are allowed by name', [['v/c=a'], ['v/c=a']], ['device=v/c=a'], ['v/c=a']],
    ['the first of a kind, by its own name', [['v/c']], ['device=v/c=a'], ['v/c=a']],
    ['one that is allowed as the first of its kind', [['v/c=a']], ['device=v/c'], ['v/c=a']],
    ['what the user lets a name stand for', [['gpu', 'required']], ['device=v/c=b,alias=gpu'], ['v/c=b']],
    ['what the administrator lets every build have', [['v/free=a', 'required']], [], ['v/free=a']],
    ['none that the machine lacks, where the step can do without', [['v/c=z'], ['gpu']], [], []],
    ['none that the machine lacks, though it is allowed', [['v/c=z']], ['device=v/c=z'], []],
  ])('are %s', (_, asked, allow, granted) => {
    expect(grant(asked, allow)).toEqual(granted);
  });

  it.each<[string, readonly Asked[], readonly string[]]>([
    ['is not allowed', [['v/c=a', 'required']], []],
    ['is not allowed, though the step could do without', [['v/c=a']], []],
    [
      'is allowed by another name',
      [['v/c=a']],
      ['device=v/c=b', 'device=v/c=b,alias=x', 'device=', 'security.insecure'],
    ],
    ['the machine lacks, and is not allowed either', [['v/c=z', 'required']], ['device=v/c=a']],
  ])('are refused where one %s', (_, asked, allow) => {
    expect(() => grant(asked, allow)).toThrow(expect.objectContaining({ code: 'SLIPWAY_ENTITLEMENT_MISSING' }));
  });

  it('are refused where a required one is allowed and not there', () => {
    for (const allow of ['device', 'device=v/c=z', 'device=v/c=y,alias=v/c=z'])
      expect(() => grant([['v/c=z', 'required']], [allow])).toThrow(
        expect.objectContaining({ code: 'SLIPWAY_DEVICE_UNKNOWN' }),
      );
  });
});
