/** One step of the schema: a numbered SQL file, applied once, never edited afterwards. */
export interface SchemaStep {
  number: number
  /** The file's name without its ending: `001_definitions`. */
  name: string
  sql: string
  /** SHA-256 of the text with line ends as `\n`, in hex. */
  checksum: string
}
