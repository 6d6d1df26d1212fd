/**
 * `fiducial model`: a checkpoint on this machine checked, looked at, downloaded, saved, talked to and served.
 *
 * Exit codes: 0 done, 1 past the tolerances, 2 input that can't be used. With `--json` the standard output holds one
 * JSON value and nothing else. What each word does stands in `src/cli/model/`, loaded when it is asked for.
 */
import type { Command } from 'commander';
import type { ChatFlags } from '../model/chat.ts';
import type { CheckFlags } from '../model/check.ts';
import type { GetFlags } from '../model/get.ts';
import type { ServeFlags } from '../model/serve.ts';
import { type StoreFlags, storeFlags } from '../session.ts';

/** Adds the command to the program. */
export function register(program: Command): void {
  const model = program.command('model').description('open weights: check, show, download, save, chat, serve');

  model
    .command('check')
    .description('hold a checkpoint against the expected.safetensors beside it; exits 1 past the tolerances')
    .argument('<folder>', 'a model folder, or an adapter folder with --base')
    .option('--base <folder>', 'the model that an adapter folder is for')
    .option('--json', 'print one JSON value', false)
    .addHelpText('after', '\nExample:\n  fiducial model check ./qwen2-lora --base ./qwen2')
    .action(async (folder: string, flags: CheckFlags) => {
      const { checkModel } = await import('../model/check.ts');
      if (!(await checkModel(folder, flags))) process.exitCode = 1;
    });

  storeFlags(
    model
      .command('save')
      .description('write what a run trained into a folder that other programs read')
      .argument('<product>', 'artefact:<hash>, as the run shows it')
      .argument('<folder>', 'a new or empty folder')
      .addHelpText('after', '\nExample:\n  fiducial model save artefact:<hash> ./tuned'),
  ).action(async (address: string, folder: string, flags: StoreFlags) => {
    const { saveModel } = await import('../model/save.ts');
    await saveModel(address, folder, flags);
  });

  model
    .command('show')
    .description('architecture, sizes and the sites that can be read and changed')
    .argument('<model>', 'a folder, or a repository id in the cache')
    .option('--json', 'print one JSON value', false)
    .action(async (folder: string, flags: { readonly json: boolean }) => {
      const { showModel } = await import('../model/show.ts');
      await showModel(folder, flags);
    });

  model
    .command('get')
    .description('download a model from the Hugging Face hub into the local cache; goes on where it stopped')
    .argument('<id>', 'a repository id, for example openai-community/gpt2')
    .option('--revision <name>', 'a branch, tag or commit', 'main')
    .option('--cache <folder>', 'the cache; by default what HF_HUB_CACHE, HF_HOME or XDG_CACHE_HOME say')
    .addHelpText('after', '\nFor a gated model, set HF_TOKEN. Prints the folder on the standard output.')
    .action(async (id: string, flags: GetFlags) => {
      const { getModel } = await import('../model/get.ts');
      await getModel(id, flags);
    });

  model
    .command('chat')
    .description('talk to a model; /new starts over, /quit or Ctrl-D ends')
    .argument('<model>', 'a folder, or a repository id in the cache')
    .option('--adapter <folder...>', 'PEFT adapters over it')
    .option('--system <text>', 'a system message')
    .option('--plain', 'a model without a chat template: "User:" and "Assistant:" lines', false)
    .option('--temperature <number>', 'what sampling is divided by; 0 takes the most likely token', '0.7')
    .option('--top-p <number>', 'keep the most likely tokens up to this sum of probabilities')
    .option('--max-tokens <number>', 'longest reply', '512')
    .option('--seed <number>', 'the same seed, the same replies')
    .action(async (folder: string, flags: ChatFlags) => {
      const { chatWithModel } = await import('../model/chat.ts');
      await chatWithModel(folder, flags);
    });

  model
    .command('serve')
    .description('an OpenAI-compatible endpoint over one model or several')
    .argument('<model...>', 'folders, or repository ids in the cache')
    .option('--port <number>', '0 takes a free one', '8000')
    .option('--host <address>', 'where to listen; others than this machine need a key', '127.0.0.1')
    .option('--adapter <folder...>', 'PEFT adapters over each of the models')
    .option('--plain', 'models without a chat template: "User:" and "Assistant:" lines', false)
    .option('--key-file <file>', 'bearer keys, one a line; also FIDUCIAL_SERVER_KEYS, parted by commas')
    .option('--max-concurrency <number>', 'requests answered at once', '64')
    .option('--max-queue <number>', 'requests that wait beyond those; further ones get 429', '256')
    .option('--max-prompt-tokens <number>', 'longest prompt')
    .option('--max-tokens <number>', 'longest reply, also where a request names none', '1024')
    .action(async (folders: string[], flags: ServeFlags) => {
      const { serveFolders } = await import('../model/serve.ts');
      await serveFolders(folders, flags);
    });
}
