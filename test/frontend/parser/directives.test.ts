import { expect, test } from 'vitest';
import { detectCheck, detectSyntax, readDirectives } from '../../../frontend/parser/directives.ts';

test('an unknown key ends the directives', () => {
  expect(readDirectives('#escape=\\\n# key = FOO bar\n\n# smth\n')).toEqual([{ name: 'escape', value: '\\', line: 1 }]);
});

test('the case of a key does not matter', () => {
  expect(readDirectives('# EScape=\\\n# KEY = FOO bar\n')).toEqual([{ name: 'escape', value: '\\', line: 1 }]);
});

test('a value that is only white space is a value, an empty one is not', () => {
  expect(readDirectives('# escape = \nFROM a')).toEqual([{ name: 'escape', value: ' ', line: 1 }]);
  expect(readDirectives('# escape=\nFROM a')).toEqual([]);
});

test('a key that stands twice is told', () => {
  expect(readDirectives('# syntax=a\n# check=x\n# syntax=b\n# escape=`\n')).toEqual([
    { name: 'syntax', value: 'a', line: 1 },
    { name: 'check', value: 'x', line: 2 },
    { name: 'syntax', duplicate: true, line: 3 },
  ]);
});

test.each([
  ['# syntax = dockerfile:experimental // opts\nFROM busybox\n', 'dockerfile:experimental'],
  ['#!/bin/sh\n# syntax = dockerfile:experimental\nFROM busybox\n', 'dockerfile:experimental'],
  ['#!/bin/sh\n\n# syntax = dockerfile:experimental\n', undefined],
  ['FROM busybox\nRUN ls\n', undefined],
  ['//syntax=foo\n//key=value', 'foo'],
  ['#!/bin/sh\n//syntax=x', 'x'],
  ['{"syntax": "foo", "bar": ["abc"]}', 'foo'],
  ['{"syntax": "foo"', undefined],
  ['{"syntax": "foo"}\n# syntax=bar', undefined],
  ['{"syntax": 1}', undefined],
  ['# a comment\n# syntax=bar', undefined],
  ['#syntax=\n#syntax=x', undefined],
])('%j names the frontend %j', (text, syntax) => {
  expect(detectSyntax(text)).toBe(syntax);
});

test.each([
  ['#check = skip=all // opts\nFROM busybox\n', 'skip=all'],
  ['#!/bin/sh\n# check = skip=all\nFROM busybox\n', 'skip=all'],
  ['#!/bin/sh\n\n# check = skip=all\n', undefined],
  ['FROM busybox\nRUN ls\n', undefined],
  ['//check=skip=all\n//key=value', undefined],
])('%j asks for the checks %j', (text, check) => {
  expect(detectCheck(text)).toBe(check);
});
