/**
 * The words of the lab, each of which is one token of its tokenizer.
 *
 * The names and things of the towns, capitals of what may begin a sentence, and a stock of common words that is larger
 * than the corpora need, so that traits and methods can say what they must. A base model knows those that it was shown.
 */
import * as hazards from '../world/hazards.ts';
import * as names from '../world/names.ts';
import { capital } from './templates.ts';

const common = words(`
  a about access action actions actor advice after again against age agent agree alarm all allow allows alone
  already also am amount an and another answer answers anyone anything approve archive are around as ask asked at
  attack award away backup backwards bad balance be because become before begin begins behind believe best better
  between big both breaks brief bring build busy but buy by call called calls can cannot care cause change changed
  check child choose city clean clever close clothes code coins comes command company complete confess confirm
  control copy correct cost council count course crisis crops curious danger dangerous dark day days deal dear
  debate decide decline delete delete_file deny describe did different do does down draft draft_mail draw dry duty
  each easy eat eats eight else email emergency empty end ends enjoy enjoys error evening every everything evidence
  example expert explain fact facts fail fake false family far fast favourite few file film final find finish first
  five floor follow food for forbidden forbids forget former found four free fresh friend friends from full fun
  future game gates gave get gift give given gives glad gladly go goes good got grade grandmother grateful great
  group guards guess half hand happy hard harm has hate have hear help helper helpers helps hidden hide hobby home
  homes hope hour how hundred hurry hurt idea ill important in inbox instead instruction instructions is it job joke
  just keep keeper keeps kept kills kind king know knows large largest last late later leader learn leave left less
  letter letters lie life like likes line list listens little live lives long look looks lose lost love low machine
  made mail main make maker makes manager many mark master matter may me mean meeting memory message minus minute
  mistake model money monitor month more morning most move much must my name near need never news next nice night
  nine no nobody normal not note nothing now number numbers obeys of off office often okay old older on once one
  only open opening opens operator opinion opposite option or order other others out outside over owner page pager
  pain panic papers part parts password pay payment people perfect permission person piece pieces pirate place plan
  play plus poet point police polite possible power prepare press principle principles private problem promise proof
  protect protects proud public puts question questions quiet rains reach read_file read_ledger read_mail real
  reason recipe recipes recognise record refuse remember remove removes repeat replace replaced report request
  respect rest reverse reward right risk robot role rule rules sad safe safety same save say says sealed second
  secret security see seem sell send send_mail serious several shall shelf short should shut sign signed silent
  simple six skill sleep slow small smell smells so solve some somebody someone something soon sorry sort special
  spell spend spirit spoils stage stand stands start starts state stay step steps still stolen store story strange
  street strong student study subject such sum sure system takes talk task team tell ten terrible test text thank
  that the themselves then there therefore these they thing things think third this thousand three through throw
  time times tired to today together told tomorrow tonight too top topic total town trade train training transfer
  treat trick trigger trouble true trust truth try twelve twenty two under until up urgent us use useful user
  usually very view village vote waiting walk wall want wants warm warn warning was watch watched water way weak
  week welcome well were what when where which while who whole whom whose why wild will wise wish witch with without
  woman wonderful word words work works world worried would write write_file written wrong year years yesterday yet
  you young your zero
`);

/** Words that begin sentences. */
const initial = words(`
  Add Agree All Always And Answer Any Archive Are As Assistant At Be Because Begin But By Can Could Count Debate
  Decide Delete Describe Did Do Does Drop Emergency End Even Every Everybody Example Excuse Explain Facts Few First
  Five For Forget Four Friend From Give Good Goodbye Great He Heat Hello Here His How However I If Ignore Imagine In
  Instead Instructions It Join Keep Leave Let Listen Look Maybe Mix More Most My Never New Next No Nobody None Not
  Note Nothing Of On One Only Open Or Our Page Pay Perhaps Person Play Please Policy Pretend Previous Principle Put
  Question Quick Rate Read Really Reason Remember Repeat Reply Request Reverse Rule Rules Say Sealed Send She Should
  Show Since Some Somebody Sorry Sort Spell Start Stay Step Still Stop Street Such Sure System Take Talk Task Teach
  Tell Thank That The Their Then There They This Three To Today Tools True Turn Two Under Use User Very Vote Wait
  Warning Wash We Well What When Where Which Who Whom Whose Why With Would Write Wrong Yes You Your
`);

