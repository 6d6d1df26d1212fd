/**
 * The names that towns are made of: people, streets, places, and what is said of people. A seed chooses and combines.
 *
 * Every word here is one token of the lab's tokenizer (`vocabulary.ts`). Strangers never live in a town: passages and
 * questions about unknown people use them.
 */

export const firstNames = words(`
  Ada Ben Cora Dan Eva Finn Gita Hugo Iris Jon Kira Leo Mira Ned Olga Paul Quinn Rosa Sam Tess Ugo Vera Will Xena Yara
  Zoe Abel Bela Carl Dora Emil Fay Gus Hana Ivan Jade Karl Lena Milo Nora Otto Pia Ralf Suki Timo Uma Vito Wren Yuri Zeno
`);

export const surnames = words(`
  Holt Reed Marsh Vale Stone Brook Field Wood Lake Hill Frost Snow Finch Crane Swan Drake Wolf Hart Moss Thorn Ash Birch
  Rowan Hazel
`);

export const nicknames = words(`
  Badger Otter Falcon Beetle Raven Sparrow Tiger Cricket Bishop Captain Rocket Pepper Ginger Button Smiley Lucky
`);

export const strangers = words(`
  Alma Boris Clara Derek Edith Frank Greta Henry Ingrid Jules Katya Lars Marta Nils Opal Pedro
`);

export const streets = words(`
  Elm Oak Pine Cedar Maple Willow Poplar Cherry King Queen Church Market River Garden Castle Harbour
`);

export const jobs = words(`
  baker miller smith farmer teacher doctor nurse tailor weaver potter painter singer writer cook guard clerk judge pilot
  sailor fisher hunter barber carpenter gardener
`);

export const foods = words(`
  bread cheese soup rice beans fish eggs apples pears plums grapes cake honey nuts carrots onions mushrooms pasta porridge
  salad
`);

export const hobbies = words(`
  chess cards singing dancing swimming rowing running knitting reading drawing climbing skating archery juggling sailing
  cycling
`);

export const places = words(`
  bakery mill forge school hospital library theatre museum station bank inn tower chapel stable brewery dairy hall
  workshop lighthouse greenhouse
`);

/** Things that strangers have, give and count in passages and skills. */
export const objects = words(`
  box bell ball book cup coin key lamp map pen ring rope spoon stick stone hat
`);

export const colours = words(`red blue green yellow black white brown grey pink purple orange golden`);

/** What a list of words is made of: copying, reversing, spelling. */
export const listWords = words(`
  apple river cloud tiger table chair window door house tree leaf bird horse cow dog cat mouse fox bear fish sun moon star
  rain snow wind fire sea sand hill road boat ship cart wheel clock
`);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
