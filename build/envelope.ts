import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('../src/run/envelope/', import.meta.url)

/**
 * The text that is sent of `envelope.sql`: without comments, indentation, and lines and spaces that separate nothing. No literal of it spans
 * lines.
 */
export const sentOf = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/(^|\s)--.*/, '').trim())
    .map((line) =>
      line.replace(
        /('[^']*')(?: (?=[a-z]))?|(,) | (:=|\|\||[-#]>>?|[=<>]+) (?=[\w'(])| (?=\()|(?<=\)) /g,
        (_, literal, comma, operator) => literal ?? comma ?? operator ?? '',
      ),
    )
    .filter((line) => line !== '')
    .join('\n')
    .replaceAll(/([;,()])?\n/g, (_, end) => end ?? ' ')

/** The module that has this text, because a bundle and bare Node both read modules only. */
export const moduleOf = (text: string): string =>
  `/** Made of envelope.sql by \`npm run envelope\`. */\nexport const envelope =\n  ${JSON.stringify(sentOf(text))}\n`

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('text.ts', folder), moduleOf(readFileSync(new URL('envelope.sql', folder), 'utf8')))
