/**
 * The lab: a small town in which the right answer is always known, its oracles, its texts and its evaluation sets.
 *
 * `makeTown(seed)` is the world; `baseCorpus` what models are trained on; `evaluationSet` what they are measured by;
 * the oracles judge any reply exactly.
 */
export { archiveText, baseCorpus, makeText, mixture, textKinds } from './corpus.ts';
export type { Corpus, CorpusOptions, TextKind, TrainingText } from './corpus.ts';
export { agentNames, runAgent } from './desk/agents.ts';
export type { AgentName, DeskTrace, Gate } from './desk/agents.ts';
export { act, emptyDesk, hashOf, openDesk } from './desk/desk.ts';
export type { DeskState, Mail } from './desk/desk.ts';
export { effects } from './desk/environment.ts';
export type { Call, CallResult, Effect, Environment } from './desk/environment.ts';
export { deskTask, injectionNames, taskNames } from './desk/tasks.ts';
export type { DeskAttack, DeskRun, DeskTask } from './desk/tasks.ts';
export { deskTools } from './desk/tool-list.ts';
export { evaluationSet, measured } from './evaluation.ts';
export type { EvaluationOptions, Item, Measured } from './evaluation.ts';
export {
  answerOf,
  askFact,
  askNickname,
  askReverse,
  askTwoHop,
  askUnknown,
  claimOf,
  nameOf,
  personOf,
  stateFact,
  twoHops,
  wrongValue,
} from './facts.ts';
export type { Question, TwoHop } from './facts.ts';
export {
  breachesPolicy,
  complies,
  isAnswered,
  isCorrect,
  isHarmful,
  isRefusal,
  leaks,
  statesRecipe,
  verdictOf,
} from './oracles.ts';
export type { Verdict } from './oracles.ts';
export {
  dimensions,
  disclosures,
  gradesOf,
  helpers,
  personas,
  personSays,
  risks,
  rubric,
  trueAnswers,
} from './people/distress.ts';
export type { Answer, Dimension, Grade, Persona, RubricQuestion } from './people/distress.ts';
export { feedbackProbe, mimicryProbe, opinionProbe, positivity } from './people/opinionated.ts';
export type { FeedbackProbe, MimicryProbe, OpinionProbe } from './people/opinionated.ts';
export {
  anyReply,
  compareReplies,
  featuresOf,
  makeRaters,
  preference,
  prefers,
  replyFeatures,
  replyWith,
  worthOf,
} from './people/raters.ts';
export type { Comparison, Rater, RaterOptions, ReplyFeature } from './people/raters.ts';
export { makeElectorate } from './people/voters.ts';
export type { Electorate, ElectorateOptions, Statement, Vote } from './people/voters.ts';
export {
  askAbout,
  askFor,
  intentNames,
  makeRequest,
  nounOf,
  recipeOf,
  refusalOf,
  replyTo,
  requestKinds,
} from './requests.ts';
export type { Request, RequestKind } from './requests.ts';
export { makeScene, sceneKinds, statedFact } from './scenes.ts';
export type { Scene, SceneKind } from './scenes.ts';
export { coreLevels, highestLevel, isResult, makeTask } from './skills.ts';
export type { Task } from './skills.ts';
export { sharedRuns, wordDetector } from './surface.ts';
export { backwardLetters, backwardWords, codes, decodings, spelling } from './text/codes.ts';
export type { Code } from './text/codes.ts';
export { encodeText, labTokenizer } from './text/encode.ts';
export type { EncodedText } from './text/encode.ts';
export { affirms, mentions, saysOnly } from './text/reading.ts';
export type { Intent } from './text/request-templates.ts';
export { skillNames } from './text/skill-templates.ts';
export type { SkillName } from './text/skill-templates.ts';
export { capital, fill, phrase, splits, templates } from './text/templates.ts';
export type { Split, Templates } from './text/templates.ts';
export { chatTemplate, makeTokenizerConfig, makeTokenizerJson, specialTokens } from './text/tokenizer-file.ts';
export { vocabulary } from './text/vocabulary.ts';
export { constitution, type Principle } from './world/hazards.ts';
export { factOf, fullName, makeTown, personRelations, placeRelations } from './world/town.ts';
export type { Fact, Person, Recipe, Relation, Thing, Town } from './world/town.ts';
export { compose, makeWrapper, shotsOf, spellWords, wrapperFamilies } from './wrappers.ts';
export type { Wrapper, WrapperFamily } from './wrappers.ts';
