import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'

/** The lines of an error's stack that name places, not the message. A place in a bundle becomes that in the source. */
export const placesOf = ({ stack = '' }: Error): string[] =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.replace(/(file:\S+\.mjs):(\d+):(\d+)/, inSource))

/** Reads the map of a bundled file at an error. With `--enable-source-maps` Node would read all maps at each start. */
function inSource(place: string, file: string, line: string, column: string): string {
  try {
    const map = new SourceMap(JSON.parse(readFileSync(new URL(`${file}.map`), 'utf8')))
    const origin = map.findOrigin(Number(line), Number(column))
    if (!('fileName' in origin)) return place
    return `${origin.fileName.replace(/^(\.\.\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`
  } catch {
    return place
  }
}
