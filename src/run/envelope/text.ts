import { readFileSync } from 'node:fs'
import { sealedText } from '../../sealed/plan/text.ts'
import { safePath } from '../../sql/settings.ts'

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

/** What executes a statement of the plan that is sealed. */
const sealed = sealedText({
  role: "statement #>> '{seal,role}'",
  schema: "statement #>> '{seal,schema}'",
  command: 'command',
  path: `case when statement ? 'rolePath' then role_path else coalesce(statement #>> '{seal,path}', '${safePath}') end`,
  reads: "statement ->> 'reads'",
})

/** A file of the envelope with its parts, each in its place and with its indentation. */
const read = (file: string): string =>
  readFileSync(new URL(file, import.meta.url), 'utf8').replaceAll(
    /^( *)-- part: (\S+)$/gm,
    (_, indent: string, part: string) =>
      (part === 'sealed' ? sealed : read(`${part}.sql`).trimEnd()).replaceAll(/^(?=.)/gm, indent),
  )

/** The envelope as one reads it. A bundle has what is sent instead of what makes it. */
export const wholeEnvelope = (): string => read('envelope.sql')

/** The envelope as it is sent. */
export const envelope = sentOf(wholeEnvelope())
