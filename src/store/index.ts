/** The store's public face: open one, export and import runs. See `store.ts` for what each word means. */
export { openStore } from './open.ts';
export { canonicalJson, cleanJson, sha256 } from './json.ts';
export { exportInspect, importInspect, type InspectImport } from './inspect.ts';
export { exportRun, type ExportReport, importRun, type ImportReport } from './portable.ts';
export { exportEvents, exportTrials } from './tables.ts';
export { reservedKinds } from './store.ts';
export type {
  ArtefactInfo,
  Artefacts,
  CallRecord,
  CallSummary,
  Checkpoint,
  CollectReport,
  EventQuery,
  Fault,
  KeptArtefact,
  Label,
  LabelQuestion,
  Layer,
  Lease,
  Leases,
  NewEvent,
  ObservationStatus,
  Page,
  PreparedTranscript,
  PurgeReport,
  RecordTrialOptions,
  ResponseCache,
  Run,
  RunInfo,
  RunQuery,
  RunSpec,
  RunStatus,
  Store,
  StoredEvent,
  StoredLabel,
  StoreOptions,
  Trial,
  TrialCounts,
  TrialQuery,
} from './store.ts';
