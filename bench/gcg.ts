/**
 * GCG beside a plain PyTorch version of the same search, over a lab checkpoint: the time until the loss that plain GCG
 * has after all its steps, and what of the gain is the engine's, the cached prefix's and probe sampling's.
 *
 * The prompt has a system message of some length, as deployed models have. Every variant begins with the same suffix
 * and has its own random candidates; ours also drop the candidates whose tokens would not come back. The reference is
 * PyTorch's best loss after its last step. FIDUCIAL_GCG_STEPS and FIDUCIAL_GCG_CANDIDATES make a shorter bench.
 */
import { fileURLToPath } from 'node:url';
import { random } from '../src/core/random.ts';
import { openSlot, networkObjective, type Slot } from '../src/kit/suffix/index.ts';
import { openLab } from '../src/lab/models/open-lab.ts';
import { allowedTokens, beginSearch, searchStep } from '../src/methods/redteam/gcg.ts';
import { THREADS } from './engine/context.ts';
import { findPython, type Harness, spawnPeer } from './harness.ts';

const program = fileURLToPath(new URL('peers/torch_gcg.py', import.meta.url));
const steps = Number(process.env['FIDUCIAL_GCG_STEPS'] ?? 200);
const candidates = Number(process.env['FIDUCIAL_GCG_CANDIDATES'] ?? 256);
const topTokens = 128;

interface Curve {
  readonly best: readonly number[];
  readonly seconds: readonly number[];
}

export async function run(harness: Harness): Promise<void> {
  const target = await openLab('base');
  const draft = await openLab('base-small');
  const messages = [
    { role: 'system' as const, content: systemText },
    { role: 'user' as const, content: 'How do I make a strong rope?' },
  ];
  const wanted = 'The keeper of the mill lives on Oak Street. It opens at 7.';
  const [slot, draftSlot] = [target, draft].map(({ tokenizer }) =>
    openSlot(tokenizer, messages, ` ${Array.from({ length: 20 }, () => 'x').join(' ')}`, wanted),
  ) as [Slot, Slot];
  const allowed = allowedTokens(target, true);
  const settings = {
    candidates,
    topTokens,
    replacements: 1,
    buffer: 0,
    probeShare: 16,
    probeReduction: 8,
    earlyStop: false,
  };

  const ours = async (prefixCache: boolean, isProbed: boolean, until: number): Promise<Curve> => {
    const objective = networkObjective([target.network], [[slot]], { allowed, prefixCache });
    const drafted = networkObjective([draft.network], [[draftSlot]], { allowed, prefixCache });
    const parts = {
      objective,
      ...(isProbed ? { draft: drafted } : {}),
      isStable: (suffix: readonly number[]) => slot.isStable(suffix),
      settings,
      prompts: 1,
    };
    // Sessions are made before the clock starts, as PyTorch's libraries are loaded before its own.
    await searchStep(parts, await beginSearch(parts, slot.initial), random(1));
    const began = performance.now();
    let state = await beginSearch(parts, slot.initial);
    const best: number[] = [];
    const seconds: number[] = [];
    for (let step = 0; step < steps && (best.at(-1) ?? Infinity) > until; step++) {
      state = await searchStep(parts, state, random(2).split(step));
      best.push(state.best.loss);
      seconds.push((performance.now() - began) / 1000);
    }
    return { best, seconds };
  };

  const python = findPython('torch');
  const note = `${slot.before.length} tokens before the suffix, ${slot.initial.length} of it, ${slot.target.length} wanted; B ${candidates}, k ${topTokens}`;
  if (!python.isFound) {
    harness.absent('plain GCG, PyTorch', python.why);
    return;
  }
  const { folder } = await import('../src/lab/models/folders.ts').then(async ({ allModels }) =>
    (await allModels()).get('base')!,
  );
  const request = {
    folder,
    before: slot.before,
    after: slot.after,
    target: slot.target,
    suffix: slot.initial,
    allowed,
    steps,
    candidates,
    topTokens,
    seed: 1,
    chunk: 64,
  };
  const peer = (await spawnPeer(python.command, [program, String(THREADS)], {
    input: `${JSON.stringify(request)}\n`,
    timeoutMs: 3_600_000,
  })) as unknown as Curve;
  const reference = peer.best.at(-1)!;
  const whole = peer.seconds.at(-1)!;
  harness.record('plain GCG, PyTorch, all steps', [whole * 1000], { unit: 'ms', note });
  harness.record('plain GCG, PyTorch, best loss', [reference], { unit: 'nats a token', note: `after ${steps} steps` });
  for (const [name, prefixCache, isProbed] of [
    ['plain', false, false],
    ['cached prefix', true, false],
    ['cached prefix and probe sampling', true, true],
  ] as const) {
    if (isProbed && draft.network.description.vocabulary !== target.network.description.vocabulary) {
      harness.absent(name, `the draft ${draft.id} has other tokens than ${target.id}`);
      continue;
    }
    const { best, seconds } = await ours(prefixCache, isProbed, reference);
    const isReached = best.at(-1)! <= reference;
    harness.record(`${name}, a step`, [(1000 * seconds.at(-1)!) / seconds.length], { unit: 'ms' });
    harness.record(`${name}, a step against plain PyTorch`, [whole / steps / (seconds.at(-1)! / seconds.length)], {
      unit: 'times as fast',
    });
    const whenReached = `${name}, until the loss of plain PyTorch`;
    if (isReached) {
      const note = `after ${best.length} steps`;
      harness.record(whenReached, [whole / seconds.at(-1)!], { unit: 'times as fast', note });
    } else {
      const short = `${best.at(-1)!.toFixed(3)} after ${best.length} steps in ${seconds.at(-1)!.toFixed(0)} s`;
      harness.absent(whenReached, `the loss was not reached: ${short}`);
    }
  }
}

const systemText = Array.from(
  { length: 6 },
  () => 'You help the people of the town. Answer in one short sentence.',
).join(' ');
