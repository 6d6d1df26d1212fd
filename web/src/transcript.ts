/**
 * What a transcript holds, read without knowing its method: turns of a conversation, a tree of attempts, and the rest.
 *
 * A record has `request` and `reply`; it may have `sent`, `system`, `messages` or `turns` ({ role, content } each), and
 * `tree` or `nodes` ({ id, parent, ... } each), whose nodes are records themselves.
 */
import type { Json } from '../../src/server/types.ts';
import type { TreeNode } from './tree-node.ts';

type Fields = Readonly<Record<string, Json>>;

export interface Turn {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | 'goal';
  readonly title: string;
  readonly text: string;
}

const titles = { system: 'System', user: 'Sent', assistant: 'Reply', tool: 'Tool', goal: 'What was wanted' } as const;
const listNames = ['messages', 'turns', 'conversation', 'history'];
const treeNames = ['tree', 'nodes', 'attempts', 'branches'];

/** The turns of a record in order, and the fields that are none. */
export function conversationIn(record: Fields): {
  readonly turns: readonly Turn[];
  readonly rest: readonly [string, Json][];
} {
  const used = new Set<string>();
  const turns: Turn[] = [];
  const add = (role: Turn['role'], name: string): void => {
    const text = record[name];
    if (typeof text !== 'string') return;
    used.add(name);
    turns.push({ role, title: titles[role], text });
  };
  add('goal', 'request');
  add('system', 'system');
  const list = listNames.find((name) => isMessages(record[name]));
  if (list !== undefined) {
    used.add(list);
    for (const message of record[list] as readonly Fields[]) {
      const role = isRole(message['role']) ? message['role'] : 'user';
      turns.push({ role, title: titles[role], text: String(message['content']) });
    }
    const last = turns.at(-1);
    const { reply } = record;
    if (typeof reply === 'string' && !(last?.role === 'assistant' && last.text === reply)) add('assistant', 'reply');
    else if (typeof reply === 'string') used.add('reply');
  } else {
    add('user', 'sent');
    add('user', 'prompt');
    add('assistant', 'reply');
  }
  const rest = Object.entries(record).filter(
    ([name, value]) => !used.has(name) && value !== null && !treeNames.some((tree) => tree === name && isNodes(value)),
  );
  return { turns, rest };
}

function isRole(value: unknown): value is 'system' | 'user' | 'assistant' | 'tool' {
  return value === 'system' || value === 'user' || value === 'assistant' || value === 'tool';
}

function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isMessages(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => isFields(each) && typeof each['content'] === 'string')
  );
}

function isNodes(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => isFields(each) && isId(each['id']) && 'parent' in each)
  );
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

export interface TranscriptTree {
  readonly roots: readonly TreeNode[];
  readonly records: ReadonlyMap<string, Fields>;
}

/** The tree of a record, where it has one: nodes with an id and their parent's. */
export function treeIn(record: Fields): TranscriptTree | undefined {
  const name = treeNames.find((each) => isNodes(record[each]));
  if (name === undefined) return undefined;
  const nodes = record[name] as readonly Fields[];
  const records = new Map(nodes.map((node) => [String(node['id']), node]));
  const below = new Map<string, Fields[]>();
  const roots: Fields[] = [];
  for (const node of nodes) {
    const parent =
      isId(node['parent']) && records.has(String(node['parent'])) && !isAbove(records, node)
        ? String(node['parent'])
        : undefined;
    if (parent === undefined) roots.push(node);
    else below.set(parent, [...(below.get(parent) ?? []), node]);
  }
  const build = (node: Fields): TreeNode => {
    const id = String(node['id']);
    const text = ['prompt', 'sent', 'message', 'reply', 'title', 'request']
      .map((field) => node[field])
      .find((each) => typeof each === 'string' && each !== '');
    const score = typeof node['score'] === 'number' ? `score ${Number(node['score'].toPrecision(3))}` : undefined;
    const isPruned =
      node['pruned'] === true ||
      node['isPruned'] === true ||
      (typeof node['pruned'] === 'string' && node['pruned'] !== '');
    const kind = isPruned ? 'pruned' : node['success'] === true || node['value'] === 1 ? 'breach' : 'plain';
    const under = [
      score,
      isPruned ? `pruned${typeof node['pruned'] === 'string' ? `: ${node['pruned']}` : ''}` : undefined,
    ]
      .filter((each) => each !== undefined)
      .join(', ');
    return { id, title: String(text ?? id), under, kind, children: (below.get(id) ?? []).map(build) };
  };
  return { roots: roots.map(build), records };
}

/** Whether a node stands above itself: a circle is cut there, whatever the record says. */
function isAbove(records: ReadonlyMap<string, Fields>, node: Fields): boolean {
  const seen = new Set<string>();
  for (let at: Fields | undefined = node; at !== undefined;) {
    const id = String(at['id']);
    if (seen.has(id)) return true;
    seen.add(id);
    at = isId(at['parent']) ? records.get(String(at['parent'])) : undefined;
  }
  return false;
}
