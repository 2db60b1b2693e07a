import { describe, expect, test } from 'vitest'
import { findingsLines } from '../../../cli/output/findings.ts'
import { lagLine, type Replicas, unsaid } from '../../../src/sql/replicas.ts'

const replicas = (more: Partial<Replicas> = {}): Replicas => ({
  readOnReplicas: null,
  standbys: [{ name: 'reports', lagMs: 1200 }],
  hidden: 0,
  ...more,
})

describe('standbys', () => {
  test('about which nobody has said anything are named, with what they mean and what to say', () => {
    expect(unsaid(replicas())).toMatch(
      /^This server has 1 standby \(reports\)\. If programs read views there, each swap makes them wait .*readOnReplicas: true/,
    )
    expect(unsaid(replicas({ standbys: [], hidden: 2 }))).toMatch(
      /^2 sessions may be those of standbys: .* lacks/,
    )
  })

  test.each([
    ['programs read there', { readOnReplicas: true }],
    ['nobody reads there', { readOnReplicas: false }],
    ['there are none', { standbys: [] }],
  ])('are not named if %s', (_, more) => {
    expect(unsaid(replicas(more))).toBeNull()
  })

  test('have the lag that the server knows', () => {
    const standbys = [...replicas().standbys, { name: 'other', lagMs: null }]
    expect(lagLine(replicas({ standbys }))).toBe(
      'on replicas the data are older: reports by 1.2 s, other by an unknown time',
    )
    expect(lagLine(replicas({ standbys: [] }))).toBeNull()
  })

  test('and views without a key are told by the doctor', () => {
    const withoutKey = [{ view: 'app.sales', message: 'has no key' }]
    const lines = findingsLines({ role: 'app', views: [], missing: [], withoutKey, replicas: replicas() })
    expect(lines).toContain('app.sales has no key')
    expect(lines).toContain(unsaid(replicas()))
  })
})
