/** Text to tokens and back: tokenizer files, chat templates, and checks against known answers. */
export type { AddedToken } from './added-tokens.ts';
export type { DecodeStream } from './decode-stream.ts';
export { renderChat, type ChatMessage, type ChatTemplateOptions } from './chat-template.ts';
export { encodeChat, type ChatEncoding } from './encode-chat.ts';
export { checkTokenizer, type TokenizerCase, type TokenizerReport } from './check.ts';
export { loadTokenizer, type LoadedTokenizer } from './load.ts';
export {
  tokenizerFromJson,
  type DecodeOptions,
  type EncodeOptions,
  type Encoding,
  type Tokenizer,
  type TokenizerOptions,
} from './tokenizer.ts';
