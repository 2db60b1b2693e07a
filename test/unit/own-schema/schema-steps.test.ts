import { expect, test } from 'vitest'
import { readSchemaSteps } from '../../../src/own-schema/schema-steps.ts'

/** The SHA-256 of each schema step, as databases have it in viewkeeper.schema_steps. A line is added, never changed. */
const digests: Record<string, string> = {
  '001_definitions': '5837d5c0ced926c036d4b73bed7a8276e8fcd2ae89764db6086753df8b9e8878',
  '002_runs': 'f9bd66c282c3ebb006b081454250d74220eee0c4db3aca43b4e4175ec53f57ca',
  '003_actions': '9b8598254e82e169eea30d2c0d4b85d4505d62a21a15fa2c7023a913d4c59d8b',
  '004_migrations': '2619cd840da00cb80650b1d68d758ebab35d15fc5532d2fb0f70a1a4a49d8621',
  '005_standings': '65419ac6af0a8b3765e956aeb275e864da6adf18ef079c51ecd82a5888c7393d',
  '006_inputs': '73386f9feac2e174100787370dbd817b407544f8291f3993e832ee3fefb7239d',
  '007_monitoring': '1c60d39042abd57a4475e4319329b1eecad986bfd85d71247c8e31c00c813b85',
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
