import { setFlagsFromString } from 'node:v8'

/** PostgreSQL's own parser, as WebAssembly: loaded by the first text, because that takes most of a second. */
let library: Promise<typeof import('libpg-query')> | undefined

function load(): Promise<typeof import('libpg-query')> {
  if (library === undefined) {
    // V8 would compile the parser a second time, for speed, while most commands are over already: it costs half a second of a
    // processor and 600 MB of memory. Either flag alone only delays that. Set before the parser is loaded.
    setFlagsFromString('--no-wasm-dynamic-tiering')
    setFlagsFromString('--no-wasm-tier-up')
    library = import('libpg-query')
  }
  return library
}

export const parse = async (text: string) => (await load()).parse(text)

export const scan = async (text: string) => (await load()).scan(text)

/** How many code points of a text come before the error that `parse` has thrown; 0 if it does not say. */
export async function placeOf(error: unknown): Promise<number> {
  const { hasSqlDetails } = await load()
  return hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? 0) : 0
}
