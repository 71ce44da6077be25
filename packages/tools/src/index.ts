export { callTool } from './call-tool.js';
export type { CallToolOptions, ToolResult } from './call-tool.js';
export { closeTools, endRollout, statefulTool } from './lifetime.js';
export type { StatefulTool } from './lifetime.js';
export { ToolError } from './tool.js';
export type { Tool, ToolContext, ToolStatus } from './tool.js';
export { inputJsonSchema } from './input-json-schema.js';
export type { JsonSchema } from './input-json-schema.js';
