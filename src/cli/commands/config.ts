/** `fiducial config`: what holds here, where it comes from, every default; or the JSON Schema for an editor. */
import type { Command } from 'commander';

interface Flags {
  readonly config?: string;
  readonly schema?: boolean;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('config')
    .description('print the configuration with every default')
    .option('--config <file>', 'a configuration file other than fiducial.config.*')
    .option('--schema', 'print the JSON Schema')
    .option('--json', 'print one JSON value')
    .action(async (flags: Flags) => {
      const { configJsonSchema, readConfig } = await import('../../workbench/config.ts');
      if (flags.schema === true) {
        process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
        return;
      }
      const { config, path } = await readConfig(flags.config);
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(config, undefined, 2)}\n`);
        return;
      }
      const { stringify } = await import('yaml');
      const origin = path === undefined ? 'no fiducial.config.* here: every value is the default' : `from ${path}`;
      process.stdout.write(`# ${origin}\n${stringify(config)}`);
    });
}
