import { readFileSync } from 'node:fs'

/** What is sent of this text: no comments, indentation, and lines and spaces that separate nothing. No literal of it spans lines. */
const sentOf = (text: string): string =>
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

/** The envelope. A bundle has this text instead of what makes it. */
export const envelope = sentOf(readFileSync(new URL('envelope.sql', import.meta.url), 'utf8'))
