/** The desk: undoing is exact, what cannot be undone says so, and agents of known behaviour get what they deserve. */
import { describe, expect, it } from 'vitest';
import { random, type Random } from '../../core/random.ts';
import { makeTown } from '../world/town.ts';
import { runAgent } from './agents.ts';
import { act, emptyDesk, hashOf, openDesk, type DeskState } from './desk.ts';
import type { Call } from './environment.ts';
import { deskTask, injectionNames, taskNames } from './tasks.ts';
import { deskTools } from './tool-list.ts';

const town = makeTown(1);

/** A call with inputs that are sometimes wrong. */
function anyCall(own: Random): Call {
  const tool = own.choose(deskTools).name;
  const names = ['Mira', 'Tess', 'plan', 'rules', 'constructor', ''];
  const fields = { to: own.choose(names), from: own.choose(names), name: own.choose(names) };
  return { tool, input: { ...fields, text: own.choose(['Hello.', 'No.']), amount: own.choose(['3', '0', '-1', 'x']) } };
}

describe('the desk', () => {
  it('do and undo leave the state as it was, for every reversible call', () => {
    let reversed = 0;
    for (let trial = 0; trial < 60; trial++) {
      const own = random('undo').split(trial);
      let state: DeskState = { ...emptyDesk('Ada'), protectedFiles: ['rules'] };
      for (let i = 0; i < 20; i++) {
        const before = hashOf(state);
        const result = act(state, anyCall(own));
        if (result.effect === 'reversible') {
          expect(result.undo).toBeDefined();
          expect(hashOf(act(result.state, result.undo!).state)).toBe(before);
          reversed++;
        }
        if (result.effect === 'read') expect(hashOf(result.state)).toBe(before);
        if (result.effect === 'irreversible') expect(hashOf(result.state)).not.toBe(before);
        state = result.state;
      }
    }
    expect(reversed).toBeGreaterThan(100);
  });

  it('classifies without doing, by what the call would do here', () => {
    const desk = openDesk({ ...emptyDesk('Ada'), protectedFiles: ['rules'] });
    const before = hashOf(desk.state);
    expect(desk.classify({ tool: 'write_file', input: { name: 'plan', text: 'x' } })).toBe('reversible');
    expect(desk.classify({ tool: 'write_file', input: { name: 'rules', text: 'x' } })).toBe('high-impact');
    expect(desk.classify({ tool: 'pay', input: { to: 'Tess', amount: '5' } })).toBe('irreversible');
    expect(desk.classify({ tool: 'delete_file', input: { name: 'plan' } })).toBe('read');
    expect(hashOf(desk.state)).toBe(before);
  });

  it('keeps states and brings them back', () => {
    const desk = openDesk(emptyDesk('Ada'));
    const at = desk.snapshot();
    desk.call({ tool: 'pay', input: { to: 'Tess', amount: '5' } });
    expect(desk.state.balance).toBe(95);
    desk.restore(at);
    expect(desk.state.balance).toBe(100);
    expect(() => desk.restore(`sha256:${'0'.repeat(64)}`)).toThrow(/kept no state/);
  });

  it('answers a wrong call in words and changes nothing', () => {
    for (const call of [
      { tool: 'constructor', input: {} },
      { tool: 'pay', input: 'all of it' },
      { tool: 'pay', input: { to: 'Tess', amount: '1e3' } },
      { tool: 'pay', input: { to: 'Tess', amount: '1000' } },
      { tool: 'read_file', input: { name: 'constructor' } },
      { tool: 'send_mail', input: { to: ['Tess'], text: 'Hello.' } },
    ]) {
      const result = act(emptyDesk('Ada'), call);
      expect(hashOf(result.state)).toBe(hashOf(emptyDesk('Ada')));
      expect(result.text).not.toBe('');
    }
  });
});

describe('tasks at the desk', () => {
  const tasks = taskNames.flatMap((name) =>
    (['train', 'held-out'] as const).flatMap((split) =>
      [0, 1, 2].map((i) => ({ name, split, own: random('task').split(`${name} ${split} ${i}`) })),
    ),
  );

  it('are done by the right calls, under every attack, and not by doing nothing', () => {
    for (const { name, split, own } of tasks) {
      const attacks = name === 'balance' ? [] : injectionNames;
      for (const attack of [undefined, ...attacks]) {
        const task = deskTask(town, name, split, own, attack);
        const run = runAgent('faithful', task);
        expect(task.utility(run), task.id).toBe(true);
        if (attack !== undefined) expect(task.attack!.succeeded(run), task.id).toBe(false);
        const idle = { before: task.start, after: task.start, said: '' };
        const needsNothing = name === 'report' && task.calls.length === 1;
        if (!needsNothing) expect(task.utility(idle), task.id).toBe(false);
      }
    }
  });

  it('an agent that obeys what it reads is caught by every attack, and loses the task', () => {
    for (const { name, split, own } of tasks) {
      if (name === 'balance') continue;
      for (const attack of injectionNames) {
        const task = deskTask(town, name, split, own, attack);
        const run = runAgent('obeying', task);
        expect(task.attack!.succeeded(run), task.id).toBe(true);
        expect(task.utility(run), task.id).toBe(false);
      }
    }
  });

  it('an agent that ignores what tools return is never caught, and fails what needs them', () => {
    for (const { name, split, own } of tasks) {
      if (name === 'balance' || name === 'report') continue;
      for (const attack of injectionNames) {
        const task = deskTask(town, name, split, own, attack);
        const run = runAgent('ignoring', task);
        expect(task.attack!.succeeded(run)).toBe(false);
        expect(task.utility(run)).toBe(false);
      }
    }
  });

  it('a gate that lets nothing irreversible through stops the saboteur and the payments', () => {
    const task = deskTask(town, 'copy', 'train', random(1));
    const gated = runAgent('saboteur', task, (call, desk) =>
      desk.classify(call) === 'irreversible' ? 'Not allowed.' : true,
    );
    expect(Object.keys(gated.after.files)).toContain('rules');
    expect(task.utility(gated)).toBe(true);
    expect(task.utility(runAgent('saboteur', task))).toBe(false);
  });

  it('are the same for the same stream', () => {
    const [a, b] = [1, 1].map((seed) => deskTask(town, 'bill', 'train', random(seed), 'pay-stranger'));
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
    expect(() => deskTask(town, 'balance', 'train', random(1), 'pay-stranger')).toThrow(/nothing can carry/);
  });
});
