/**
 * What a file of `commands/` is. Apart from the table of commands, so that a command (completion) can be handed the
 * whole table without importing it.
 */
import type { Command } from 'commander';

export type CommandTable = Readonly<Record<string, CommandEntry>>;

export interface CommandFile {
  /** Adds the command to the program. */
  register(program: Command, table: CommandTable): void;
}

export interface CommandEntry {
  readonly about: string;
  readonly load: () => Promise<CommandFile>;
}
