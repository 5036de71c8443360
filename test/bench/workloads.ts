import { mkdirSync, writeFileSync } from 'node:fs';
import { writeSourceFiles } from './source-files.ts';

/** A build to time, and what is special about it. */
export interface Workload {
  readonly title: string;
  readonly dockerfile: (images: BaseImages) => string;
  /** Source files beside the Dockerfile. */
  readonly files?: number;
  /** Runs everything again. */
  readonly cold: boolean;
  /** Nothing of the builder's cache and images is there. */
  readonly fresh?: boolean;
  /** Changes the context before every run. */
  readonly change?: (context: string) => void;
}

/** What the workloads build on. */
export interface BaseImages {
  /** About 117 MB. */
  readonly debian: string;
  readonly busybox: string;
}

const STAGES = [0, 1, 2, 3, 4, 5, 6, 7];
const STEPS = Array.from({ length: 30 }, (_, index) => index);
const COPY_ALL = ({ busybox }: BaseImages) => `FROM ${busybox}\nCOPY . /src\n`;

/** What build times are compared on, by name. */
export const WORKLOADS: Readonly<Record<string, Workload>> = {
  cached: {
    title: 'six steps, nothing changed',
    dockerfile: ({ debian }) =>
      `FROM ${debian}\nWORKDIR /app\nCOPY package.json .\nRUN echo install >log\nCOPY . .\nRUN echo build >>log\nCMD ["sh"]\n`,
    files: 200,
    cold: false,
  },
  files_cold: { title: 'COPY of 50,000 files', dockerfile: COPY_ALL, files: 50_000, cold: true },
  files_cached: { title: 'the same, nothing changed', dockerfile: COPY_ALL, files: 50_000, cold: false },
  files_one_changed: {
    title: 'the same, one file changed',
    dockerfile: COPY_ALL,
    files: 50_000,
    cold: false,
    change: (context) => writeFileSync(`${context}/pkg7/dir3/file7300.ts`, `// ${performance.now()}\n`, { flag: 'a' }),
  },
  files_then_run: {
    title: 'COPY of 20,000 files, and a RUN',
    dockerfile: ({ debian }) => `FROM ${debian}\nCOPY . /src\nRUN find /src -type f | wc -l >/count\n`,
    files: 20_000,
    cold: true,
  },
  copy_from: {
    title: 'COPY --from of 30,000 files',
    dockerfile: ({ debian, busybox }) =>
      `FROM ${debian} AS a\nRUN mkdir -p /m && cd /m && for d in $(seq 300); do mkdir $d; for f in $(seq 100); do echo $d $f >$d/$f; done; done\nFROM ${busybox}\nCOPY --from=a /m /m\n`,
    cold: true,
  },
  big_layer: {
    title: 'a RUN that writes 600 MB',
    dockerfile: ({ debian }) =>
      `FROM ${debian}\nRUN mkdir /d && cd /d && head -c 50000 /dev/urandom >r && for i in $(seq 6000); do head -c 50000 /usr/bin/perl >f$i; cat r >>f$i; echo $i >>f$i; done\n`,
    cold: true,
  },
  steps: {
    title: '30 RUN steps that do nothing',
    dockerfile: ({ busybox }) => `FROM ${busybox}\n${STEPS.map((i) => `RUN echo ${i} >/f${i}\n`).join('')}`,
    cold: true,
  },
  parallel: {
    title: 'eight stages with a second of sleep',
    dockerfile: ({ busybox }) =>
      `${STAGES.map((i) => `FROM ${busybox} AS s${i}\nRUN sleep 0.5; echo ${i} >/out${i}\nRUN sleep 0.5; echo ${i} >>/out${i}\n`).join('')}FROM ${busybox}\n${STAGES.map((i) => `COPY --from=s${i} /out${i} /\n`).join('')}`,
    cold: true,
  },
  pull: {
    title: 'a base of 117 MB pulled, and a RUN',
    dockerfile: ({ debian }) => `FROM ${debian}\nRUN echo hi >/hi\n`,
    cold: true,
    fresh: true,
  },
  metadata: {
    title: 'the same base, ENV and CMD only',
    dockerfile: ({ debian }) => `FROM ${debian}\nENV A=1\nLABEL b=2\nCMD ["true"]\n`,
    cold: true,
    fresh: true,
  },
};

/** Writes the workload's context into a new folder. */
export function writeContext(context: string, workload: Workload, images: BaseImages): void {
  mkdirSync(context);
  if (workload.files !== undefined) writeSourceFiles(context, workload.files);
  writeFileSync(`${context}/package.json`, '{}');
  writeFileSync(`${context}/Dockerfile`, workload.dockerfile(images));
}
