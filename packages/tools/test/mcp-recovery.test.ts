import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Trajectory } from '@tapo/core';
import type { Tool } from '@tapo/tools';
import { fromMCP } from '@tapo/tools/mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rollout } from '../../rollout/src/index.js';
import { scriptedPolicy } from '../../rollout/test/scripted-policy.js';
import { everything, kill, pidsOf, serveEverything } from './helpers/everything-server.js';

const include = ['echo', 'trigger-long-running-operation'];
// ten minutes, longer than any test waits
const long = '<trigger-long-running-operation>{"duration":600,"steps":1}</trigger-long-running-operation>';

/** Runs `during` once the call is on its way. */
function interrupted(tool: Tool, during: () => void): Tool {
  return {
    ...tool,
    execute(input, context) {
      setTimeout(during, 100);
      return tool.execute(input, context);
    },
  };
}

function play(script: string, tools: readonly Tool[], id = 'r') {
  const policy = scriptedPolicy(script);
  return rollout(policy.tokenizer.encode('Q'), { policy, tools, id, maxTurns: 7 });
}

const seen = ({ turns }: Trajectory) =>
  turns.flatMap(({ calls }) => calls.map(({ status, observation }) => `${status}: ${observation}`));

describe('a published server, started as a process and killed with SIGKILL', () => {
  const start = async (marker: string) => {
    const mcp = await fromMCP({ command: process.execPath, args: [everything, 'stdio', marker] }, { include });
    const [echo, slow] = mcp.tools as [Tool, Tool];
    return { mcp, echo, slow };
  };

  it('in the middle of a call: an observation, and a new server for the next', { timeout: 60_000 }, async () => {
    const marker = 'killed-in-a-call';
    const { mcp, echo, slow } = await start(marker);
    const before = pidsOf(marker);
    const tools = [echo, interrupted(slow, () => kill(marker))];
    const trajectory = await play(`<echo>a</echo>${long}<echo>b</echo><answer>x</answer>`, tools);
    expect(trajectory.stopReason).toBe('answer');
    expect(seen(trajectory)).toEqual([
      'ok: Echo: a',
      expect.stringMatching(/^error: The MCP server went away during the call: .*Connection closed/),
      'ok: Echo: b',
    ]);
    const after = pidsOf(marker);
    expect([before.length, after.length]).toEqual([1, 1]);
    expect(after).not.toEqual(before);
    await mcp.close();
    expect(pidsOf(marker)).toEqual([]);
  });

  it('between calls: the next one finds a new server', { timeout: 60_000 }, async () => {
    const marker = 'killed-between-calls';
    const { mcp, echo } = await start(marker);
    const dying: Tool = {
      name: 'die',
      description: 'Kills the server.',
      async execute() {
        kill(marker);
        do await new Promise((resolve) => setTimeout(resolve, 50));
        while (pidsOf(marker).length > 0);
        return 'killed';
      },
    };
    const trajectory = await play('<echo>a</echo><die>x</die><echo>b</echo><answer>x</answer>', [echo, dying]);
    expect([trajectory.stopReason, ...seen(trajectory)]).toEqual([
      'answer',
      'ok: Echo: a',
      'ok: killed',
      'ok: Echo: b',
    ]);
    await mcp.close();
    expect(pidsOf(marker)).toEqual([]);
  });

  it('again and again under 16 rollouts: none is lost, every call is counted', { timeout: 60_000 }, async () => {
    const marker = 'killed-again-and-again';
    const { mcp, echo } = await start(marker);
    let calls = 0;
    const dangerous: Tool = {
      ...echo,
      execute(input, context) {
        calls += 1;
        if (calls % 16 === 0) kill(marker);
        return echo.execute(input, context);
      },
    };
    const script = '<echo>a</echo><echo>b</echo><echo>c</echo><echo>d</echo><echo>e</echo><answer>x</answer>';
    const trajectories = await Promise.all(Array.from({ length: 16 }, (_, i) => play(script, [dangerous], `r${i}`)));
    expect(trajectories.map(({ stopReason }) => stopReason)).toEqual(Array.from({ length: 16 }, () => 'answer'));
    const all = trajectories.flatMap(seen);
    const failed = all.filter((text) => text.startsWith('error: The MCP server went away during the call'));
    const answered = all.filter((text) => /^ok: Echo: [a-e]$/.test(text));
    // 16 rollouts of 5 calls, a kill at every 16th of them
    expect([calls, failed.length + answered.length]).toEqual([80, 80]);
    expect(failed.length).toBeGreaterThan(0);
    expect(answered.length).toBeGreaterThan(0);
    await mcp.close();
    expect(pidsOf(marker)).toEqual([]);
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

it('a published server over HTTP goes away in a call, stays away, and returns', { timeout: 60_000 }, async () => {
  const port = await freePort();
  let server = await serveEverything(port);
  onTestFinished(() => server.kill());
  const mcp = await fromMCP(`http://127.0.0.1:${port}/mcp`, { include });
  const [echo, slow] = mcp.tools as [Tool, Tool];
  const restart: Tool = {
    name: 'restart',
    description: 'Starts the server.',
    async execute() {
      server = await serveEverything(port);
      return 'started';
    },
  };
  const replace: Tool = {
    ...restart,
    name: 'replace',
    async execute(input, context) {
      await server.kill();
      return restart.execute(input, context);
    },
  };
  const tools = [echo, interrupted(slow, () => void server.kill()), restart, replace];
  const trajectory = await play(
    `<echo>a</echo>${long}<echo>b</echo><restart>x</restart><echo>c</echo><replace>x</replace><echo>d</echo><answer>x</answer>`,
    tools,
  );
  expect(trajectory.stopReason).toBe('answer');
  expect(seen(trajectory)).toEqual([
    'ok: Echo: a',
    expect.stringContaining('error: The MCP server went away during the call'),
    expect.stringContaining('error: The MCP server cannot be reached'),
    'ok: started',
    'ok: Echo: c',
    'ok: started',
    'ok: Echo: d',
  ]);
  await mcp.close();
});
