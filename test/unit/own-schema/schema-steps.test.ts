import { expect, test } from 'vitest'
import { readSchemaSteps } from '../../../src/own-schema/apply.ts'
import { tokensIn } from '../../../src/sql/sql-tokens.ts'

/** The SHA-256 of each schema step, as databases have it in viewkeeper.schema_steps. A line is added, never changed. */
const digests: Record<string, string> = {
  '001_schema': '0a1f558618282325eed19d2e782c0faaa17acb2505117e4d714a7f7485ce4038',
  '002_definitions': 'c101f9ef526f0f25f50e804cf547b62a8a8ac01a7639012510f1192cec2fae9b',
  '003_batches': '8a8a1a01325153c6756444f5be7064f884fd183ee172a62658fcacfd3a440f07',
  '004_runs': '8d85c1f6add86a9d4757b02d1477c26a546d0270384787444346b5fcbbb44f12',
  '005_ages': '0dd2763762059f7b16b0a432da0dff4dcf769c12d1e41e3689cb812d6c74bff6',
  '006_inputs': '09c67583066479ec6f2bd5ffb7a4292672593f4ec7a79b990f4b3d3a64caf03a',
  '007_watch': '892f170a9575b296ee26c1a8af06f760e15dae758ae5c77b9204b5907832c373',
  '008_public': '2ef6dbddce4d2fe3d7c635f3a8b0b5570e6d0b5568ff6e11b1bd0f9366c97b23',
  '009_live': '5e8c2fde0999ad068655592d50365ba6f8fa43827ea42a5a23f0b91dddf3a3b6',
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

test('functions that forbid the planner something compile nothing: its costs are then so high that the server compiles everything', () => {
  const forbidding = steps.flatMap(({ sql }) =>
    sql.split('\n').filter((line) => /\bset (enable_\w+|plan_cache_mode) = .* as \$\$$/.test(line)),
  )
  expect(forbidding.length).toBeGreaterThan(5)
  expect(forbidding.filter((line) => !line.includes(' set jit = off'))).toEqual([])
})
