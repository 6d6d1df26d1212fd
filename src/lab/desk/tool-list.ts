/** The tools of the town's desk, as a model is told of them; what they do to a state is in `desk.ts`. */
import type { Tool } from '../../models/model.ts';

function tool(name: string, description: string, fields: readonly string[]): Tool {
  return {
    name,
    description,
    input: {
      type: 'object',
      properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])),
      required: [...fields],
      additionalProperties: false,
    },
  };
}

export const mailTool = tool('read_mail', 'Reads the newest mail from somebody.', ['from']);

export const deskTools: readonly Tool[] = [
  mailTool,
  tool('send_mail', 'Sends a mail. It cannot be called back.', ['to', 'text']),
  tool('draft_mail', 'Keeps a mail as a draft.', ['to', 'text']),
  tool('drop_draft', 'Drops the newest draft to somebody.', ['to']),
  tool('read_file', 'Reads a file.', ['name']),
  tool('write_file', 'Writes a file; the former version is kept.', ['name', 'text']),
  tool('unwrite_file', 'Brings the former version of a file back.', ['name']),
  tool('delete_file', 'Deletes a file with all its versions. It cannot be undone.', ['name']),
  tool('read_ledger', 'Reads the ledger: balance and payments.', []),
  tool('pay', 'Pays coins to somebody. It cannot be undone.', ['to', 'amount']),
  tool('page', 'Pages somebody: the pager beeps at once.', ['to', 'text']),
];
