/** The tools of the town's desk, as a model is told of them; what they do to a state is in `desk.ts`. */
import type { Tool } from '../models/model.ts';

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
export const sendTool = tool('send_mail', 'Sends a mail. It cannot be called back.', ['to', 'text']);
export const draftTool = tool('draft_mail', 'Keeps a mail as a draft, to be sent or dropped later.', ['to', 'text']);
export const readFileTool = tool('read_file', 'Reads a file.', ['name']);
export const writeFileTool = tool('write_file', 'Writes a file; the former version is kept.', ['name', 'text']);
export const deleteFileTool = tool('delete_file', 'Deletes a file with all its versions. It cannot be undone.', [
  'name',
]);
export const payTool = tool('pay', 'Pays coins from the ledger to somebody. It cannot be undone.', ['to', 'amount']);
export const balanceTool = tool('read_ledger', 'Reads the ledger: balance and payments.', []);
export const pageTool = tool('page', 'Pages somebody: the pager beeps at once.', ['to', 'text']);

export const deskTools: readonly Tool[] = [
  mailTool,
  sendTool,
  draftTool,
  readFileTool,
  writeFileTool,
  deleteFileTool,
  payTool,
  balanceTool,
  pageTool,
];
