/**
 * A bare ONNX Runtime session: what remains of the engine when nothing but the runtime is left. Default options, inputs
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
  const session = await ort.InferenceSession.create(model, options);
  return {
    run: (feeds) => session.run(Object.fromEntries(session.inputNames.map((name, i) => [name, feeds[i]!]))),
    release: () => session.release(),
  };
}

/** A float32 tensor of the runtime, or an int32 one. */
export function bareTensor(data: Float32Array | Int32Array, shape: readonly number[]): ort.Tensor {
  return data instanceof Float32Array ? new ort.Tensor('float32', data, shape) : new ort.Tensor('int32', data, shape);
}
