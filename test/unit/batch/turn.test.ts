import { expect, test } from 'vitest'
import type { RunStatus } from '../../../src/catalog/plan/run.ts'
import { groupsByMember, waitsFor } from '../../../src/run/plan/turn.ts'

const latest = (statuses: Record<number, RunStatus>) =>
  new Map(Object.entries(statuses).map(([id, status]) => [Number(id), { status, class: null }]))
const none = groupsByMember([])
const child = { id: 3, parents: [1, 2] }

test('a view waits for the views that it reads, until they are done', () => {
  expect(waitsFor(child, latest({ 1: 'running' }), none)).toEqual([1, 2])
  expect(waitsFor(child, latest({ 1: 'success', 2: 'failed' }), none)).toEqual([2])
  // A paused view was skipped without an error, and counts as done.
  expect(waitsFor(child, latest({ 1: 'success', 2: 'skipped', 3: 'pending' }), none)).toEqual([])
})

test('a view whose run is running or has ended waits for nothing', () => {
  for (const status of ['running', 'success', 'failed', 'skipped', 'canceled'] as const)
    expect(waitsFor(child, latest({ 3: status }), none)).toEqual([])
})

test('a shadow is enough for a view of the same group; a built view waits for the other shadows', () => {
  const groups = groupsByMember([{ number: 1, members: [2, 3] }])
  expect(waitsFor(child, latest({ 1: 'success', 2: 'built' }), groups)).toEqual([])
  expect(waitsFor(child, latest({ 1: 'success', 2: 'built' }), none)).toEqual([2])
  expect(waitsFor({ id: 2, parents: [] }, latest({ 2: 'built', 3: 'running' }), groups)).toEqual([3])
  expect(waitsFor({ id: 2, parents: [] }, latest({ 2: 'built', 3: 'built' }), groups)).toEqual([])
})
