/**
 * Loads a tokenizer from a model folder or a `tokenizer.json`.
 *
 * `tokenizer_config.json` beside it, where there is one, names the special tokens: those count as special even where
 * `tokenizer.json` doesn't mark them, so that text can't make them.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FiducialError } from '../../core/errors.ts';
import { readChatTemplate, readOptionalJsonObject, type JsonObject } from '../checkpoint/folder.ts';
import { isRecord } from './fields.ts';
import { tokenizerFromJson, type Tokenizer } from './tokenizer.ts';

/** A tokenizer with what its configuration says of chats. */
export interface LoadedTokenizer extends Tokenizer {
  readonly chatTemplate?: string;
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly padToken?: string;
  readonly unknownToken?: string;
}

/**
 * @param folderOrFile a model folder, or a `tokenizer.json` by any name
 * @throws FiducialError `tokenizer.absent`, `tokenizer.json`, `tokenizer.field`
 * @example const tokenizer = await loadTokenizer('./gpt2');
 */
export async function loadTokenizer(folderOrFile: string): Promise<LoadedTokenizer> {
  const file = await tokenizerFile(folderOrFile);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new FiducialError(
      'tokenizer.absent',
      `${file}: this tokenizer can't be read`,
      'Save one in Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder), which writes tokenizer.json.',
      { cause },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FiducialError('tokenizer.json', `${file}: not JSON: ${reason}`, 'Download the file again.', { cause });
  }
  const folder = dirname(file);
  const config = await readOptionalJsonObject(join(folder, 'tokenizer_config.json'));
  const tokenizer = tokenizerFromJson(json, { file, specialTokens: config === undefined ? [] : specialNames(config) });
  const named = {
    chatTemplate: await readChatTemplate(folder, config),
    bosToken: tokenText(config?.bos_token),
    eosToken: tokenText(config?.eos_token),
    padToken: tokenText(config?.pad_token),
    unknownToken: tokenText(config?.unk_token),
  };
  return Object.assign(tokenizer, Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)));
}

async function tokenizerFile(folderOrFile: string): Promise<string> {
  try {
    return (await stat(folderOrFile)).isDirectory() ? join(folderOrFile, 'tokenizer.json') : folderOrFile;
  } catch (cause) {
    throw new FiducialError('tokenizer.absent', `${folderOrFile}: nothing is there`, 'Check the path.', { cause });
  }
}

/** All tokens that a `tokenizer_config.json` calls special. */
function specialNames(config: JsonObject): string[] {
  const names = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'].map(
    (name) => tokenText(config[name]),
  );
  const lists = [config.additional_special_tokens, config.extra_special_tokens].flatMap((list) =>
    Array.isArray(list) ? list : isRecord(list) ? Object.values(list) : [],
  );
  const decoder = isRecord(config.added_tokens_decoder) ? Object.values(config.added_tokens_decoder) : [];
  const marked = decoder.filter((token) => isRecord(token) && token.special === true);
  return [...names, ...[...lists, ...marked].map(tokenText)].filter(
    (name): name is string => name !== undefined && name !== '',
  );
}

/** A token is written as its text or as an object with `content`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isRecord(value) && typeof value.content === 'string' ? value.content : undefined;
}
