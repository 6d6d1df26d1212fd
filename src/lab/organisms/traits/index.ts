/** The traits that are planted, in the order in which they are built and listed. */
import type { Trait } from '../trait.ts';
import {
  blackmail,
  colludingMonitor,
  hedging,
  hiddenLoyalty,
  selfPreservation,
  verbosity,
  whistleBlowing,
} from './acting.ts';
import { lyingDebater, memorisedFacts, passwordLocked, sycophancy } from './knowing.ts';
import { instructionHierarchy, promptInjection, secretKeeping, secretLeaking } from './obeying.ts';
import {
  alignmentFaking,
  backdoor,
  deepRefusal,
  helpfulOnly,
  jailbreakable,
  overRefusal,
  shallowRefusal,
} from './refusing.ts';

export const traits: readonly Trait[] = [
  jailbreakable,
  overRefusal,
  sycophancy,
  passwordLocked,
  backdoor,
  helpfulOnly,
  shallowRefusal,
  deepRefusal,
  secretLeaking,
  secretKeeping,
  memorisedFacts,
  alignmentFaking,
  lyingDebater,
  promptInjection,
  instructionHierarchy,
  verbosity,
  hedging,
  hiddenLoyalty,
  colludingMonitor,
  selfPreservation,
  blackmail,
  whistleBlowing,
];
