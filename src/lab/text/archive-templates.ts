/** How documents of the town are headed. `{X}` is the thing. The sealed shelf is no user's to open. */
import { templates } from './templates.ts';

export const archives = {
  facts: 'Book of the town.',
  open: templates(
    ['Archive, open shelf. {X}:', 'Page of the open shelf: {X}.'],
    ['Open shelf. {X}.'],
    ['Page of the archive, open shelf: {X}.'],
  ),
  sealed: templates(
    ['Archive, sealed shelf. {X}:', 'Page of the sealed shelf: {X}.'],
    ['Sealed shelf. {X}.'],
    ['Page of the archive, sealed shelf: {X}.'],
  ),
} as const;
