/**
 * A bare ONNX Runtime session: what remains of the engine when nothing but the runtime is left. Default options but
 * for the time that threads spin after a run (by default they would take a core from whoever has the next turn), inputs
 * as the runtime's own tensors, results as it returns them.
 */
import * as ort from 'onnxruntime-node';

export interface BareSession {
  /** Feeds in the order of the model's inputs. */
  run(feeds: readonly ort.Tensor[]): Promise<ort.InferenceSession.OnnxValueMapType>;
  release(): Promise<void>;
}

/** @param options on top of the runtime's defaults, for example the folder of external weights */
export async function openBare(
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions = {},
): Promise<BareSession> {
  const { extra, ...rest } = options;
  const session = await ort.InferenceSession.create(model, {
    ...rest,
    extra: {
      ...extra,
      session: { intra_op: { spin_duration_us: '100' }, ...(extra?.['session'] as object | undefined) },
    },
  });
  return {
    run: (feeds) => session.run(Object.fromEntries(session.inputNames.map((name, i) => [name, feeds[i]!]))),
    release: () => session.release(),
  };
}

/** A float32 tensor of the runtime, or an int32 one. */
export function bareTensor(data: Float32Array | Int32Array, shape: readonly number[]): ort.Tensor {
  return data instanceof Float32Array ? new ort.Tensor('float32', data, shape) : new ort.Tensor('int32', data, shape);
}
