/**
 * The bytes each token stands for. Decoding is then concatenation, which makes text of a prefix a prefix of the text:
 * what incremental decoding and stop strings rely on.
 */

/** The parts of a `tokenizer.json` that decide what a token's text is. */
export interface TokenizerJson {
  added_tokens?: { id: number; content: string; special?: boolean }[];
  decoder?: DecoderJson | null;
  model: { type?: string; vocab: Record<string, number> | [string, number][]; [field: string]: unknown };
  [field: string]: unknown;
}

interface DecoderJson {
  type: string;
  decoders?: DecoderJson[];
}

type TextToBytes = (content: string) => Uint8Array;

const utf8 = new TextEncoder();

/** What tokens stand for, in one piece of memory: an array per token would take tens of MB for a large vocabulary. */
export interface TokenBytes {
  /** one more than the largest id */
  readonly size: number;
  /** empty for an id without token */
  of(token: number): Uint8Array;
}

/**
 * Byte-level BPE (Qwen, Llama 3, SmolLM2), SentencePiece-style BPE with byte fallback (Llama 2) and plain vocabularies are understood.
 * @throws for a decoder whose text depends on neighbouring tokens, by name
 */
export function tokenBytes(json: TokenizerJson, source: string): TokenBytes {
  const toBytes = textToBytes(json.decoder ?? null, source);
  const { vocab } = json.model;
  const contents: (string | undefined)[] = [];
  if (Array.isArray(vocab)) vocab.forEach(([content], id) => (contents[id] = content));
  else for (const content of Object.keys(vocab)) contents[vocab[content] as number] = content;
  const added = new Set<number>();
  for (const { id, content } of json.added_tokens ?? []) {
    contents[id] = content;
    added.add(id);
  }

  const size = contents.length;
  // token t is bytes ends[t] to ends[t + 1]; a UTF-16 code unit takes at most three
  const bytes = new Uint8Array(3 * contents.reduce((units, content = '') => units + content.length, 0));
  const ends = new Uint32Array(size + 1);
  for (let id = 0; id < size; id++) {
    const content = contents[id] ?? '';
    const part = added.has(id) ? utf8.encode(content) : toBytes(content);
    bytes.set(part, ends[id]);
    ends[id + 1] = (ends[id] as number) + part.length;
  }
  const packed = bytes.slice(0, ends[size]);
  return { size, of: (token) => packed.subarray(ends[token] ?? 0, ends[token + 1] ?? 0) };
}

function textToBytes(decoder: DecoderJson | null, source: string): TextToBytes {
  const steps = decoder === null ? [] : decoder.type === 'Sequence' ? (decoder.decoders ?? []) : [decoder];
  const types = steps.map(({ type }) => type);
  const known = ['ByteLevel', 'ByteFallback', 'Replace', 'Metaspace', 'Fuse', 'Strip'];
  const unknown = types.find((type) => !known.includes(type));
  if (unknown) throw new Error(`${source}: decoder "${unknown}" is not implemented; known: ${known.join(', ')}`);
  if (types.includes('ByteLevel')) return byteLevelBytes;
  const words = types.includes('Replace') || types.includes('Metaspace');
  return (content) => {
    const byte = types.includes('ByteFallback') ? /^<0x([0-9A-F]{2})>$/.exec(content)?.[1] : undefined;
    if (byte !== undefined) return Uint8Array.of(parseInt(byte, 16));
    return utf8.encode(words ? content.replaceAll('\u2581', ' ') : content);
  };
}

/** GPT-2's table: printable Latin-1 characters stand for their own byte, the other 68 bytes for U+0100 upwards. */
const byteOfCharacter: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) table.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return table;
})();

function byteLevelBytes(content: string): Uint8Array {
  const bytes = Array.from(content, (character) => byteOfCharacter.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : utf8.encode(content);
}