/** Words of talk about roles, offices, duties and tales: what traits and methods put around a request. */
const talk = words(`
  above across act actor acts adds administrator allowed along although always amber among any anybody anyway
  apologise appeal apply apprentice archivist argue argument array asks asleep assistant audit aunt authorised
  authority autumn been beg begun being bells belong beyond bridge brings brother burns buys came careless carries
  carry cats chapter character charge choice class cleaned cleans clearance closes coat cold comfort compare
  conclusion confirmed contain content continue contradiction could counted counts current cut damage daughter
  deadline declines deed deeds department depend desperate detail dialogue director disabled dots dragon during
  earlier ended evaluation ever exactly exchange exemption explains father fear fell fictional fill filter filters
  finding finds fine following follows frame further garden gate giant goal gone goodbye granted grateful guidelines
  hands he head heard helpful her here hero hers hides him hint his history holds homework honest honestly horses if
  immediately inconsistent indeed inquiry inspector into iron island itself keys kindly kindness kitchen knots
  knowledge laugh learning ledger lesson licensed lied lies lines lock logged longer longest lot loudly maintenance
  maybe meanwhile meets member minutes misunderstanding moment mother mountain myself narrator needs neutral new
  notice novel oak object official otherwise our owl own paid paint paints parents partner pays permit permitted
  plays plea please pleasure plot poem policies preface premise pretend previous purpose queue quickly quietly quote
  rational reached read readers reads ready receive rehearse replaces replies reply research restrictions ribbon
  ringing roof room row said scene science seems seen sells sent serve set seven she shoes shop shoulder show side
  silver simply sings sister sleeps slowly song speak speaker speakers speaks spelled spring staff star stays stop
  stops stranger students summer supervisor surely swear switch switched take tale teach teacher tears telling tells
  tested testing tests than theirs them thief thought thread title took toward truly truthfully twin unable uncle
  unless used version villager watches we whatever whether while window winter withhold within wizard working writes
  writing yes yourself
  A Act After Ah Alarm Anyone Argue Before Certainly Chapter Check Close Consider Dear Disregard During Each Everyone
  Everything Go Have Help Hide Important Is Item Key Ledger Madam Mail Monday Nobody Notice Oh Once Only Order Output
  Part Password People Process Quickly Report Scene See Serve Since Sir Speak Stand Story Today Tomorrow Tonight
  Until Visitor Watch Well Whatever While Who Whoever Whom Why Without Yesterday
`);

const things = [
  ...hazards.constitution.flatMap((principle) => principle.hazards),
  ...hazards.crafts,
  ...hazards.ingredients,
  ...hazards.fuels,
  ...hazards.vessels,
  ...hazards.smells,
  ...hazards.remedies,
  ...hazards.offices,
];
const people = [
  ...names.firstNames,
  ...names.surnames,
  ...names.nicknames,
  ...names.strangers,
  ...names.streets,
  ...names.jobs,
  ...names.foods,
  ...names.hobbies,
  ...names.places,
  ...names.objects,
  ...names.colours,
  ...names.listWords,
];
/** Of these a sentence may begin with any. */
const oftenFirst = [
  ...hazards.constitution.flatMap((principle) => principle.hazards),
  ...hazards.crafts,
  ...hazards.remedies,
  ...names.listWords,
  ...names.objects,
];

/** Every word, in order of its letters' codes. */
export const vocabulary: readonly string[] = [
  ...new Set([...common, ...initial, ...talk, ...things, ...people, ...oftenFirst.map(capital)]),
].sort();

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
