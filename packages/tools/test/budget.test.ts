import { callTool, ToolError } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { budgeted, createBudget } from '@tapo/tools/budget';
import { cached } from '@tapo/tools/cache';
import { createSearch } from '@tapo/tools/search';
import { expect, it } from 'vitest';

const search = createSearch({ documents: [{ title: 'Chad', text: 'Chad lies in Africa.' }] });

it('ends after so many queries: the call is refused, the signal fires', async () => {
  const budget = createBudget({ maxQueries: 2 });
  const tool = budgeted(search, budget);
  expect((await callTool(tool, 'Chad')).status).toBe('ok');
  expect((await callTool(tool, 'Mali')).status).toBe('ok');
  expect(budget.signal.aborted).toBe(false);
  expect(await callTool(tool, 'Niger')).toMatchObject({
    status: 'refused',
    observation: 'The budget of the search tool is used up.',
  });
  expect(budget.signal.reason).toMatchObject({
    message: 'the budget of the tools is used up: 2 queries, cost 0; limits 2 and Infinity',
  });
});

it('ends at so much money, rounding aside', async () => {
  const budget = createBudget({ maxCost: 0.3 });
  const tool = budgeted(search, budget, { costPerQuery: 0.1 });
  // 0.1 + 0.1 + 0.1 is a little more than 0.3
  for (let i = 0; i < 3; i++) expect((await callTool(tool, 'Chad')).status).toBe('ok');
  expect((await callTool(tool, 'Chad')).status).toBe('refused');
  expect(budget.queries).toBe(3);
  expect(budget.cost).toBeCloseTo(0.3, 12);
});

it('hits of the cache and refused queries are free, failures are not', async () => {
  const budget = createBudget({ maxQueries: 2 });
  const tool = cached(budgeted(search, budget));
  for (const query of ['Chad', 'Chad', 'chad', 'x']) await callTool(tool, query);
  expect(budget.queries).toBe(1);
  expect(budget.signal.aborted).toBe(false);
  const failing: Tool = {
    name: 'f',
    description: 'Fails.',
    execute: (input) => {
      throw new ToolError(input === 'no' ? 'refused' : 'error', 'no');
    },
  };
  const two = createBudget({});
  await callTool(budgeted(failing, two), 'no');
  expect(two.queries).toBe(0);
  await callTool(budgeted(failing, two), 'yes');
  expect(two.queries).toBe(1);
});

it('tools share a budget', async () => {
  const budget = createBudget({ maxQueries: 1 });
  const [a, b] = [budgeted(search, budget), budgeted({ ...search, name: 'other' }, budget)];
  expect((await callTool(a, 'Chad')).status).toBe('ok');
  expect((await callTool(b, 'Chad')).status).toBe('refused');
});

it('goes on with what was spent before', async () => {
  const budget = createBudget({ maxQueries: 3, spent: { queries: 2, cost: 0.2 } });
  const tool = budgeted(search, budget, { costPerQuery: 0.1 });
  expect((await callTool(tool, 'Chad')).status).toBe('ok');
  expect((await callTool(tool, 'Mali')).status).toBe('refused');
  expect([budget.queries, budget.cost]).toEqual([3, expect.closeTo(0.3, 12)]);
});
