/** The part of the WebAssembly JavaScript API used here; Node's types have next to nothing of it. */
declare namespace WebAssembly {
  type Imports = Record<string, Record<string, unknown>>;
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: string }[];
    static exports(module: Module): { name: string; kind: string }[];
  }
  class Instance {
    constructor(module: Module, imports: Imports);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Table {
    readonly length: number;
    get(index: number): Function | null;
    set(index: number, value: Function): void;
    grow(count: number): number;
  }
  class Global {
    constructor(type: { value: 'i32'; mutable?: boolean }, value: number);
    value: number;
  }
  /** a trap */
  class RuntimeError extends Error {}
}
