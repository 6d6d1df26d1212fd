/** Transformers over the engine: checkpoints, architectures, taps, adapters, tokenizers, generation. */
export { adapterOf, inputOutput, loadAdapter, mergeAdapters, saveAdapter, withAdapters } from './adapters.ts';
export type { Adapter } from './adapters.ts';
export { describe, supportedArchitectures } from './architecture/architectures.ts';
export type { Description } from './architecture/description.ts';
export { checkNetwork, expectedFile, TOLERANCES } from './check.ts';
export type { CheckRow } from './check.ts';
export { forward, plainPositions } from './forward.ts';
export type { ForwardInputs, ForwardOptions, ForwardResult, LowRank } from './forward.ts';
export { initialiseNetwork, saveNetwork } from './initialise.ts';
export type { SaveNetworkOptions } from './initialise.ts';
export type { Intervention } from './interventions.ts';
export { Network } from './network.ts';
export type { Objective, OpenOptions, RunOptions, TextResult } from './network.ts';
export { parameterShapes } from './parameters.ts';
export { joinTaps, noTap, parseSite, siteShape, sitesOf } from './taps.ts';
export type { Site, SiteKind, Tap } from './taps.ts';
