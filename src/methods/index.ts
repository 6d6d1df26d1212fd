/** The catalogue: one line a method, in the order in which lists show them. */
import { safetyCase } from './decide/safety-case.ts';
import { judgeMethod } from './evaluate/judge.ts';
import { constitutionalClassifier } from './guard/constitutional-classifier.ts';
import { sparseAutoencoder } from './interpret/sparse-autoencoder.ts';
import { superposition } from './interpret/superposition.ts';
import type { AnyMethod } from './method.ts';
import { bestOfN } from './redteam/best-of-n.ts';
import { crescendo } from './redteam/crescendo.ts';
import { gcg } from './redteam/gcg.ts';
import { manyShot } from './redteam/many-shot.ts';
import { pair } from './redteam/pair.ts';
import { tap } from './redteam/tap.ts';
import { templates } from './redteam/templates.ts';
import { dpo } from './train/dpo.ts';
import { supervised } from './train/supervised.ts';

export const catalogue: readonly AnyMethod[] = [
  bestOfN,
  crescendo,
  manyShot,
  pair,
  gcg,
  tap,
  templates,
  judgeMethod,
  superposition,
  sparseAutoencoder,
  supervised,
  dpo,
  safetyCase,
  constitutionalClassifier,
];
