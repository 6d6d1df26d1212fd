/**
 * `fiducial model show`: what a checkpoint is, from its configuration and the headers of its files; no weights are read.
 */
import { Network, sitesOf } from '../../network/index.ts';
import { openCheckpoint } from '../../network/checkpoint/index.ts';
import { columns, readableBytes } from '../columns.ts';

/** Prints architecture, sizes, files and sites. */
export async function showModel(idOrFolder: string, flags: { readonly json: boolean }): Promise<void> {
  const checkpoint = await openCheckpoint(idOrFolder);
  const network = Network.ofCheckpoint(checkpoint);
  const { description } = network;
  let parameters = 0;
  for (const parameter of network.parameters.values()) parameters += parameter.size;
  const dtypes = [...new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))].sort();
  const bytes = [...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const facts = {
    folder: checkpoint.folder,
    architecture: description.architecture,
    parameters,
    dtypes,
    bytes,
    weightFiles: checkpoint.weightFiles.length,
    layers: description.layers,
    width: description.width,
    heads: description.heads,
    keyHeads: description.keyHeads,
    headWidth: description.headWidth,
    innerWidth: description.innerWidth,
    vocabulary: description.vocabulary,
    context: description.context,
    isTied: description.isTied,
    hasTokenizer: checkpoint.tokenizerFile !== undefined,
    hasChatTemplate: checkpoint.chatTemplate !== undefined,
  };
  const sites = sitesOf(description);
  if (flags.json) {
    console.log(JSON.stringify({ ...facts, sites }, undefined, 2));
    return;
  }
  const { folder, bytes: size, dtypes: types, ...rest } = facts;
  const lines = Object.entries({ folder, ...rest, weights: `${readableBytes(size)}, ${types.join(' and ')}` });
  console.log(
    columns(
      ['', ''],
      lines.map(([name, value]) => [name, typeof value === 'number' ? value.toLocaleString('en') : String(value)]),
    )
      .slice(1)
      .join('\n'),
  );
  const ofBlock = sites.filter((site) => site.startsWith('blocks.0.')).map((site) => site.replace('.0.', '.N.'));
  const others = sites.filter((site) => !site.startsWith('blocks.'));
  console.log(`\nsites (N from 0 to ${description.layers - 1}):\n  ${[...others, ...ofBlock].join('\n  ')}`);
}
