/**
 * `npm run kill`: 200 kills on SQLite, then on PostgreSQL. `-- --kills 50 --store sqlite --seed 7` changes that;
 * `--store postgres` starts a server of its own, and an address uses that one; `--store loop` kills `fiducial loop`, ten
 * times unless told. Exits with 1 where something is lost.
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { startPostgres } from '../postgres.ts';
import { killLoop } from '../loop/kill-loop.ts';
import { killAndResume } from './harness.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    store: { type: 'string', default: 'both' },
    seed: { type: 'string', default: String(Date.now()) },
  },
});

const kinds = values.store === 'both' ? ['sqlite', 'postgres'] : [values.store];
for (const kind of kinds) {
  if (kind === 'loop') {
    await killTheLoop(Number(values.kills ?? 10));
    continue;
  }
  const server = kind === 'postgres' ? await startPostgres() : undefined;
  try {
    const address =
      server === undefined ? (kind === 'sqlite' ? undefined : kind) : `${server.address}?schema=kill_${Date.now()}`;
    const report = await killAndResume({
      kills: Number(values.kills ?? 200),
      seed: values.seed,
      print: (line) => console.log(`${kind}: ${line}`),
      ...(address === undefined ? {} : { store: address }),
    });
    const { kills, answered, distinct, repeatedAfterCommit, mostRepeated, killed, whole } = report;
    const isEqual = isDeepStrictEqual(killed, whole);
    console.log(
      `${kind}, seed ${values.seed}: ${kills} kills; ${distinct} calls, ${answered - distinct} asked again in flight ` +
        `(at most ${mostRepeated} a kill), ${repeatedAfterCommit.length} after they were finished; ` +
        `figures ${isEqual ? 'equal' : 'DIFFER'}`,
    );
    if (!isEqual || repeatedAfterCommit.length > 0) process.exitCode = 1;
  } finally {
    await server?.stop();
  }
}

async function killTheLoop(kills: number): Promise<void> {
  const report = await killLoop({ kills, seed: values.seed, print: (line) => console.log(`loop: ${line}`) });
  const isEqual = isDeepStrictEqual(report.killed, report.whole);
  const most = report.kills * report.concurrency;
  console.log(
    `loop, seed ${values.seed}: ${report.kills} kills; ${report.stored} calls stored, ${report.askedAgain} asked again ` +
      `(in flight at most ${most}); figures ${isEqual ? 'equal' : 'DIFFER'}`,
  );
  if (!isEqual || report.askedAgain > most) process.exitCode = 1;
}
