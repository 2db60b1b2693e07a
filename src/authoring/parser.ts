import { setFlagsFromString } from 'node:v8'

// V8 would compile PostgreSQL's parser a second time, for speed, while most commands are over already: it costs half a second
// of a processor and 600 MB of memory. Set before the parser is loaded.
setFlagsFromString('--wasm-tiering-budget=1000000000')

/** PostgreSQL's own parser, as WebAssembly. */
export const { hasSqlDetails, parse, parsePlPgSQL, scan } = await import('libpg-query')
