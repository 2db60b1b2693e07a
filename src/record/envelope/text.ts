import { readFileSync } from 'node:fs'
import { sealedText } from '../../sealed/plan/text.ts'
import { safePath } from '../../sql/settings.ts'

/** What is sent of this text: no comments, indentation, and lines and spaces that separate nothing. No literal of it spans lines. */
const sentOf = (text: string): string =>
  text
    .replaceAll(/(^| )--.*/gm, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, '\n')
    .replaceAll(
      /('[^'\n]*')(?: (?=[a-z]))?|(,) | (:=|\|\||[-#]>>?|[=<>]+) (?=[\w'(])| (?=\()|(?<=\)) /g,
      (_, literal, comma, operator) => literal ?? comma ?? operator ?? '',
    )
    .replaceAll(/([;,()])?\n/g, (_, end) => end ?? ' ')

/** What executes a statement of the plan that is sealed. */
const sealed = sealedText({
  role: "statement #>> '{seal,role}'",
  schema: "statement #>> '{seal,schema}'",
  command: 'command',
  path: `case when statement ? 'rolePath' then role_path else coalesce(statement #>> '{seal,path}', '${safePath}') end`,
  reads: "statement ->> 'reads'",
})

/** A file of the envelope, with its parts in their places. */
const read = (file: string): string =>
  readFileSync(new URL(file, import.meta.url), 'utf8').replaceAll(/^ *-- part: (\S+)$/gm, (_, part) =>
    part === 'sealed' ? sealed : read(part),
  )

/** The envelope as one reads it. */
export const wholeEnvelope: string = read('envelope.sql')

/** The envelope as it is sent. A bundle has this text instead of what makes it. */
export const envelope = sentOf(wholeEnvelope)
