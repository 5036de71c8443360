import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMarker, processesWith, until } from '../executor/rig/machine-traces.ts';
import { availableRungs, newFolder, type Runner, startRunner } from '../executor/rig/rungs.ts';

for (const rung of availableRungs().filter(({ rootless }) => rootless)) {
  describe(`who makes device nodes for steps: ${rung.name}`, () => {
    let runner: Runner;
    beforeAll(() => {
      runner = startRunner(rung);
    });
    afterAll(() => runner[Symbol.asyncDispose]());
    const run = (script: string) => runner.run({ args: ['/bin/sh', '-c', script] });

    test('makes none outside of the root, whatever a step renames meanwhile', async () => {
      using host = newFolder(rung);
      const { layer, error } = await run(
        `mkdir -p /in/a /in/b; cd /in
         while :; do mv a c; ln -s ../../../../../../..${host.path} a; rm a; mv c a; done 2>/dev/null & renaming=$!
         for i in $(seq 150); do mknod a/../../../../..${host.path}/$i c 1 3; mknod a/$i c 1 3; mknod a/x/../$i b 1 3; done 2>/dev/null
         kill $renaming; wait; true`,
      );
      expect(error).toBeUndefined();
      expect(readdirSync(host.path)).toEqual([]);
      for (const line of layer.filter((found) => /^(char|block) /.test(found)))
        expect(line).toMatch(/ \/in\/[ac]\/\d+$/);
    });

    test('outlives callers that are killed while they wait', async () => {
      const { layer, error } = await run(
        `mkdir /d; for i in $(seq 100); do mknod /d/$i c 1 3 & kill -9 $!; done 2>/dev/null; wait
         mknod /last c 1 3`,
      );
      expect(error).toBeUndefined();
      expect(layer).toContain('char 1 3 644 0:0 /last');
    });

    test('answers a flood of calls by many processes, each as it should', async () => {
      const { layer, stdout, error } = await run(
        `for i in 1 2 3 4; do (for j in $(seq 100); do mknod /n$i c 1 $i && mknod /n$i b 1 1 2>/dev/null || rm /n$i; done) & done; wait
         for i in 1 2 3 4; do mknod /kept$i c 2 $i && echo $i; done`,
      );
      expect(error).toBeUndefined();
      expect(stdout).toBe('1\n2\n3\n4\n');
      expect(layer).toEqual([1, 2, 3, 4].map((number) => `char 2 ${number} 644 0:0 /kept${number}`));
    });

    test('dies with slipway, and the step that waits for it as well', async () => {
      const marker = newMarker();
      await using other = startRunner(rung);
      const { error } = await other.run({ args: ['/bin/sh', '-c', 'mknod /n c 1 3'] });
      expect(error).toBeUndefined();
      void other
        .run({ args: ['/bin/sh', '-c', `while :; do mknod /n c 1 3; rm /n; done # ${marker}`] })
        .catch(() => {});
      await until(() => processesWith(marker).length > 0);
      other.process.kill('SIGKILL');
      await until(() => processesWith(marker).length === 0);
    });
  });
}
