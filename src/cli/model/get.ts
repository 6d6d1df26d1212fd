/**
 * `fiducial model get`: a model from the Hugging Face hub into the local cache, with progress; a second call goes on
 * where the first stopped. Progress goes to the standard error, the folder to the standard output.
 */
import { downloadModel, type DownloadProgress } from '../../network/checkpoint/index.ts';
import { readableBytes } from '../columns.ts';

export interface GetFlags {
  readonly revision: string;
  readonly cache?: string;
}

/** Downloads, and prints the folder. Ctrl-C stops and keeps what is there. */
export async function getModel(id: string, flags: GetFlags): Promise<void> {
  const control = new AbortController();
  const stop = (): void => control.abort(new Error('stopped; run the command again to go on'));
  process.once('SIGINT', stop);
  const token = process.env['HF_TOKEN'];
  const endpoint = process.env['HF_ENDPOINT'];
  try {
    const folder = await downloadModel(id, {
      revision: flags.revision,
      ...(flags.cache === undefined ? {} : { cacheFolder: flags.cache }),
      ...(token === undefined || token === '' ? {} : { accessToken: token }),
      ...(endpoint === undefined || endpoint === '' ? {} : { hubUrl: endpoint }),
      onProgress: progressPrinter(),
      signal: control.signal,
    });
    console.log(folder);
  } finally {
    process.off('SIGINT', stop);
  }
}

/** On a terminal one line that changes; else a line a file. */
function progressPrinter(): (progress: DownloadProgress) => void {
  const { stderr } = process;
  let shownAt = 0;
  return ({ file, fileBytes, fileSize, doneBytes, totalBytes }) => {
    const isWhole = fileBytes === fileSize;
    const line = `${readableBytes(doneBytes)} of ${readableBytes(totalBytes)}  ${file}`;
    if (!stderr.isTTY) {
      if (isWhole) stderr.write(`${line}\n`);
      return;
    }
    if (!isWhole && Date.now() - shownAt < 100) return;
    shownAt = Date.now();
    stderr.write(`\r\u001b[2K${line}${doneBytes === totalBytes ? '\n' : ''}`);
  };
}
