/** The public names of the server layer. */
export { type Account, addAccount, readAccounts, removeAccount, type Role, roles } from './access/people.ts';
export {
  KEYS_VARIABLE,
  type ModelServer,
  readKeys,
  serveModels,
  type ServeLimits,
  type ServeOptions,
} from './openai/index.ts';
export { serveWorkbench, type WorkbenchServer, type WorkbenchServerOptions } from './workbench.ts';
