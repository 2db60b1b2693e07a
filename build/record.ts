import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { textsOf } from './roles.ts'

// npm run check:record: SQL names the tables, views and functions of schema `viewkeeper` in src/record alone, and where the schema itself is
// made (src/own-schema). Tests may read them, and write them by functions of test/support/record.

/** What the steps of the schema make, by name. */
export const objectsOf = (steps: string): Set<string> =>
  new Set([...steps.matchAll(/^create (?:table|view|function) viewkeeper\.(\w+)/gm)].map(([, name]) => name!))

const naming = /\bviewkeeper\.(\w+)/g
export const writing = /\b(?:insert into|update|delete from|truncate(?: table)?)\s+viewkeeper\.(\w+)/gi

/** How often the texts of a file of TypeScript name one of these objects with the schema, or write it. */
export const placesIn = (path: string, text: string, objects: Set<string>, how = naming): number =>
  textsOf(path, text)
    .flatMap((each) => [...each.matchAll(how)])
    .filter(([, name]) => objects.has(name!)).length

/** Tests of what SQL of somebody else does to the record: it is refused, or a message said to type it. */
const byOthers = [
  'test/database/hostile/logins.test.ts',
  'test/database/migrate/failures.test.ts',
  'test/support/servers/hostile.ts',
  'test/unit/record.test.ts',
]

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const objects = objectsOf(
    globSync('schema/*.sql')
      .map((step) => readFileSync(step, 'utf8'))
      .join('\n'),
  )
  const paths = globSync('{cli,functions,infra,local,page,serve,src,test}/**/*.{ts,tsx}').filter(
    (path) => !/^(src\/(record|own-schema)|test\/support\/record)\/|\.d\.ts$/.test(path),
  )
  for (const path of paths) {
    const [does, by, how] = path.startsWith('test/')
      ? (['writes', 'test/support', writing] as const)
      : (['names', 'src', naming] as const)
    const places = placesIn(path, readFileSync(path, 'utf8'), objects, how)
    if (places > 0 === byOthers.includes(path)) continue
    console.log(
      `${path}: ${does} what is in schema viewkeeper in ${places} places. Let a function of ${by}/record do it.`,
    )
    process.exitCode = 1
  }
}
