import { expect, test } from 'vitest'
import { findingsLines } from '../../../cli/output/findings.ts'

test('names of roles and views cannot move the cursor of a terminal, and are typed as they are printed', () => {
  const odd = '"red\u001b[31m\u202e\nname"'
  const obstacle = {
    because: `its owner, ${odd}, lacks select on ${odd}`,
    fix: { sql: `grant select on ${odd} to app;`, grants: true, by: [odd] },
  }
  const [refresh, none] = [[obstacle], []]
  const view = {
    view: odd,
    schema: 'a',
    name: 'b',
    owner: odd,
    refresh,
    concurrent: none,
    swap: none,
    migrate: none,
    act: none,
  }
  const lines = findingsLines({
    role: odd,
    views: [view],
    missing: [obstacle.fix],
    withoutKey: [],
    replicas: { standbys: [], readOnReplicas: null },
  } as never)
  expect(lines.join('\n')).toContain('U&"red\\001B[31m\\202E\\000Aname"')
  expect(lines.filter((line) => /[\p{Cc}\u202e]/u.test(line))).toEqual([])
})
