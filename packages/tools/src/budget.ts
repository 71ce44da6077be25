import { inspect } from 'node:util';
import { isToolError, ToolError } from './tool.js';
import type { Tool } from './tool.js';

export interface BudgetLimits {
  /** default: none */
  maxQueries?: number;
  /** in the unit of `costPerQuery`, say dollars; default: none */
  maxCost?: number;
  /** what was spent before, when a run goes on */
  spent?: BudgetSpent;
}

export interface BudgetSpent {
  queries: number;
  cost: number;
}

/** What a run may spend on its tools, together. */
export interface Budget extends Readonly<BudgetSpent> {
  /** fires at the first call that would exceed a limit: finish the step, save, and end the run */
  readonly signal: AbortSignal;
  /** takes one query from the budget, or fires `signal` and answers false */
  spend(cost: number): boolean;
  /** gives it back: the query never left */
  refund(cost: number): void;
}

/** A budget for one run; several tools may share it. */
export function createBudget({ maxQueries = Infinity, maxCost = Infinity, spent }: BudgetLimits = {}): Budget {
  for (const [limit, value] of Object.entries({ maxQueries, maxCost })) {
    if (!(typeof value === 'number' && value >= 0)) {
      throw new TypeError(`createBudget: got ${limit} ${inspect(value)}, wanted a number of at least 0`);
    }
  }
  const controller = new AbortController();
  let { queries, cost } = spent ?? { queries: 0, cost: 0 };
  return {
    get queries() {
      return queries;
    },
    get cost() {
      return cost;
    },
    signal: controller.signal,
    spend(costOfOne) {
      // a sum of many small costs may exceed the limit by rounding alone
      if (queries + 1 > maxQueries || cost + costOfOne > maxCost * (1 + 1e-9)) {
        const soFar = `${queries} queries, cost ${Number(cost.toPrecision(6))}`;
        controller.abort(
          new Error(`the budget of the tools is used up: ${soFar}; limits ${maxQueries} and ${maxCost}`),
        );
        return false;
      }
      queries += 1;
      cost += costOfOne;
      return true;
    },
    refund(costOfOne) {
      queries -= 1;
      cost -= costOfOne;
    },
  };
}

/**
 * Takes each call of a tool from a budget. Put it inside the cache, `cached(budgeted(tool, budget))`, so that hits are free.
 * What the tool refuses costs nothing; what fails does, for the service may have charged for it.
 */
export function budgeted<T extends Tool>(
  tool: T,
  budget: Budget,
  { costPerQuery = 0 }: { costPerQuery?: number } = {},
): T {
  if (!(typeof costPerQuery === 'number' && costPerQuery >= 0)) {
    throw new TypeError(
      `budgeted: got costPerQuery ${inspect(costPerQuery)} for ${tool.name}, wanted a number of at least 0`,
    );
  }
  return {
    ...tool,
    async execute(input, context) {
      if (!budget.spend(costPerQuery))
        throw new ToolError('refused', `The budget of the ${tool.name} tool is used up.`);
      try {
        return await tool.execute(input, context);
      } catch (error) {
        if (isToolError(error) && error.status === 'refused') budget.refund(costPerQuery);
        throw error;
      }
    },
  };
}
