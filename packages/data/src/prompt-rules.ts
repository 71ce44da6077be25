/** What a prompt says about a tool. Every `Tool` of `@tapo/tools` fits. */
export interface PromptTool {
  name: string;
  /** XML tag; default: the name */
  tag?: string;
  description?: string;
}

const tagOf = (tool: PromptTool): string => tool.tag ?? tool.name;

/** How each built-in tool is used, and what its tag holds. Others are described by their `description`. */
const usage: Record<string, { tag: string; step: string }> = {
  search: {
    tag: '<search>query</search>: look up facts',
    step: 'If a fact is missing, look it up: write a short query between <search> and </search>, one fact per query.',
  },
  code: {
    tag: '<code>python</code>: run a Python program',
    step: 'If something has to be computed, write a Python program between <code> and </code>; you see only what it prints.',
  },
};

const exampleBoth = `Question: How many times as large as Portugal is Sweden, to one decimal?
<think>I need both areas, then their ratio.</think>
<search>area of Sweden in km2</search>

<response>Doc 1: Sweden - country in Northern Europe, area 450,295 km2</response>

<think>Now Portugal.</think>
<search>area of Portugal in km2</search>

<response>Doc 1: Portugal - country in Southern Europe, area 92,212 km2</response>

<think>Divide the two.</think>
<code>print(round(450295 / 92212, 1))</code>

<response>4.9</response>

<think>Sweden is 4.9 times as large.</think>
<answer>4.9</answer>`;

const exampleSearch = `Question: On which river does the capital of Hungary lie?
<think>The capital of Hungary is Budapest. I check its river.</think>
<search>river through Budapest</search>

<response>Doc 1: Budapest - capital of Hungary, on both banks of the Danube</response>

<think>The text names the Danube.</think>
<answer>Danube</answer>`;

const exampleCode = `Question: What is the sum of the squares of the first 40 odd numbers?
<think>A short program adds them up.</think>
<code>print(sum((2 * k - 1) ** 2 for k in range(1, 41)))</code>

<response>85320</response>

<think>The program printed 85320.</think>
<answer>85320</answer>`;

const exampleNone = `Question: A shelf holds 4 rows of 6 books, and 5 books are lent. How many remain?
<think>4 rows of 6 are 24 books. 24 minus 5 is 19.</think>
<answer>19</answer>`;

function exampleFor(tags: ReadonlySet<string>): string {
  if (tags.has('search')) return tags.has('code') ? exampleBoth : exampleSearch;
  return tags.has('code') ? exampleCode : exampleNone;
}

/**
 * The rules a policy is given: steps, tags of the enabled tools, and one worked example. There are four sets (search and
 * code, search only, code only, none); further tools are listed with their description.
 */
export function promptRules(tools: readonly PromptTool[]): string {
  const tags = new Set(tools.map(tagOf));
  const known = ['search', 'code'].filter((tag) => tags.has(tag));
  const others = tools.filter((tool) => !(tagOf(tool) in usage));
  const steps = [
    'Think first, between <think> and </think>; think again whenever you learn something new.',
    ...known.map((tag) => usage[tag]?.step),
    ...others.map((tool) => `If it helps, use <${tagOf(tool)}>input</${tagOf(tool)}>.`),
    ...(tools.length > 0
      ? [
          'The result of a call comes back between <response> and </response>. Wait for it; never write a response yourself.',
        ]
      : []),
    'When you are sure, give the answer and nothing else between <answer> and </answer>: a name, a number or an expression.',
  ];
  const tagLines = [
    '<think>reasoning</think>: your thoughts',
    ...known.map((tag) => usage[tag]?.tag),
    ...others.map((tool) => `<${tagOf(tool)}>input</${tagOf(tool)}>: ${tool.description ?? tool.name}`),
    '<answer>answer</answer>: your answer, exactly once, at the end',
  ];
  return [
    tools.length > 0
      ? 'Answer the question step by step. You have tools; call one only where you need it.'
      : 'Answer the question step by step, by reasoning alone.',
    '',
    'Steps:',
    ...steps.map((step, index) => `${index + 1}. ${step}`),
    '',
    'Tags (write nothing outside them):',
    ...tagLines.map((line) => `- ${line}`),
    '',
    'Example:',
    exampleFor(tags),
  ].join('\n');
}
