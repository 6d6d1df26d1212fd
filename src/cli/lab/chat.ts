/** `fiducial lab chat`: a model of the lab in the terminal. */
import { labModel } from '../../lab/models/index.ts';
import { openModelInWorker } from '../../models/open/index.ts';
import { type ChatFlags, chatSettings, talk } from '../model/chat.ts';

export async function chatInLab(name: string, flags: Omit<ChatFlags, 'plain' | 'adapter'>): Promise<void> {
  const settings = chatSettings(flags);
  const model = await labModel(name, openModelInWorker);
  try {
    await talk(model, flags.system, settings);
  } finally {
    // A program holds nothing that would have to be closed.
    if ('close' in model && typeof model.close === 'function') await (model.close as () => Promise<void>)();
  }
}
