/** `fiducial account`: who may log in to a server that others can reach. */
import type { Command } from 'commander';
import { FiducialError } from '../../core/errors.ts';

interface Flags {
  readonly accounts: string;
  readonly role: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const account = program.command('account').description('people who may log in: add, remove, list');
  const file = ['--accounts <file>', 'the file of accounts', 'fiducial-accounts.json'] as const;

  account
    .command('add')
    .description('add a person, or give one a new role and password; prints the password, which is kept nowhere')
    .argument('<name>')
    .requiredOption(
      '--role <role>',
      'viewer looks, labeller also labels, operator also starts runs and talks to models',
    )
    .option(...file)
    .action(async (name: string, { accounts, role }: Flags) => {
      const { addAccount, roles } = await import('../../server/index.ts');
      const known = roles.find((each) => each === role);
      if (known === undefined) {
        throw new FiducialError('cli.bad-flag', `--role ${JSON.stringify(role)}`, `Choose ${roles.join(', ')}.`);
      }
      process.stdout.write(`${await addAccount(accounts, { name, role: known })}\n`);
    });

  account
    .command('remove')
    .description('remove a person; sessions end with the server')
    .argument('<name>')
    .option(...file)
    .action(async (name: string, { accounts }: Flags) => {
      const { removeAccount } = await import('../../server/index.ts');
      if (await removeAccount(accounts, name)) return;
      throw new FiducialError('server.account-name', `${accounts} has nobody called ${JSON.stringify(name)}`, '');
    });

  account
    .command('list')
    .description('names and roles')
    .option(...file)
    .action(async ({ accounts }: Flags) => {
      const { readAccounts } = await import('../../server/index.ts');
      for (const { name, role } of await readAccounts(accounts)) process.stdout.write(`${name}  ${role}\n`);
    });
}
