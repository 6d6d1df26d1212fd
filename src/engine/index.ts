/** The white-box engine: trace in TypeScript, differentiate in TypeScript, run on ONNX Runtime. */
export { clone, compile, evaluate, toHost } from './compile.ts';
export type { Compiled, CompileOptions } from './compile.ts';
export { grad, gradientsOf, valueAndGrad, valueAndGradWithAux, vectorJacobian } from './differentiate.ts';
export { bytesPerElement, fromBfloat16, fromHalf, isFloat, toBfloat16, toHalf } from './dtype.ts';
export type { Data, DataOf, DType } from './dtype.ts';
export { dot, einsum, linear, matmul, matmulQuantised, outer } from './functions/algebra.ts';
export { after, checkpoint, customDerivative, identity, stopGradient } from './functions/control.ts';
export {
  abs,
  add,
  and,
  cast,
  clip,
  constant,
  cos,
  div,
  equal,
  erf,
  exp,
  fill,
  floor,
  gelu,
  greater,
  greaterOrEqual,
  iota,
  isNaN,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  onesLike,
  or,
  pow,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
  zerosLike,
} from './functions/elementwise.ts';
export type { Operand } from './functions/elementwise.ts';
export { embedding, gather, oneHot, scatterAddAlongAxis, scatterAddRows, takeAlongAxis } from './functions/indexing.ts';
export {
  broadcastTo,
  concat,
  expandDims,
  narrow,
  pad,
  reshape,
  slice,
  split,
  squeeze,
  stack,
  swapLastAxes,
  transpose,
} from './functions/movement.ts';
export { attention, causalMask, layerNorm, MASKED, rmsNorm, rotary } from './functions/neural.ts';
export type { AttentionOptions } from './functions/neural.ts';
export {
  all,
  any,
  argMax,
  argMin,
  crossEntropy,
  cumulativeSum,
  logSoftmax,
  logSumExp,
  max,
  mean,
  min,
  norm,
  prod,
  softmax,
  sort,
  sum,
  topK,
  variance,
} from './functions/reductions.ts';
export type { ReductionOptions } from './functions/reductions.ts';
export { elementCount, fromData, fromFile, full, sameShape, Tensor, tensor } from './graph.ts';
export type { Node, Shape, Spec } from './graph.ts';
export { adam, adamw } from './optimisers/adam.ts';
export type { AdamOptions } from './optimisers/adam.ts';
export { addTrees, clipByGlobalNorm, clipByValue, globalNorm, grouped } from './optimisers/optimiser.ts';
export type { Optimiser, ParameterGroup } from './optimisers/optimiser.ts';
export { constantSchedule, warmupSchedule } from './optimisers/schedules.ts';
export type { Schedule } from './optimisers/schedules.ts';
export { adafactor, lion, sgd } from './optimisers/simple.ts';
export type { AdafactorOptions } from './optimisers/simple.ts';
export { interpret, interpretation } from './interpreter/interpret.ts';
export type { Given, Interpretation, Interpreted } from './interpreter/interpret.ts';
export { Value } from './interpreter/value.ts';
export { configureEngine, heldSessions, listDevices, releaseSessions } from './runtime.ts';
export type { EngineSettings } from './runtime.ts';
export { randomNormal, randomUniform } from './random-arrays.ts';
export { scoped } from './scope.ts';
export type { FileRegion } from './storage.ts';
export { mapTree, namedLeaves, treeLeaves, zipTrees } from './tree.ts';
export type { Tree } from './tree.ts';
