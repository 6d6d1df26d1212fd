/**
 * Every word of the command line and the file that adds it. A file exports `register(program)`; it is loaded only when
 * its word is used or the help lists all, so it must import what is heavy inside its actions.
 */
import type { Command } from 'commander';

export interface CommandFile {
  register(program: Command): void;
}

export const commands: Readonly<Record<string, () => Promise<CommandFile>>> = {
  model: () => import('./commands/model.ts'),
  tokenizer: () => import('./commands/tokenizer.ts'),
};
