import { expect, test } from 'vitest'
import { findingsLines } from '../../../cli/output/findings.ts'
import { applySchema } from '../../../src/db/schema/apply.ts'
import type { Sql } from '../../../src/db/server/connect.ts'
import { untried } from '../../../src/plan/tried-versions.ts'

const said =
  'PostgreSQL 19 is newer than any version on which this Viewkeeper was tried: it is treated as 18.'

test.each([
  [150018, null],
  [180004, null],
  [190000, said],
  [190001, said],
])('a server of version number %i', (number, sentence) => {
  expect(untried(number)).toBe(sentence)
})

test('doctor begins with the sentence', () => {
  const findings = {
    role: 'app',
    views: [],
    missing: [],
    withoutKey: [],
    replicas: { readOnReplicas: null, standbys: [], hidden: 0 },
  }
  expect(findingsLines({ ...findings, untried: said })[0]).toBe(said)
  expect(findingsLines(findings).join()).not.toContain('newer')
})

/** Answers as a server of that version number that has the schema already. */
const serverOf = (number: number): Sql => {
  const sql = async (text: TemplateStringsArray) =>
    text.join('').includes('order by number') ? [] : [{ may: true, there: true, owner: 'viewkeeper', number }]
  return Object.assign(sql, {
    begin: (work: (part: unknown) => unknown) => work(sql),
    unsafe: async () => [],
  }) as never
}

test('the report of the schema steps, which the first deploy logs, has the sentence', async () => {
  expect(await applySchema(serverOf(190001), [])).toEqual({ applied: [], ahead: [], untried: said })
  expect(await applySchema(serverOf(180004), [])).toEqual({ applied: [], ahead: [] })
})
