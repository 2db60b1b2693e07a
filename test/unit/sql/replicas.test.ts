import { describe, expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { type Replicas, unsaid } from '../../../src/sql/replicas.ts'

const replicas = (more: Partial<Replicas> = {}): Replicas => ({
  readOnReplicas: null,
  standbys: [{ name: 'reports', lagMs: 1200 }],
  hidden: 0,
  ...more,
})

describe('standbys', () => {
  test.each([
    ['programs read there', { readOnReplicas: true }],
    ['nobody reads there', { readOnReplicas: false }],
    ['there are none', { standbys: [] }],
  ])('are not named if %s', (_, more) => {
    expect(unsaid(replicas(more))).toBeNull()
  })

  test('and views without a key are told by the doctor', () => {
    const withoutKey = [{ view: 'app.sales', message: 'has no key' }]
    const lines = findingsLines({ role: 'app', views: [], missing: [], withoutKey, replicas: replicas() })
    expect(lines).toContain('app.sales has no key')
    expect(lines).toContain(unsaid(replicas()))
  })
})
