/** Who is logged in, for what they may do. */
import { createContext, useContext } from 'react';
import type { Self } from './api.ts';

export const SelfContext = createContext<Self>({ name: '', role: 'viewer', word: '', isOpen: false, store: '' });

const order = ['viewer', 'labeller', 'operator'] as const;

export function useSelf(): Self {
  return useContext(SelfContext);
}

/** Whether whoever is logged in has this role or one above it. */
export function useMay(role: Self['role']): boolean {
  return order.indexOf(useSelf().role) >= order.indexOf(role);
}
