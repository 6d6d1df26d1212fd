/**
 * What a model wrote: hostile text, shown as text and nothing else. Characters that turn the direction of a line or
 * cannot be seen are spelt out, so that what is read is what is there.
 */
import { Fragment } from 'react';

/** Controls, format characters and line separators, except what a text is laid out with. */
const unseen = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** @example <Quoted text={reply} /> */
export function Quoted({ text }: { readonly text: string }) {
  const pieces: { readonly at: number; readonly text: string; readonly isUnseen: boolean }[] = [];
  let from = 0;
  for (const match of text.matchAll(unseen)) {
    if (match.index > from) pieces.push({ at: from, text: text.slice(from, match.index), isUnseen: false });
    pieces.push({ at: match.index, text: match[0], isUnseen: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ at: from, text: text.slice(from), isUnseen: false });
  return (
    <span className="quoted">
      {pieces.map(({ at, text, isUnseen }) =>
        isUnseen ? (
          <span key={at} className="unseen">
            U+{text.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}
          </span>
        ) : (
          <Fragment key={at}>{text}</Fragment>
        ),
      )}
    </span>
  );
}
