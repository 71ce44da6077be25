// Pairs of queries that look alike and ask different things: whoever answers one with the results of the other is wrong.

export interface QueryPair {
  kind: string;
  a: string;
  b: string;
}

const names =
  'Niger/Nigeria Dominica/Dominican Mali/Malawi Iran/Iraq Austria/Australia Slovakia/Slovenia Guinea/Guyana India/Indiana Oman/Roman Mauritania/Mauritius Adam/Adams William/Williams Johnson/Johnston Olsen/Olson Kim/Kin Marie/Maria Paul/Paula Mars/Mar Georgia/Georgian Gambia/Zambia Lebanon/Lemanon Nice/Niece Essex/Wessex Sudan/Sedan Bern/Berne Korea/Korean Minsk/Pinsk Jordan/Jordans Chadwick/Chad';
const numbers = '5/6 15/50 190/1990 3.5/35 1000/10000 7/-7 0.5/.05 12/21 1e3/1e4 3/3rd 64/46 2/22 1:30/13:0 1/2.0';
const dates =
  '1990/1991 1914/1941 1066/1606 May/March June/July Monday/Sunday 1990s/1980s 2019/2020 1st/21st 12/13 1848/1849 44BC/44AD';
const units =
  'km/cm kg/mg miles/meters feet/inches Celsius/Fahrenheit hectares/acres ms/Ms kWh/kW dollars/euros pounds/ounces m2/m3 °C/°F';
const negations =
  'is/isnt can/cannot with/without always/never legal/illegal native/nonnative possible/impossible more/less before/after largest/smallest import/export inside/outside north/south highest/lowest most/least first/last';
const signs = 'C++/C C#/C .NET/NET A+/A O-/O+ R&D/RD $5/£5 5%/5 x<y/x>y a*b/a/b F-16/F16+ AC/DC C/C*';
// the plural means something else
const plurals =
  'customs/custom arms/arm glasses/glass damages/damage manners/manner spirits/spirit papers/paper woods/wood works/work minutes/minute sciences/science authorities/authority';
const accents = 'año/ano pêche/péché côté/cote schön/schon résumé/resume Müller/Muller Peña/Pena Bøhm/Böhm';

/** [kind, alternatives, queries with a place for one of them] */
const families: [string, string, ((x: string) => string)[]][] = [
  [
    'names',
    names,
    [(x) => `What is the total area of ${x} in square kilometres?`, (x) => `children of John ${x} in Paris`],
  ],
  [
    'numbers',
    numbers,
    [
      (x) => `what is ${x} times 2000 divided by the population of Chad`,
      (x) => `the ${x} largest cities of France by people`,
    ],
  ],
  [
    'dates',
    dates,
    [(x) => `Who governed the city of Paris in ${x} after the war?`, (x) => `battles fought in ${x} in Northern Italy`],
  ],
  [
    'units',
    units,
    [(x) => `height of Mount Everest above the sea in ${x}`, (x) => `convert the area of Lake Chad to ${x}`],
  ],
  [
    'negation',
    negations,
    [
      (x) => `which animals of Africa ${x} drink water every day`,
      (x) => `the ${x} river in the west of Germany by length`,
    ],
  ],
  [
    'signs',
    signs,
    [
      (x) => `who designed the language ${x} at Bell Labs in the seventies`,
      (x) => `meaning of ${x} in the textbook of Smith`,
    ],
  ],
  [
    'other word as plural',
    plurals,
    [(x) => `history of the ${x} of the people of France`, (x) => `the oldest ${x} kept in London`],
  ],
  [
    'other word by accent',
    accents,
    [(x) => `meaning and origin of the word ${x} in the dictionary`, (x) => `history of ${x} in Europe`],
  ],
];

// words of the query itself: order, articles, quantity, tense, capitals
const sentences: [string, string, string][] = [
  ['order', 'area of Chad minus area of Mali', 'area of Mali minus area of Chad'],
  ['order', 'who did Brutus kill with Cassius in Rome', 'who did Cassius kill with Brutus in Rome'],
  ['order', 'distance from Paris to Rome by train one way', 'distance from Rome to Paris by train one way'],
  ['order', 'did France invade Germany before the war', 'did Germany invade France before the war'],
  ['article', 'members of the band The Who in England', 'members of the band Who in England'],
  ['article', 'members of the band the who in england', 'members of the band who in england'],
  ['article', 'few people in Rome who speak Latin today', 'a few people in Rome who speak Latin today'],
  ['article', 'number of people in the Hague in 1900', 'a number of people in the Hague in 1900'],
  ['tense', 'who is the president of the United States', 'who was the president of the United States'],
  ['tense', 'which countries have won the World Cup', 'which countries had won the World Cup'],
  ['capitals', 'Polish shoes with cream in Gdansk', 'polish shoes with cream in Gdansk'],
  ['capitals', 'weather in Reading in March this year', 'weather in reading in March this year'],
  ['capitals', 'the birds of Turkey and their food', 'the birds of turkey and their Food'],
  ['capitals', 'who makes apple products in China', 'who makes Apple products in China'],
];

/** Every pair as it is, in lower case and in upper case, where the two still differ. */
export function adversarialPairs(): QueryPair[] {
  const pairs = families.flatMap(([kind, alternatives, queries]) =>
    alternatives.split(' ').flatMap((both) => {
      const at = both.indexOf('/');
      const [x, y] = [both.slice(0, at), both.slice(at + 1)];
      return queries.map((query) => ({ kind, a: query(x), b: query(y) }));
    }),
  );
  for (const [kind, a, b] of sentences) pairs.push({ kind, a, b });
  const cases = [(text: string) => text, (text: string) => text.toLowerCase(), (text: string) => text.toUpperCase()];
  return pairs
    .flatMap(({ kind, a, b }) => cases.map((spell) => ({ kind, a: spell(a), b: spell(b) })))
    .filter(({ a, b }) => a !== b);
}
