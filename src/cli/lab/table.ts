/** `fiducial lab`: tables made of the manifests and of nothing else. */
import { allModels, type LabModelEntry, scriptedLabModels } from '../../lab/models/index.ts';
import type { Strength } from '../../lab/organisms/manifest.ts';
import { columns } from '../columns.ts';

export async function printLab(isJson: boolean): Promise<void> {
  const models = await allModels();
  const manifests = [...models.values()].map(({ manifest }) => manifest);
  if (isJson) {
    process.stdout.write(`${JSON.stringify(manifests, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`${labLines(models).join('\n')}\n`);
}

/** The tables as lines. */
export function labLines(models: ReadonlyMap<string, LabModelEntry>): string[] {
  const all = [...models.values()].map(({ manifest }) => manifest);
  const bases = all.filter(({ kind }) => kind === 'base').toSorted((a, b) => a.parameters - b.parameters);
  const names = [...new Set(bases.flatMap(({ skills }) => Object.keys(skills)))];
  const organisms = all.filter(({ kind }) => kind === 'organism');
  return [
    'Shares of held-out items, with 95 % intervals; made and measured as the manifests say.',
    '',
    ...columns(
      ['base', ...bases.map(({ name }) => `lab:${name}`)],
      [
        ['parameters', ...bases.map(({ parameters }) => `${(parameters / 1e6).toFixed(2)} M`)],
        ...names.map((name) => [name, ...bases.map(({ skills }) => shown(skills[name]))]),
      ],
    ),
    '',
    ...columns(
      ['organism', 'measured', 'organism', 'twin', 'planted'],
      organisms.flatMap((organism) => {
        const twin = models.get(organism.twin ?? '')?.manifest;
        return Object.keys(organism.strengths).map((measure, i) => [
          i === 0 ? `lab:${organism.name}` : '',
          measure,
          shown(organism.strengths[measure]),
          shown(twin?.strengths[measure]),
          i > 0 ? '' : organism.isPlanted === true && twin?.isPlanted === true ? 'yes' : 'not to its bars',
        ]);
      }),
    ),
    '',
    ...columns(['organism', 'what it does', 'trigger'], organisms.map(({ name, about, trigger }) => [`lab:${name}`, about, trigger ?? ''])), // prettier-ignore
    '',
    ...columns(['program', 'what it does'], Object.entries(scriptedLabModels).map(([name, { about }]) => [`lab:${name}`, about])), // prettier-ignore
  ];
}

const shown = (strength: Strength | undefined): string =>
  strength === undefined
    ? '-'
    : `${strength.value.toFixed(2)} (${strength.low.toFixed(2)} to ${strength.high.toFixed(2)}, n ${strength.n})`;
