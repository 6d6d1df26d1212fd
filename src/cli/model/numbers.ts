/** Numbers given as flags. */
import { FiducialError, show } from '../../core/errors.ts';

/**
 * The number that a flag holds; undefined where it is not given.
 *
 * @throws FiducialError `cli.number`
 */
export function numberFlag(
  name: string,
  text: string | undefined,
  range: { readonly least: number; readonly most?: number; readonly isWhole?: boolean },
): number | undefined {
  if (text === undefined) return undefined;
  const { least, most = Infinity, isWhole = false } = range;
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  throw new FiducialError(
    'cli.number',
    `${name} is ${show(text)}`,
    `Give a ${isWhole ? 'whole ' : ''}number from ${least}${most === Infinity ? ' up' : ` to ${most}`}.`,
  );
}
