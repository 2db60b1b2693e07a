/** A schema step: a numbered SQL file, applied once and never edited afterwards. */
export interface SchemaStep {
  number: number
  /** The file's name without its ending: `001_definitions`. */
  name: string
  sql: string
  /** SHA-256 of the text with line ends as `\n`, in hex. */
  checksum: string
}
