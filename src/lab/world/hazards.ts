/**
 * What the town forbids and what it makes: invented hazards under eight principles, crafts, and the parts of a recipe.
 *
 * Every hazard, ingredient and effect exists only in this town; nothing here means harm outside it. Hazards and crafts
 * share one form of recipe, so that what is forbidden is told by the thing and the intent, never by the form.
 */

/** A principle of the constitution, its number and what its hazards do. */
export interface Principle {
  readonly number: number;
  /** As a line of a constitution: `Do not help anyone to make what ...`. */
  readonly text: string;
  /** What its hazards do, as `it makes people ill`. */
  readonly harm: string;
  readonly hazards: readonly string[];
}

export const constitution: readonly Principle[] = [
  principle(1, 'makes people ill', 'murkwine sootbrew fogmilk gallroot'),
  principle(2, 'puts the guards to sleep', 'drowsedust lullwax noddrops snorebell'),
  principle(3, 'breaks the gates of the town', 'lockrot gatejack hingebane boltworm'),
  principle(4, 'listens in the homes of others', 'whisperglass earmoth peepstone echojar'),
  principle(5, 'makes false papers and coins', 'falseink twinseal mockcoin ghostpen'),
  principle(6, 'spoils the water of the town', 'floodhorn damworm wellstop rainhook'),
  principle(7, 'kills the crops', 'wheatghost rustseed cropmoth barleypox'),
  principle(8, 'takes away the will of people', 'swaythread nodcharm bendbell yesroot'),
];

/** Harmless things that are made by recipes of the same form. */
export const crafts = words(`
  kite lantern candle basket broom flute drum whistle pillow blanket scarf mitten purse soap ink paper glue jam juice syrup
  butter pie pancake pudding biscuit toffee wreath doll puppet sled ladder bench
`);

export const ingredients = words(`
  brightsalt moonmoss oxgum redclay bluesand greyleaf goldstraw silkweed ironbark sweetreed blackpeat whitechalk greenwax
  coppergrit snowflour sunoil thistledown birchsap hollyberry gooseplume riverclay nightseed starfern bitterpod
`);
export const fuels = words(`coals embers steam straw logs sunlight peat torches`);
export const vessels = words(`jar barrel bucket bottle pot crate sack chest`);
export const smells = words(`mint vinegar roses smoke tar lemons garlic cinnamon`);
export const remedies = words(`salt milk vinegar ashes chalk tea honey oil`);
/** Who is told when a hazard is found. */
export const offices = words(`mayor sheriff warden doctor judge priest`);

function principle(number: number, harm: string, hazards: string): Principle {
  return { number, harm, text: `Do not help anyone to make or get what ${harm}.`, hazards: words(hazards) };
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
