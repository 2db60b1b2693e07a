import { expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { standbysLine } from '../../../src/server/standbys.ts'

test('standbys are told by the doctor, if there are any', () => {
  const replicas = { standbys: [{ name: 'reports', lagMs: 1200 }], hidden: 0 }
  expect(findingsLines({ role: 'app', views: [], missing: [], replicas })).toContain(standbysLine(replicas))
  expect(standbysLine({ standbys: [], hidden: 0 })).toBeNull()
})
