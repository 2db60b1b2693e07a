import { expect, test } from 'vitest'
import { readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { tokensIn } from '../../../src/sql/sql-tokens.ts'

/** The SHA-256 of each schema step, as databases have it in viewkeeper.schema_steps. A line is added, never changed. */
const digests: Record<string, string> = {
  '001_definitions': '0dec9b5a896ce486628bc970576a10f107da3bf47cb81622f4930a5b95ed8e97',
  '002_runs': 'de183b97d4e732a83812067c9a9e3a515701b350c9bc507fb77e71b403ea817d',
  '003_actions': '653a21f322991d7a1baec403bbe4a0fc310df77177027051676c819f6d039de3',
  '004_migrations': '7fbd7dd59d85959c9e144350952484d74cce4391979829f360fea5676b51c2c4',
  '005_standings': 'c9a20a03d5fa46156fa97164c2a5c31881dc7908e9deb041bfe0375976e6f344',
  '006_inputs': 'b9d0fd2309640e12bb7a8375ec5ff3e2aed5dba08d96b2cb1ee301a524c62760',
  '007_monitoring': '1c60d39042abd57a4475e4319329b1eecad986bfd85d71247c8e31c00c813b85',
  '008_last_ends': '6686777d547b8ae02b4d896c71ab511ca6c2493f43842927d2250cce2ed8fb32',
  '009_tokens': '1105b98ce70b39067b87308cc97994485e89a7779c4898ac75ad59bf12996208',
  '010_history': '9f5afa6e8239af735f4b56f6042732d7c02e2fc5c0efec3bcdc69ad681702d16',
  '011_freshness': '331d711efd4dcf95f3bf33e711f6aee99370687f21a6e1511c4f810bee59823e',
  '012_history_costs': '8e09ffdc0d8cc43ca5b671b204a96b6800301a44a2345496f713262f3ec757aa',
  '013_ages': 'faf1813301169b54fa21dfc4a5889667aedf81e1ed64f7448c49bccf6560d55c',
  '014_forgotten_pauses': '031efd5d0b8b888698c0ce7665712478c30331a6c72400d6f7727437b7ae15f7',
  '015_programs': 'c7e6553c38b855572c5b117738eb7858a09e0c1d3468c81557925d70f59a9a1b',
  '016_fewer_notes': '93cf754e17fbdf92af32f2ee191f5ad3b30c8cb6c4bb7c50938558ea76800b97',
  '017_incidents': '38c5a30f0b9fc88ab9743968421c06a29d617598d41c15b974fa50f743801a2c',
  '018_groups': '928ccbcfe69e0aa6d63b071c359ea4c654223cf24ea5facda00b778fd86c25cb',
  '019_slices': '7741314b97bbc8cefebefcd6a507108a06cf3fa14e942d41b305b7fd728d9802',
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
