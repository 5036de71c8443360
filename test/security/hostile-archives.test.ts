import { afterAll, beforeAll, expect, it } from 'vitest';
import { archiveOf, item } from '../cache/tar/archives.ts';
import { describeWhere, ordinaryUser, root } from '../rig/requirements.ts';
import type { Who } from '../rig/slipway.ts';
import { WAYS, type Way } from './apply-archive.ts';
import { ATTACKS, type Attack } from './archive-attacks.ts';
import { type HostileRig, openHostileRig } from './hostile-rig.ts';

for (const who of ['root', 'ordinary user'] as const)
  describeWhere(`a hostile archive, built with by ${who}`, [root, ordinaryUser], () => {
    let rig: HostileRig;
    beforeAll(async () => {
      rig = await openHostileRig(who);
    });
    afterAll(() => rig[Symbol.asyncDispose]());

    for (const attack of ATTACKS)
      it.each(WAYS)(`${attack.name} (%s)`, async (way) => {
        const before = rig.victimState();
        const outcome = await rig.apply(attack.archive(rig.victim), way);
        expect(rig.victimState()).toEqual(before);
        expect(outcome.message).not.toMatch(/internal/);
        const isRefused = outcome.refused !== undefined;
        expect(`${isRefused} ${outcome.message}`).toBe(`${isToBeRefused(attack, way, who)} ${outcome.message}`);
        if (outcome.refused === undefined)
          expect(outcome.files).toEqual(expect.arrayContaining([...(attack.makes ?? [])]));
        else expect(outcome.refused).toMatch(/^SLIPWAY_(TAR|ARCHIVE|LAYER|COPY|OUTPUT)_/);
      });

    it('CVE-2026-44517: a context archive whose Dockerfile is a symlink out of it is refused', async () => {
      const before = rig.victimState();
      for (const target of [`${rig.victim}/file`, `${'../'.repeat(40)}${rig.victim.slice(1)}/file`]) {
        const link = item({ path: 'Dockerfile', type: 'symlink', target: target as never });
        const { refused, message } = await rig.apply(archiveOf([link]), 'context on standard input');
        expect(refused).toMatch(/^SLIPWAY_DOCKERFILE_/);
        expect(message).not.toContain('the host has');
      }
      expect(rig.victimState()).toEqual(before);
    });
  });

function isToBeRefused({ refusedBy, refusedWithoutRoot = [] }: Attack, way: Way, who: Who): boolean {
  return refusedBy.includes(way) || (who === 'ordinary user' && refusedWithoutRoot.includes(way));
}
