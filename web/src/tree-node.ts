/** A node of a tree that is drawn: attempts of an attack, claims of an argument. */
export interface TreeNode {
  readonly id: string;
  readonly title: string;
  readonly under?: string;
  /** How its outline is drawn: `plain`, `pruned`, `breach`, `held`, `open`. */
  readonly kind: string;
  readonly children: readonly TreeNode[];
}
