// @ts-check
/**
 * Files as plain data, for a session that goes on in another call and another process.
 *
 * @typedef {import('./filesystem.mjs').Node} Node
 * @typedef {import('./filesystem.mjs').Directory} Directory
 * @typedef {import('./filesystem.mjs').OpenFile} OpenFile
 *
 * @typedef {{ mtimeMs: number, data?: string, entries?: [name: string, id: number][] }} SavedNode data in base64
 * @typedef {object} SavedFiles ids are places in `nodes`, or -inode of what the image has: read-only files, terminals
 * @property {SavedNode[]} nodes the roots first
 * @property {[id: number, position: number, flags: number][]} files open ones
 * @property {[fd: number, file: number][]} descriptors
 */

/** What programs made, unlike what the image brings. @param {Node} node @returns {node is Directory | import('./filesystem.mjs').File} */
const isOwn = (node) => node.writable && (node.kind === 'file' || node.kind === 'directory');

/** @param {readonly Directory[]} roots @param {readonly (OpenFile | undefined)[]} open @returns {SavedFiles} */
export function saveFiles(roots, open) {
  /** @type {SavedNode[]} */
  const nodes = [];
  /** @type {Map<Node, number>} */
  const ids = new Map();
  /** @type {(node: Node) => number} */
  const idOf = (node) => {
    if (!isOwn(node)) return -node.inode;
    const known = ids.get(node);
    if (known !== undefined) return known;
    /** @type {SavedNode} */
    const saved = { mtimeMs: node.mtimeMs };
    const id = nodes.push(saved) - 1;
    ids.set(node, id);
    if (node.kind === 'file') saved.data = Buffer.from(node.data.subarray(0, node.size)).toString('base64');
    else saved.entries = [...node.entries].map(([name, child]) => [name, idOf(child)]);
    return id;
  };
  // the roots come first, whatever they hold
  roots.forEach((root, index) => {
    nodes.push({ mtimeMs: root.mtimeMs });
    ids.set(root, index);
  });
  roots.forEach(({ entries }, index) => {
    const saved = nodes[index];
    if (saved) saved.entries = [...entries].map(([name, child]) => [name, idOf(child)]);
  });
  const files = [...new Set(open)].filter((file) => file !== undefined);
  return {
    nodes,
    files: files.map(({ node, position, flags }) => [idOf(node), position, flags]),
    descriptors: open.flatMap((file, fd) => (file ? [[fd, files.indexOf(file)]] : [])),
  };
}

/**
 * Fills the empty roots with what was saved.
 * @param {SavedFiles} saved
 * @param {readonly Directory[]} roots
 * @param {{ newInode: () => number, imageNode: (inode: number) => Node | undefined }} disk
 * @returns {{ open: (OpenFile | undefined)[], bytes: number, count: number }}
 */
export function loadFiles({ nodes: saved, files, descriptors }, roots, { newInode, imageNode }) {
  let bytes = 0;
  /** @type {Node[]} */
  const nodes = saved.map(({ data, mtimeMs }, index) => {
    const root = roots[index];
    if (root) return root;
    const inode = newInode();
    if (data === undefined) {
      return { kind: 'directory', inode, entries: new Map(), parent: undefined, name: '', writable: true, mtimeMs };
    }
    const content = new Uint8Array(Buffer.from(data, 'base64'));
    bytes += content.length;
    return { kind: 'file', inode, data: content, size: content.length, writable: true, mtimeMs };
  });
  const nodeOf = (/** @type {number} */ id) => (id < 0 ? imageNode(-id) : nodes[id]);
  saved.forEach(({ entries = [] }, index) => {
    const parent = nodes[index];
    for (const [name, id] of entries) {
      const child = nodeOf(id);
      if (!child || parent?.kind !== 'directory') continue;
      parent.entries.set(name, child);
      if (child.kind === 'directory') Object.assign(child, { parent, name });
    }
  });
  const opened = files.map(([id, position, flags]) => ({ node: nodeOf(id), position, flags }));
  /** @type {(OpenFile | undefined)[]} */
  const open = [];
  for (const [fd, index] of descriptors) {
    const file = opened[index];
    if (file?.node) open[fd] = /** @type {OpenFile} */ (file);
  }
  return { open, bytes, count: nodes.length - roots.length };
}
