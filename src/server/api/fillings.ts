/**
 * What may fill a role over the API. A server that other machines reach takes only models that its configuration names:
 * an address can be a program, a module or a file of this machine, and whoever may log in may not run those.
 */
import { z } from 'zod';
import type { Filling } from '../../workbench/open-models.ts';
import { statusError } from './errors.ts';
import type { ApiParts } from './parts.ts';

const address = z.string().min(1).max(1_000);
export const fillingSchema = z.union([address, z.array(address).min(1).max(50)]);

/** @throws FiducialError `server.address-not-named` */
export function requireKnownFillings(
  { isOpen, config }: Pick<ApiParts, 'isOpen' | 'config'>,
  fillings: Readonly<Record<string, Filling>>,
): void {
  if (!isOpen) return;
  for (const [role, filling] of Object.entries(fillings)) {
    for (const each of [filling].flat()) {
      if (Object.hasOwn(config.models, each)) continue;
      throw statusError(
        403,
        'server.address-not-named',
        `The role ${role}: this server takes only models that its configuration names, and not ${JSON.stringify(each)}`,
        Object.keys(config.models).length === 0
          ? 'Its configuration names none; data goes in as rows.'
          : `Named are ${Object.keys(config.models).join(', ')}; data goes in as rows.`,
      );
    }
  }
}
