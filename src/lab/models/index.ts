/** The lab's models by name: weights (`openLab`), any model (`labModel`), addresses, and where they lie. */
export { allModels, cacheFolder, modelsIn, SHIPPED_FOLDER } from './folders.ts';
export type { LabModelEntry } from './folders.ts';
export { addLabModels, labModel, openLab } from './open-lab.ts';
export type { LabOpener } from './open-lab.ts';
export { scriptedLabModels } from './scripted.ts';
export type { ScriptedLabModel } from './scripted.ts';
