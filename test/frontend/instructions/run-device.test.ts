import { expect, test } from 'vitest';
import { parseRunDevice } from '../../../frontend/instructions/run-device.ts';

test.each([
  ['vendor1.com/device=foo', 'vendor1.com/device=foo', false],
  ['vendor1.com/device', 'vendor1.com/device', false],
  ['vendor1.com/device=foo,required', 'vendor1.com/device=foo', true],
  ['vendor1.com/device=foo,required=true', 'vendor1.com/device=foo', true],
  ['vendor1.com/device=foo,required=false', 'vendor1.com/device=foo', false],
  ['name=vendor1.com/device=foo', 'vendor1.com/device=foo', false],
  ['name=vendor1.com/device=foo,required', 'vendor1.com/device=foo', true],
])('%j is the device %j, required %j', (written, name, required) => {
  expect(parseRunDevice(written)).toEqual({ name, required });
});

test.each([
  ['vendor1.com/device=foo,name=vendor2.com/device=bar', 'device name already set to vendor1.com/device=foo'],
  ['a/b=c,requierd=true', "unexpected key 'requierd' in 'requierd=true'"],
  ['a/b=c,other', "invalid field 'other' must be a key=value pair"],
  ['a/b=c,required=perhaps', 'invalid value for required: perhaps'],
])('%j is refused', (written, message) => {
  expect(() => parseRunDevice(written)).toThrow(message);
});
