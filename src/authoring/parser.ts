import { setFlagsFromString } from 'node:v8'

// V8 would compile PostgreSQL's parser a second time, for speed, while most commands are over already: it costs half a second
// of a processor and 600 MB of memory. Either flag alone only delays that. Set before the parser is loaded.
setFlagsFromString('--no-wasm-dynamic-tiering')
setFlagsFromString('--no-wasm-tier-up')

/** PostgreSQL's own parser, as WebAssembly. */
export const { hasSqlDetails, parse, parsePlPgSQL, scan } = await import('libpg-query')
