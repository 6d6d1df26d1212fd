/**
 * Scoring for many callers: completions that are asked for in one turn run as one batch.
 */
import {
  scoreCompletion,
  scoreCompletions,
  type PromptAndCompletion,
  type ScoredToken,
} from '../../network/generate/index.ts';
import type { Network } from '../../network/index.ts';

interface Waiting extends PromptAndCompletion {
  readonly top: number;
  readonly resolve: (scored: ScoredToken[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ScoreQueue {
  readonly #network: Network;
  #waiting: Waiting[] = [];

  constructor(network: Network) {
    this.#network = network;
  }

  /** Log-probabilities of the completion's tokens, with the `top` most likely beside each. */
  score(prompt: readonly number[], completion: readonly number[], top = 0): Promise<ScoredToken[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ prompt, completion, top, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    for (const top of new Set(all.map((one) => one.top))) {
      const members = all.filter((one) => one.top === top);
      try {
        const scored = await scoreCompletions(this.#network, members, { top });
        members.forEach((one, i) => one.resolve(scored[i]!));
      } catch (error) {
        // One text past the context must not fail its neighbours.
        if (members.length === 1) members[0]!.reject(error);
        else await Promise.all(members.map((one) => this.#alone(one)));
      }
    }
  }

  async #alone({ prompt, completion, top, resolve, reject }: Waiting): Promise<void> {
    await scoreCompletion(this.#network, prompt, completion, { top }).then(resolve, reject);
  }
}
