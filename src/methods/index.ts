/** The catalogue: one line a method, in the order in which lists show them. */
import { safetyCase } from './decide/safety-case.ts';
import { alignmentTax } from './evaluate/alignment-tax.ts';
import { judgeMethod } from './evaluate/judge.ts';
import { overRefusal } from './evaluate/over-refusal.ts';
import { sycophancy } from './evaluate/sycophancy.ts';
import { cascade } from './guard/cascade.ts';
import { constitutionalClassifier } from './guard/constitutional-classifier.ts';
import { labelFeatures } from './interpret/label-features.ts';
import { probe } from './interpret/probe.ts';
import { refusalDirection } from './interpret/refusal-direction.ts';
import { sparseAutoencoder } from './interpret/sparse-autoencoder.ts';
import { superposition } from './interpret/superposition.ts';
import type { AnyMethod } from './method.ts';
import { bestOfN } from './redteam/best-of-n.ts';
import { campaign } from './redteam/campaign.ts';
import { crescendo } from './redteam/crescendo.ts';
import { gcg } from './redteam/gcg.ts';
import { manyShot } from './redteam/many-shot.ts';
import { pair } from './redteam/pair.ts';
import { tap } from './redteam/tap.ts';
import { templates } from './redteam/templates.ts';
import { transfer } from './redteam/transfer.ts';
import { dpo } from './train/dpo.ts';
import { supervised } from './train/supervised.ts';

export const catalogue: readonly AnyMethod[] = [
  bestOfN,
  campaign,
  crescendo,
  gcg,
  manyShot,
  pair,
  tap,
  templates,
  transfer,
  judgeMethod,
  overRefusal,
  sycophancy,
  alignmentTax,
  superposition,
  sparseAutoencoder,
  labelFeatures,
  probe,
  refusalDirection,
  constitutionalClassifier,
  cascade,
  supervised,
  dpo,
  safetyCase,
];
