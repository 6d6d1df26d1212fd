/** What the screens may know of the server: types, and nothing that runs. */
export type { Axis, Figure, Graph, GraphNode, Matrix, Plot, Point, Table } from '../core/figures.ts';
export type { Finding, Measure, Outcome } from '../core/measures.ts';
export type { Json } from '../core/values.ts';
export type { ReplyEvent } from '../models/model.ts';
export type { RunInfo, Trial } from '../store/index.ts';
export type { Difference } from '../workbench/compare.ts';
export type { Api } from './api/app.ts';
export type { Agreement } from './api/labels.ts';
export type { ParamProperty, ParamSchema } from './api/methods.ts';
export type { InsideModel } from './inside/protocol.ts';
export type { LiveEvent } from './live/hub.ts';
