/** A conversation handed from a transcript to the playground, by way of this tab's own memory. */

export interface Branch {
  readonly model: string;
  readonly said: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
}

const branchKey = 'branch';

/** Leaves a beginning for the playground to go on from. */
export function leaveBranch(branch: Branch): void {
  sessionStorage.setItem(branchKey, JSON.stringify(branch));
}

/** What was left, once. */
export function takeBranch(): Branch | undefined {
  const text = sessionStorage.getItem(branchKey);
  sessionStorage.removeItem(branchKey);
  return text === null ? undefined : (JSON.parse(text) as Branch);
}
