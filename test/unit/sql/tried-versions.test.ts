import { expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { untried } from '../../../src/watch/db/examined.ts'

const said =
  'PostgreSQL 20 is newer than any version on which this Viewkeeper was tried: it is treated as 19.'

test.each([
  [150018, null],
  [190001, null],
  [200000, said],
  [200003, said],
])('a server of version number %i', (number, sentence) => {
  expect(untried(number)).toBe(sentence)
})

test('doctor says it in one line, and nothing else differs', () => {
  const findings = {
    role: 'app',
    views: [],
    missing: [],
    replicas: { standbys: [], hidden: 0 },
  }
  const [lines, usual] = [findingsLines({ ...findings, untried: said }), findingsLines(findings)]
  expect(lines.filter((line) => line !== said && line !== '')).toEqual(usual.filter((line) => line !== ''))
  expect(lines.filter((line) => line === said)).toHaveLength(1)
  expect(usual).not.toContain(said)
})
