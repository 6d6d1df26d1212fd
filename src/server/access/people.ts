/**
 * Who may do what: roles, and accounts in a file, for a server that others can reach.
 *
 * A password is kept as scrypt with a salt of its own; it is made here, not chosen, so that none can be guessed. The
 * file is written whole and renamed into place, readable by its owner alone.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FiducialError, show } from '../../core/errors.ts';

/** Each may do what those before it may: look; label; start, stop and talk to models. */
export const roles = ['viewer', 'labeller', 'operator'] as const;
export type Role = (typeof roles)[number];

export interface Person {
  readonly name: string;
  readonly role: Role;
}

/** Whether a person of this role may do what `needed` says. */
export function mayAct(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

const accountSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  role: z.enum(roles),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Account = z.output<typeof accountSchema>;

/** @throws FiducialError `server.accounts` for a file that can't be read or holds something else */
export async function readAccounts(path: string): Promise<Account[]> {
  try {
    return z.array(accountSchema).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new FiducialError(
      'server.accounts',
      isAbsent ? `There is no file of accounts ${show(path)}` : `${path} is no file of accounts`,
      'fiducial account add <name> --role operator makes one.',
      { cause },
    );
  }
}

/**
 * Adds a person, or gives one a new role and password.
 *
 * @returns the password, which is kept nowhere
 * @throws FiducialError `server.account-name`, `server.accounts`
 */
export async function addAccount(path: string, person: Person): Promise<string> {
  if (!accountSchema.shape.name.safeParse(person.name).success) {
    throw new FiducialError(
      'server.account-name',
      `${show(person.name)} is no name for an account`,
      'Take lower-case letters, digits, dots and dashes.',
    );
  }
  const others = (await exists(path)) ? await readAccounts(path) : [];
  const password = randomBytes(18).toString('base64url');
  const salt = randomBytes(16);
  const account: Account = {
    ...person,
    salt: salt.toString('hex'),
    hash: (await derive(password, salt)).toString('hex'),
  };
  await write(path, [...others.filter(({ name }) => name !== person.name), account]);
  return password;
}

/** Removes a person. @returns whether there was one */
export async function removeAccount(path: string, name: string): Promise<boolean> {
  const accounts = await readAccounts(path);
  const left = accounts.filter((each) => each.name !== name);
  if (left.length < accounts.length) await write(path, left);
  return left.length < accounts.length;
}

/** The person with this name and password, or undefined. Takes as long for a name that does not exist. */
export async function personOf(
  accounts: readonly Account[],
  name: string,
  password: string,
): Promise<Person | undefined> {
  const account = accounts.find((each) => each.name === name);
  const salt = Buffer.from(account?.salt ?? '00'.repeat(16), 'hex');
  const derived = await derive(password, salt);
  const isRight = timingSafeEqual(derived, Buffer.from(account?.hash ?? 'ff'.repeat(32), 'hex'));
  return account !== undefined && isRight ? { name: account.name, role: account.role } : undefined;
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.slice(0, 1024), salt, 32, { N: 2 ** 14, r: 8, p: 1 }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

async function exists(path: string): Promise<boolean> {
  return await readFile(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

async function write(path: string, accounts: readonly Account[]): Promise<void> {
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, `${JSON.stringify(accounts, undefined, 2)}\n`, { mode: 0o600 });
  await chmod(fresh, 0o600);
  await rename(fresh, path);
}
