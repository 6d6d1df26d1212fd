/**
 * The two models over whole words: `WordPiece` (Schuster and Nakajima 2012; greedy longest match first, as BERT has it)
 * and `WordLevel` (a word is a token or unknown).
 *
 * Source: Hugging Face tokenizers, `models/wordpiece` and `models/wordlevel` (0.23), by behaviour.
 */
import { FiducialError, show } from '../../core/errors.ts';
import { countAt, textAt, type Fields } from './fields.ts';
import { vocabularyAt, type Pieces, type TokenizerModel } from './vocabulary.ts';

/**
 * @throws FiducialError `tokenizer.field`
 */
export function makeWordPiece(model: Fields): TokenizerModel {
  const { ids, tokens, lastId } = vocabularyAt(model);
  const unknown = textAt(model, 'unk_token', '[UNK]');
  const prefix = textAt(model, 'continuing_subword_prefix', '##');
  const longest = countAt(model, 'max_input_chars_per_word', 100);

  function tokenize(text: string, isAllowed: (id: number) => boolean): Pieces {
    const bounds = [0];
    for (const character of text) bounds.push(bounds.at(-1)! + character.length);
    const characters = bounds.length - 1;
    const whole = (): Pieces => ({ ids: [needUnknown(model, ids, unknown)], starts: [0], ends: [text.length] });
    if (characters > longest) return whole();
    const pieces: Pieces = { ids: [], starts: [], ends: [] };
    for (let start = 0; start < characters;) {
      let end = characters;
      let found: number | undefined;
      for (; end > start; end--) {
        const id = ids.get((start > 0 ? prefix : '') + text.slice(bounds[start], bounds[end]));
        if (id === undefined || !isAllowed(id)) continue;
        found = id;
        break;
      }
      if (found === undefined) return whole();
      pieces.ids.push(found);
      pieces.starts.push(bounds[start]!);
      pieces.ends.push(bounds[end]!);
      start = end;
    }
    return pieces;
  }

  return {
    tokenize,
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens.get(id),
    size: ids.size,
    lastId,
    unknownId: ids.get(unknown),
  };
}

/**
 * @throws FiducialError `tokenizer.field`
 */
export function makeWordLevel(model: Fields): TokenizerModel {
  const { ids, tokens, lastId } = vocabularyAt(model);
  const unknown = textAt(model, 'unk_token', '<unk>');
  return {
    tokenize(text, isAllowed) {
      const id = ids.get(text);
      const known = id !== undefined && isAllowed(id) ? id : needUnknown(model, ids, unknown);
      return { ids: [known], starts: [0], ends: [text.length] };
    },
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens.get(id),
    size: ids.size,
    lastId,
    unknownId: ids.get(unknown),
  };
}

function needUnknown(model: Fields, ids: ReadonlyMap<string, number>, unknown: string): number {
  const id = ids.get(unknown);
  if (id !== undefined) return id;
  throw new FiducialError(
    'tokenizer.unknown',
    `${model.file}: a word is not in model.vocab, and neither is model.unk_token ${show(unknown)}`,
    'Add the unknown token to the vocabulary.',
  );
}
