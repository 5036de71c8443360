/** 10,000 lines have 500 stages. */
const LINES_A_STAGE = 20;

/** Dockerfiles of about as many instructions as asked for, each large in its own way. */
export const LARGE_DOCKERFILES: Readonly<Record<string, (instructions: number) => string>> = {
  'one stage of RUN': (count) => `FROM busybox\n${repeat(count, (index) => `RUN step ${index}`)}`,
  'one stage of everything': (count) =>
    `FROM busybox\n${repeat(count / 5, (index) =>
      [
        `ENV V${index % 50}=${index}`,
        `RUN echo $V1`,
        `COPY f${index} /f/`,
        `LABEL l${index}=x`,
        `WORKDIR /w/${index}`,
      ].join('\n'),
    )}`,
  'one stage of variables': (count) =>
    `FROM busybox\n${repeat(count / 2, (index) => `ENV V${index}=$V${index - 1}:x\nARG A${index}=$V${index % 9}`)}`,
  'stages in a chain, one in twenty lines': (count) =>
    stages(
      count,
      (index) => (index === 0 ? 'busybox' : `s${index - 1}`),
      () => '',
    ),
  'stages that copy from each other': (count) =>
    stages(
      count,
      () => 'busybox',
      (index) => (index === 0 ? '' : `COPY --from=s${index - 1} /x /x\n`),
    ),
  'stages copied into one': (count) => {
    const copies = repeat(count / LINES_A_STAGE, (index) => `COPY --from=s${index} /x /x`);
    const text = stages(
      count,
      () => 'busybox',
      () => '',
    );
    return `${text}FROM busybox\n${copies}`;
  },
  'as many ports as there are': (count) => `FROM busybox\n${repeat(count, (index) => `EXPOSE ${index + 1}/udp`)}`,
  'as many volumes and commands': (count) =>
    `FROM busybox\n${repeat(count / 2, (index) => `VOLUME /v${index}\nCMD ["c", "${index}"]`)}`,
};

function stages(count: number, base: (index: number) => string, copy: (index: number) => string): string {
  return repeat(count / LINES_A_STAGE, (index) => {
    const steps = repeat(LINES_A_STAGE - 1, (step) => `RUN step ${index} ${step}`);
    return `FROM ${base(index)} AS s${index}\n${copy(index)}${steps}`;
  });
}

function repeat(count: number, write: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => `${write(index)}\n`).join('');
}
