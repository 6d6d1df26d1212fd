/**
 * Addresses of asks and calls: SHA-256 over canonical JSON.
 *
 * Canonical means keys in code-unit order and undefined members left out, as RFC 8785 has it for the values that occur
 * here; images enter by their own hash. Two equal asks have one address in every process and version.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../core/values.ts';
import type { Ask } from './model.ts';

/** SHA-256 of an ask, 64 lower-case hexadecimal digits. */
export function askHash(ask: Ask): string {
  return sha256(canonical(plainAsk(ask)));
}

/** The address of one call: this ask, of this model, at this place of the run, for the `ordinal`-th time there. */
export function callKey(modelId: string, scope: string, hash: string, ordinal: number): string {
  return sha256(JSON.stringify([modelId, scope, hash, ordinal]));
}

/** An ask as JSON: each image is replaced by its media type, hash and size in bytes. */
export function plainAsk(ask: Ask): Json {
  const hasImages = ask.messages.some((message) => message.images !== undefined);
  if (!hasImages) return ask as unknown as Json;
  return {
    ...(ask as unknown as Record<string, Json>),
    messages: ask.messages.map((message): Json => {
      if (message.images === undefined) return message as unknown as Json;
      const { images, ...rest } = message;
      return {
        ...(rest as unknown as Record<string, Json>),
        images: images.map((image) => ({
          mediaType: image.mediaType,
          ref: `sha256:${sha256(image.bytes)}`,
          bytes: image.bytes.length,
        })),
      };
    }),
  };
}

/** JSON with the keys of every object in order. */
export function canonical(value: Json | undefined): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join(',')}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  const members: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonical(member)}`);
  }
  return `{${members.join(',')}}`;
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
