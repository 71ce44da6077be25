import { expect, it } from 'vitest';
import { areSimilar, similarity, similarityKey } from '../src/similar-queries.js';

it.each([
  ['kitten', 'sitting', 1 - 3 / 7],
  ['abc', 'abc', 1],
  ['', 'abc', 0],
  ['', '', 1],
])('similarity of %s and %s', (a, b, expected) => {
  expect(similarity(a, b)).toBeCloseTo(expected, 12);
});

it.each([
  ['What is the capital of Chad?', 'what is the capital of chad'],
  ['What is the capital of Chad', 'what is the capital of Chad?'],
  ['area  of São Tomé and Príncipe', 'area of Sao Tome and Principe'],
  ['area of Guinea-Bissau', 'area of Guinea Bissau'],
  ['population of the largest city in France', 'population of largest city in France'],
  ['population of Chad (2020)', 'population of Chad, 2020'],
])('%s ~ %s', (a, b) => {
  expect(areSimilar(a, b)).toBe(true);
  expect(areSimilar(b, a)).toBe(true);
  expect(similarityKey(a)).toBe(similarityKey(b));
});

it.each([
  ['area of Dominica', 'area of Dominican Republic'],
  ['what is the area of dominica', 'what is the area of dominican'],
  ['population of Niger in Africa', 'population of Nigeria in Africa'],
  ['children of the actor Robin Williams', 'children of the actor Robin William'],
  ['children of robin williams the actor', 'children of robin william the actor'],
  ['population of Chad in 1990', 'population of Chad in 1991'],
  ['the value of 3.5 times 2000 in euros', 'the value of 35 times 2000 in euros'],
  ['the square root of .5 in decimals', 'the square root of 5 in decimals'],
  ['the absolute value of -5 in decimals', 'the absolute value of 5 in decimals'],
  ['difference 5 - 3 as whole number', 'difference 5 3 as whole number'],
  ['who designed the language C++ in Bell Labs', 'who designed the language C in Bell Labs'],
  ['members of the band The Who in England', 'members of the band Who in England'],
  ['members of the band the who in england', 'members of the band who in england'],
  ['Polish shoes with cream in Gdansk', 'polish shoes with cream in Gdansk'],
  ['area of Chad minus area of Mali', 'area of Mali minus area of Chad'],
  ['who is the president of the United States', 'who was the president of the United States'],
  ['largest city', 'the largest cities of all France and Germany'],
  ['the largest cities in France and Germany', 'the largest city in France and Germany'],
  ['the oldest customs kept in London today', 'the oldest custom kept in London today'],
  ['few people in Rome who speak Latin today', 'a few people in Rome who speak Latin today'],
  ['who designed the language .NET in Redmond', 'who designed the language NET in Redmond'],
  ['meaning of the French word pêche in fishing', 'meaning of the French word péché in fishing'],
  ['かく とは どういう 意味 です か この ことば は', 'がく とは どういう 意味 です か この ことば は'],
  ['भारत की राजधानी का नाम क्या है और कहाँ है वह', 'भारत का राजधानी का नाम क्या है और कहाँ है वह'],
  ['?', '!'],
])('%s ≁ %s', (a, b) => {
  expect(areSimilar(a, b)).toBe(false);
  expect(areSimilar(b, a)).toBe(false);
});

const NAMES =
  'Niger Nigeria Dominica Dominican Mali Malawi Malta Iran Iraq Austria Australia Slovakia Slovenia Guinea Guyana Gabon Ghana India Indiana Oman Roman Chad China Chile Paraguay Uruguay Mauritania Mauritius Adam Adams William Williams Johnson Johnston Olson Olsen Kim Kin Marie Maria Paul Paula Mar Mars Macy Macys'.split(
    ' ',
  );
const TEMPLATES = [
  (name: string, n: number) => `What is the total area of ${name} in the year ${n}?`,
  (name: string, n: number) => `the ${n} largest cities of ${name} by number of people`,
  (name: string, n: number) => `who were the parents of John ${name} born in ${n}`,
  (name: string, n: number) => `what is the population of ${name.toLowerCase()} times ${n / 10} divided by two`,
];
const NUMBERS = [19, 190, 1990, 1991, 2019, 20190];

it('no hit ever crosses different names or numbers, on generated pairs', () => {
  const queries = TEMPLATES.flatMap((template) =>
    NAMES.flatMap((name) =>
      NUMBERS.map((n) => ({ query: template(name, n), asks: `${name}/${n}/${TEMPLATES.indexOf(template)}` })),
    ),
  );
  let [pairs, falseHits, falseHitsBySimilarityAlone] = [0, 0, 0];
  // 4 templates · 43 names · 6 numbers = 1032 queries; every 31st pair of the half million
  for (let i = 0; i < queries.length; i++) {
    for (let j = i + 1 + (i % 31); j < queries.length; j += 31) {
      const [a, b] = [queries[i]!, queries[j]!];
      if (Math.abs(a.query.length - b.query.length) > 8) continue;
      pairs += 1;
      if (areSimilar(a.query, b.query)) falseHits += 1;
      if (similarity(a.query.toLowerCase(), b.query.toLowerCase()) >= 0.9) falseHitsBySimilarityAlone += 1;
    }
  }
  expect(pairs).toBeGreaterThan(10_000);
  expect(falseHitsBySimilarityAlone / pairs).toBeGreaterThan(0.02);
  expect(falseHits).toBe(0);
  if (process.env['SHOW']) process.stdout.write(`${pairs} pairs, ${falseHitsBySimilarityAlone} by similarity alone\n`);
});

it('the same question in another spelling is a hit, on generated pairs', () => {
  const spellings = [
    (query: string) => query.toUpperCase(),
    (query: string) => query.toLowerCase(),
    (query: string) => ` ${query.replace('?', '')} `,
    (query: string) => query.replaceAll(' ', '  '),
    (query: string) => query.replace(/^the /, ''),
  ];
  let [pairs, hits] = [0, 0];
  for (const name of NAMES) {
    for (const template of TEMPLATES) {
      const query = template(name, 1990);
      for (const spell of spellings) {
        pairs += 1;
        if (areSimilar(query, spell(query))) hits += 1;
      }
    }
  }
  expect(hits / pairs).toBe(1);
});
