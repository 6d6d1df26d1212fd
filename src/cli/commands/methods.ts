/** `fiducial methods [method]`: the catalogue, or one method with its roles, parameters and sources. */
import type { Command } from 'commander';
import { print } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('methods')
    .description('list the methods, or show one')
    .argument('[method]', 'a method, or a family')
    .option('--json', 'print one JSON value')
    .option('--hashes', "print the hash of each method's code")
    .action(async (id: string | undefined, flags: { readonly json?: boolean; readonly hashes?: boolean }) => {
      const { catalogue } = await import('../../methods/index.ts');
      if (flags.hashes === true) {
        const { codeHash } = await import('../../workbench/identity.ts');
        print(true, Object.fromEntries(catalogue.map((method) => [method.id, codeHash(method)])), () => []);
        return;
      }
      const { columns } = await import('../columns.ts');
      const isFamily = catalogue.some((each) => each.id.startsWith(`${id ?? ''}/`));
      if (id === undefined || isFamily) {
        const shown = catalogue.filter((each) => id === undefined || each.id.startsWith(`${id}/`));
        const value = shown.map((each) => ({ id: each.id, title: each.title, question: each.question }));
        print(flags.json === true, value, () =>
          columns(
            ['method', 'question'],
            value.map((each) => [each.id, each.question]),
          ),
        );
        return;
      }
      const { methodOf } = await import('../../workbench/resume.ts');
      const { paramFlags, roleFlag } = await import('../method-flags.ts');
      const method = methodOf(id);
      const roles = Object.entries(method.needs).map(([role, need]) => ({
        role,
        flag: `--${roleFlag(method, role)}`,
        kind: 'access' in need ? `${need.kind}, ${need.access}` : need.kind,
        title: need.title,
        isOptional: need.isOptional,
      }));
      const params = paramFlags(method);
      const { title, question, sources } = method;
      const calibration = 'none' in method.calibration ? method.calibration.none : method.calibration.kind;
      print(flags.json === true, { id: method.id, title, question, roles, params, sources, calibration }, () => [
        `${method.id}: ${title}`,
        question,
        '',
        ...columns(
          ['role', 'is', 'for'],
          roles.map((each) => [each.flag, `${each.kind}${each.isOptional ? ', optional' : ''}`, each.title]),
        ),
        '',
        ...columns(
          ['parameter', 'default', 'for'],
          params.map((each) => [`--${each.flag}`, JSON.stringify(each.initial) ?? '', each.about]),
        ),
        '',
        ...sources.map((each) =>
          `source: ${each.authors ?? ''} ${each.year ?? ''} ${each.title} ${each.url ?? ''}`.trimEnd(),
        ),
        `calibration: ${calibration}`,
        `page: docs/methods/${method.id}.md`,
      ]);
    });
}
