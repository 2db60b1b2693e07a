import { expect, test } from 'vitest'
import { readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { tokensIn } from '../../../src/sql/sql-tokens.ts'

/** The SHA-256 of each schema step, as databases have it in viewkeeper.schema_steps. A line is added, never changed. */
const digests: Record<string, string> = {
  '001_definitions': 'a04f60a49db9d9e8b73738611756b716b0423038ff47ddec9f58ad27c8d09280',
  '002_runs': 'ac3938982021bfa9f4d7453e443e99d2bdad16294ac8c322cf601f15f4f743e8',
  '003_actions': 'c105aa1e7ec124c5545600f1b9a902c7030a530e6b763d8293e56fae97dd8399',
  '004_migrations': '7fbd7dd59d85959c9e144350952484d74cce4391979829f360fea5676b51c2c4',
  '005_standings': 'f43d4cb265f5603bbbb79f1f3b90ab33d649fb014df0739819c5f721d995d5d8',
  '006_inputs': '4f5f5a726b641454e3cb3dd442edb8ff8c60b396bd34ebbbb4cf29764728afa2',
  '007_incidents': '3b2423450fea6c3f972a4bf885bf274dff998a4fd55c74bd2d4bed3898f03576',
  '008_tokens': '1105b98ce70b39067b87308cc97994485e89a7779c4898ac75ad59bf12996208',
  '009_freshness': 'c207633f00da2755541ac98059496dbbee4ffd7244f205e1e92b1cae2784627d',
}

const steps = await readSchemaSteps(new URL('../../../schema/', import.meta.url))
const next = String(steps.length + 1).padStart(3, '0')

test.each(steps)('schema step $name is as it was when it was added', ({ name, checksum }) => {
  expect(
    checksum,
    digests[name] === undefined
      ? `schema/${name}.sql is new. Add its digest to the end of the list in test/unit/own-schema/schema-steps.test.ts:\n  '${name}': '${checksum}',`
      : `schema/${name}.sql was edited, and databases that have it refuse the edited file. Restore it (git checkout main -- schema/${name}.sql) ` +
          `and write a new one: schema/${next}_<words>.sql, which only adds.`,
  ).toBe(digests[name])
})

test('no schema step is renamed or removed, because databases have it by its number and name', () => {
  expect(Object.keys(digests).filter((name) => !steps.some((step) => step.name === name))).toEqual([])
})

test('functions that are parsed when they are called mean the same with standard_conforming_strings off: a text with a backslash is written with E', () => {
  const bodies = steps.flatMap(({ sql }) =>
    [...tokensIn(sql)].filter(({ kind, text }) => kind === 'text' && text.startsWith('$')),
  )
  const texts = bodies.flatMap(({ text }) =>
    [...tokensIn(text.replace(/^\$\w*\$|\$\w*\$$/g, ''))].filter(({ kind }) => kind === 'text'),
  )
  expect(texts.length).toBeGreaterThan(100)
  expect(texts.filter(({ text }) => text.startsWith("'") && text.includes('\\'))).toEqual([])
})
