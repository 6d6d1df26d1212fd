/**
 * `fiducial tokenizer`: whether this project's tokenizers agree with the library that made a file.
 *
 * Exit codes: 0 all agree, 1 some differ, 2 a file that can't be read. With `--json` the standard output holds one JSON
 * value and nothing else.
 */
import type { Command } from 'commander';

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('tokenizer')
    .description('text to tokens and back')
    .command('check')
    .description('hold a tokenizer against known ids and decoded texts')
    .argument('<tokenizer.json>', 'a tokenizer.json, or a folder that holds one')
    .argument('<expected.json>', 'a JSON list of { text, ids, decoded }')
    .option('--json', 'print one JSON value', false)
    .addHelpText('after', '\nExample:\n  fiducial tokenizer check ./gpt2/tokenizer.json ./expected.json')
    .action(check);
}

async function check(tokenizer: string, expected: string, options: { readonly json: boolean }): Promise<void> {
  const { checkTokenizer } = await import('../../network/tokenizer/index.ts');
  const report = await checkTokenizer(tokenizer, expected);
  const ok = report.failed === 0;
  if (options.json) console.log(JSON.stringify({ ok, ...report }, undefined, 2));
  else {
    for (const one of report.cases) {
      if (!one.isOk) console.log(`differs  ${JSON.stringify(one.text)}\n         ${one.difference ?? ''}`);
    }
    const total = report.cases.length;
    const around = report.addsSpecialTokens ? '' : ' (without the special tokens that the file puts around a text)';
    console.log(`${report.passed} of ${total} texts agree in ids and decoded text${around}.`);
  }
  if (!ok) process.exitCode = 1;
}
