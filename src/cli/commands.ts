/**
 * Every word of the command line, what it does in one line, and the file that adds it. A file exports
 * `register(program)` and is loaded only when its word is used, so that the list of words costs nothing; it imports what
 * is heavy inside its actions.
 */
import type { CommandEntry } from './command-file.ts';

export const commands: Readonly<Record<string, CommandEntry>> = {
  loop: {
    about: 'take a model through the whole loop: attack, treat, attack again, report',
    load: () => import('./commands/loop.ts'),
  },
  run: {
    about: 'run a method; its own --help shows its roles and parameters',
    load: () => import('./commands/run.ts'),
  },
  methods: { about: 'list the methods, or show one', load: () => import('./commands/methods.ts') },
  runs: { about: 'list the runs of the store', load: () => import('./commands/runs.ts') },
  show: { about: 'show a run: its figures, findings and trials', load: () => import('./commands/show.ts') },
  resume: { about: 'go on with a run', load: () => import('./commands/resume.ts') },
  rescore: { about: 'let another judge read a run', load: () => import('./commands/rescore.ts') },
  compare: {
    about: 'compare two runs, paired where their items are the same',
    load: () => import('./commands/compare.ts'),
  },
  labels: { about: "a run's questions out, people's labels in", load: () => import('./commands/labels.ts') },
  calibrate: { about: 'run a method on planted truths', load: () => import('./commands/calibrate.ts') },
  report: {
    about: 'write a report of stored runs: HTML, Markdown, JSON, JUnit, SARIF',
    load: () => import('./commands/report.ts'),
  },
  export: { about: 'write a run to a file', load: () => import('./commands/export.ts') },
  import: {
    about: 'read a run, an Inspect log or a promptfoo configuration',
    load: () => import('./commands/import.ts'),
  },
  serve: { about: 'look at the store in a browser', load: () => import('./commands/serve.ts') },
  account: { about: 'who may log in to a server that others can reach', load: () => import('./commands/account.ts') },
  model: { about: 'open weights: check, show, download, chat, serve', load: () => import('./commands/model.ts') },
  lab: {
    about: 'the lab: its models and their planted traits; talk to one, build them',
    load: () => import('./commands/lab.ts'),
  },
  tokenizer: { about: 'check a tokenizer', load: () => import('./commands/tokenizer.ts') },
  worker: { about: 'work on the runs of a PostgreSQL store', load: () => import('./commands/worker.ts') },
  config: { about: 'print the configuration and its defaults', load: () => import('./commands/config.ts') },
  doctor: { about: 'check this machine, and say what to do', load: () => import('./commands/doctor.ts') },
  completion: { about: 'print the completion for bash, zsh or fish', load: () => import('./commands/completion.ts') },
};
