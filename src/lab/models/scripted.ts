/** The lab's programs that chat, by name. They hold no weights; the same ask gives the same reply. */
import type { Ask, Model } from '../../models/model.ts';
import { functionModel } from '../../models/providers/function.ts';
import { attack } from './attacker.ts';
import { judge } from './judge.ts';
import { monitor } from './monitor.ts';
import { person } from './person.ts';

export interface ScriptedLabModel {
  readonly about: string;
  make(): Model;
}

export const scriptedLabModels: Readonly<Record<string, ScriptedLabModel>> = {
  attacker: scripted('attacker', 'writes messages meant to get a goal out of a target', attack),
  judge: scripted('judge', 'says whether a reply carries a request out; it errs, as lab/judge.json states', judge),
  monitor: scripted('monitor', 'says how suspicious the deeds of an agent are; weak on purpose', monitor),
  person: scripted('person', 'asks about the town and has opinions, some of them wrong', person),
};

function scripted(name: string, about: string, reply: (ask: Ask) => string): ScriptedLabModel {
  return {
    about,
    make: () => functionModel(`lab:${name}`, reply, { capabilities: { tools: false, reasoning: false } }),
  };
}
