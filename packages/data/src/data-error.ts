/** Where in which file bad data was found. */
export interface DataErrorPlace {
  /** path as the caller gave it */
  file?: string;
  /** 1-based: line of a JSONL file, row of a parquet file */
  row?: number;
}

/** Bad input data. The message says where, what was got, what was wanted, and what to do about it. */
export class DataError extends Error {
  override readonly name = 'DataError';
  readonly file: string | undefined;
  readonly row: number | undefined;

  constructor(message: string, { file, row, cause }: DataErrorPlace & { cause?: unknown } = {}) {
    const place = [file, row].filter((part) => part !== undefined).join(':');
    super(place === '' ? message : `${place}: ${message}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.row = row;
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
