/**
 * The post-processors of a `tokenizer.json`: which control tokens go around the tokens of one text.
 *
 * Source: Hugging Face tokenizers, `src/processors` (0.23), by behaviour, for single texts; what they do to offsets and
 * to pairs of texts is left out. Reduced to data: the ids before and the ids after.
 */
import { show } from '../../core/errors.ts';
import {
  asFields,
  badField,
  isId,
  isRecord,
  joinPath,
  listAt,
  listOfFields,
  optionalFields,
  textAt,
  type Fields,
} from './fields.ts';

/** Control ids around a text. */
export interface Surround {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: Surround = { before: [], after: [] };

/**
 * What the post-processor at `post_processor` adds around one text.
 *
 * @throws FiducialError `tokenizer.field`
 */
export function surroundAt(file: Fields): Surround {
  const fields = optionalFields(file, 'post_processor');
  return fields === undefined ? NOTHING : surroundOf(fields);
}

function surroundOf(fields: Fields): Surround {
  const type = textAt(fields, 'type');
  switch (type) {
    case 'ByteLevel':
      return NOTHING;
    case 'BertProcessing':
    case 'RobertaProcessing':
      return { before: [namedId(fields, 'cls')], after: [namedId(fields, 'sep')] };
    case 'TemplateProcessing':
      return template(fields);
    case 'Sequence': {
      return listOfFields(fields, 'processors')
        .map(surroundOf)
        .reduce(
          (inner, outer) => ({
            before: [...outer.before, ...inner.before],
            after: [...inner.after, ...outer.after],
          }),
          NOTHING,
        );
    }
    default:
      throw badField(fields, 'type', `is ${show(type)}, a post-processor that is not known here`);
  }
}

function namedId(fields: Fields, name: string): number {
  const [token, id] = listAt(fields, name);
  if (typeof token === 'string' && isId(id)) return id;
  throw badField(fields, name, `is ${show(fields.object[name])}, not [token, id]`);
}

function template(fields: Fields): Surround {
  const special = asFields(fields.object.special_tokens ?? {}, fields.file, joinPath(fields, 'special_tokens'));
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  for (const [i, piece] of listAt(fields, 'single').entries()) {
    const name = `single[${i}]`;
    if (!isRecord(piece)) throw badField(fields, name, `is ${show(piece)}, not an object`);
    if (isRecord(piece.Sequence)) {
      if (piece.Sequence.id !== 'A') throw badField(fields, name, `is ${show(piece)}; a single text is sequence A`);
      texts++;
    } else if (isRecord(piece.SpecialToken) && typeof piece.SpecialToken.id === 'string') {
      (texts === 0 ? before : after).push(...templateIds(special, piece.SpecialToken.id));
    } else throw badField(fields, name, `is ${show(piece)}, neither a Sequence nor a SpecialToken`);
  }
  if (texts !== 1) throw badField(fields, 'single', `has the text ${texts} times, not once`);
  return { before, after };
}

function templateIds(special: Fields, token: string): number[] {
  const entry = special.object[token];
  const ids: unknown[] = isRecord(entry) && Array.isArray(entry.ids) ? entry.ids : [undefined];
  return ids.map((id) => {
    if (isId(id)) return id;
    throw badField(special, show(token), `is ${show(entry)}, without a list of ids`);
  });
}
