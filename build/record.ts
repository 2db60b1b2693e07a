import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { textsOf } from './roles.ts'

// npm run check:record: SQL names the tables, views and functions of schema `viewkeeper` in src/record alone, and where the schema itself is
// made (src/own-schema).

/** What the steps of the schema make, by name. */
export const objectsOf = (steps: string): Set<string> =>
  new Set([...steps.matchAll(/^create (?:table|view|function) viewkeeper\.(\w+)/gm)].map(([, name]) => name!))

/** How often the texts of a file of TypeScript name one of these objects with the schema. */
export const placesIn = (path: string, text: string, objects: Set<string>): number =>
  textsOf(path, text)
    .flatMap((each) => [...each.matchAll(/\bviewkeeper\.(\w+)/g)])
    .filter(([, name]) => objects.has(name!)).length

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const objects = objectsOf(
    globSync('schema/*.sql')
      .map((step) => readFileSync(step, 'utf8'))
      .join('\n'),
  )
  const paths = globSync('{cli,functions,infra,local,page,serve,src}/**/*.{ts,tsx}').filter(
    (path) => !/^src\/(record|own-schema)\/|\.d\.ts$/.test(path),
  )
  for (const path of paths) {
    const places = placesIn(path, readFileSync(path, 'utf8'), objects)
    if (places === 0) continue
    console.log(
      `${path}: names what is in schema viewkeeper in ${places} places. Let a function of src/record do it.`,
    )
    process.exitCode = 1
  }
}
